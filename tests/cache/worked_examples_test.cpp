// One small example for each policy, drawn so that it can be followed by hand. Letters are entries; h is a hit, m a
// miss; under a miss stands the victim. Selections are separated by spaces.

#include "cache/replay_log.hpp"
#include "catch.hpp"
#include "dsasim/cache/policy/random.hpp"
#include "dsasim/cache/policy_spec.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;

namespace {

constexpr std::uint32_t alphabet = 26;

ReplayLog log_of(std::string_view text) {
  ReplayLog log{.directory_entries = alphabet, .context = alphabet, .longest = 0, .events = {Event{}}};
  for (const char letter : text) {
    if (letter == ' ') {
      log.events.emplace_back();
    } else {
      log.events.back().ids.push_back(EntryId{static_cast<std::uint32_t>(letter - 'A')});
    }
  }
  return log;
}

std::string residents(const Cache& cache) {
  std::string letters;
  for (std::uint32_t id = 0; id < alphabet; ++id) {
    letters += cache.contains(0, EntryId{id}) ? std::string(1, static_cast<char>('A' + id)) : "";
  }
  return letters;
}

/// What left between two states of a cache, in alphabetical order.
std::string gone(const std::string& before, const std::string& after) {
  std::string letters;
  for (const char letter : before) {
    letters += after.find(letter) == std::string::npos ? std::string(1, letter) : "";
  }
  return letters;
}

struct Replay {
  std::string seen;     ///< h and m, as in the drawing
  std::string victims;  ///< after each selection that evicted, what left, in alphabetical order
  std::string left;     ///< residents at the end, in alphabetical order
};

Replay replay(std::string_view policy, std::uint32_t capacity, std::string_view text) {
  const PolicySpec spec = parse_policy(policy);
  const ReplayLog log = log_of(text);
  const auto future = future_of(log);
  const auto cache = make_cache(spec, capacity, alphabet, 0);
  Replay result;
  for (std::size_t number = 0; number < log.events.size(); ++number) {
    if (policy_needs(spec).future) {
      cache->foresee(future[number]);
    }
    const std::string before = residents(*cache);
    std::vector<EntryId> missed;
    cache->select(origin_of(log, number), log.events[number].ids, missed);
    result.seen += number == 0 ? "" : " ";
    for (const EntryId entry : log.events[number].ids) {
      result.seen += std::ranges::find(missed, entry) == missed.end() ? 'h' : 'm';
    }
    result.victims += gone(before, residents(*cache));
    CHECK(cache->invariant());
  }
  result.left = residents(*cache);
  return result;
}

/// One access to a selection.
std::string spaced(std::string_view text) {
  std::string result;
  for (const char letter : text) {
    result += result.empty() ? "" : " ";
    result += letter;
  }
  return result;
}

}  // namespace

TEST_CASE("lru evicts the least recently used entry", "[cache][lru]") {
  // Four slots.
  //
  //   A B C D   A B   E F G H   A B E F G H
  //   m m m m   h h   m m m m   m m m m m m
  //                   C D A B   E F G H A B
  //                   ^ A and B were just used; and from the second G on, a loop of six over four slots never hits
  const Replay result = replay("lru", 4, spaced("ABCDABEFGHABEFGH"));
  CHECK(result.seen == spaced("mmmmhhmmmmmmmmmm"));
  CHECK(result.victims == "CDABEFGHAB");
  CHECK(result.left == "EFGH");
}

TEST_CASE("fifo evicts the entry that came in first, however often it was hit", "[cache][fifo]") {
  // Three slots.
  //
  //   A B C   A A   D E   A B
  //   m m m   h h   m m   m m
  //                 A B   C D   A's two hits did not keep it
  const Replay result = replay("fifo", 3, spaced("ABCAADEAB"));
  CHECK(result.seen == spaced("mmmhhmmmm"));
  CHECK(result.victims == "ABCD");
  CHECK(result.left == "ABE");
}

TEST_CASE("fifo,atomic=step passes over what the selection names, which keeps its place", "[cache][fifo]") {
  // Three slots; the order of insertion is written below, oldest first.
  //
  //   ABC    AD     AE     BF
  //   mmm    hm     hm     mm
  //          B      C      AD   A had remained the oldest, and is no longer named
  //   ABC    ACD    ADE    EBF
  const Replay result = replay("fifo,atomic=step", 3, "ABC AD AE BF");
  CHECK(result.seen == "mmm hm hm mm");
  CHECK(result.victims == "BCAD");
  CHECK(result.left == "BEF");
}

TEST_CASE("Replacing at each access can evict what the selection is about to use, and atomic=step cannot",
          "[cache][fifo]") {
  // Two slots: C evicts A, which was to be a hit, and A then evicts B.
  CHECK(replay("fifo", 2, "AB CA").seen == "mm mm");
  CHECK(replay("fifo,atomic=step", 2, "AB CA").seen == "mm mh");
}

TEST_CASE("random draws the victim's slot, the same on every machine", "[cache][random]") {
  // Two slots, every access a miss. The draws of seed 1, cache 0 say which slot each entry after B takes.
  const Replay result = replay("random", 2, spaced("ABCDEFG"));
  CHECK(result.seen == spaced("mmmmmmm"));
  std::string victims;
  std::string slots = "AB";
  Xoshiro256 draws = Xoshiro256::numbered(1, 0);
  for (const char letter : std::string("CDEFG")) {
    char& slot = slots[draws.below(2)];
    victims += slot;
    slot = letter;
  }
  CHECK(result.victims == victims);
}

TEST_CASE("random,atomic=step draws until the slot is not named by the selection", "[cache][random]") {
  // Three slots, and each second selection names two residents: only the third can go.
  //
  //   ABC   ABD   ADE   ABE
  //   mmm   hhm   hhm   hmh
  //         C     B     D
  const Replay result = replay("random,atomic=step", 3, "ABC ABD ADE ABE");
  CHECK(result.seen == "mmm hhm hhm hmh");
  CHECK(result.victims == "CBD");
}

TEST_CASE("clock spares an entry that was hit for one round of the hand", "[cache][clock]") {
  // Three slots; bits below, the hand before the slot marked >.
  //
  //   A B C   A          D          B          E          A
  //   m m m   h          m          m          m          m
  //                      B          C          A          D
  //           >A1 B0 C0  A0 D0 >C0  >A0 D0 B0  E0 >D0 B0  E0 A0 >B0
  //
  // D finds A's bit set, clears it and takes B's slot; at E, A has not been hit again.
  const Replay result = replay("clock", 3, spaced("ABCADBEA"));
  CHECK(result.seen == spaced("mmmhmmmm"));
  CHECK(result.victims == "BCAD");
  CHECK(result.left == "ABE");
}

TEST_CASE("lfu evicts the entry counted least, of several the least recently used", "[cache][lfu]") {
  // Three slots; counts below.
  //
  //   A B C      A A B      D          E          C
  //   m m m      h h h      m          m          m
  //                         C          D          E     newcomers, counted 1, evict each other
  //   A1 B1 C1   C1 B2 A3   D1 B2 A3   E1 B2 A3   C1 B2 A3
  const Replay newcomers = replay("lfu", 3, spaced("ABCAABDEC"));
  CHECK(newcomers.seen == spaced("mmmhhhmmm"));
  CHECK(newcomers.victims == "CDE");

  // Two slots. At the first C both count 2, and B was used longer ago; at the second B, A and C count 2.
  //
  //   A B   B A     C       C       B       C
  //   m m   h h     m       h       m       h
  //                 B               A
  //         B2 A2   C1 A2   A2 C2   B1 C2   B1 C3
  const Replay ties = replay("lfu", 2, spaced("ABBACCBC"));
  CHECK(ties.seen == spaced("mmhhmhmh"));
  CHECK(ties.victims == "BA");
}

TEST_CASE("lfu,ageing=N halves its counts after N accesses", "[cache][lfu]") {
  // Two slots, counts below; halved after six accesses, and again after twelve, when all count 1 but B had fewer than
  // A.
  //
  //   A A A A B B         C       B       C B C B         C       B
  //   m h h h m h         m       m       m m m m         m       m
  //                       B       C       B C B C         B       A
  //   B2 A4, then B1 A2   C1 A2   B1 A2   then B1 A1      A1 C1   C1 B1
  const Replay result = replay("lfu,ageing=6", 2, spaced("AAAABBCBCBCBCB"));
  CHECK(result.seen == spaced("mhhhmhmmmmmmmm"));
  CHECK(result.victims == "BCBCBCBA");
  // Without ageing A stays, counted 4.
  CHECK(replay("lfu", 2, spaced("AAAABBCBCBCBCB")).left.front() == 'A');
}

TEST_CASE("belady evicts the entry whose next access is farthest", "[cache][belady]") {
  // Two slots.
  //
  //   A B C A B C A
  //   m m m h m h m
  //       B   A   .   at C, A is needed next and B goes; at B, C is next and A goes; at the end nothing is needed again
  const Replay result = replay("belady", 2, spaced("ABCABCA"));
  CHECK(result.seen == spaced("mmmhmhm"));
  CHECK(result.victims.substr(0, 2) == "BA");
}

TEST_CASE("belady,bypass=1 does not admit what would be the next victim", "[cache][belady]") {
  // Two slots: C is never accessed again and passes by, so A and B stay; so does D, which comes later than both.
  //
  //   A B C D A B D A B
  //   m m m m h h m h h
  const Replay result = replay("belady,bypass=1", 2, spaced("ABCDABDAB"));
  CHECK(result.seen == spaced("mmmmhhmhh"));
  CHECK(result.victims.empty());
  CHECK(result.left == "AB");
  // Admitting each of them: C takes B's slot, D takes C's, B takes A's, A takes D's.
  CHECK(replay("belady", 2, spaced("ABCDABDAB")).seen == spaced("mmmmhmhmh"));
}

TEST_CASE("belady,atomic=step evicts what is needed last, of what the selection does not name", "[cache][belady]") {
  // Two slots.
  //
  //   AB   AC   B    A
  //   mm   hm   m    h
  //        B    C    .   A is needed later than B, but AC names it; by access, A goes, and B hits
  CHECK(replay("belady,atomic=step", 2, "AB AC B A").seen == "mm hm m h");
  CHECK(replay("belady", 2, "AB AC B A").seen == "mm hm h m");
}

TEST_CASE("belady,atomic=step,bypass=1 keeps what is needed soonest once the selection is served", "[cache][belady]") {
  // Two slots.
  //
  //   AB   AC   B    A         AB   AC   C    B
  //   mm   hm   h    h         mm   hm   h    h
  //        .                        A
  //        C is not needed          A was a hit and is not needed again: it leaves for C
  const Replay refused = replay("belady,atomic=step,bypass=1", 2, "AB AC B A");
  CHECK(refused.seen == "mm hm h h");
  CHECK(refused.victims.empty());
  const Replay hit_leaves = replay("belady,atomic=step,bypass=1", 2, "AB AC C B");
  CHECK(hit_leaves.seen == "mm hm h h");
  CHECK(hit_leaves.victims == "A");
}

TEST_CASE("mru evicts the entry used last", "[cache][mru]") {
  // Three slots.
  //
  //   A B C A B   D   E
  //   m m m h h   m   m
  //               B   D
  const Replay result = replay("mru", 3, spaced("ABCABDE"));
  CHECK(result.seen == spaced("mmmhhmm"));
  CHECK(result.victims == "BD");
}

TEST_CASE("slru protects what was hit, as much of it as has room", "[cache][slru]") {
  // Four slots, two of them protected; below, the probationary segment | the protected one, oldest first.
  //
  //   A B C D   A        B        C        E        F
  //   m m m m   h        h        h        m        m
  //                                        D        A
  //             BCD|A    CD|AB    DA|BC    AE|BC    EF|BC
  const Replay result = replay("slru,share=0.5", 4, spaced("ABCDABCEF"));
  CHECK(result.seen == spaced("mmmmhhhmm"));
  CHECK(result.victims == "DA");
  CHECK(result.left == "BCEF");
}

TEST_CASE("s3-fifo lets what was hit, and what comes back, into its main queue", "[cache][s3fifo]") {
  // Four slots, three of them for the main queue; below, the small queue | the main one | ghosts, oldest first.
  //
  //   A B C D   A         E          B           C            F
  //   m m m m   h         m          m           m            m
  //                       B          C           D            E
  //             ABCD||    CDE|A|B    DE|AB|C     E|ABC|D      F|ABC|DE
  const Replay result = replay("s3-fifo,small=0.25", 4, spaced("ABCDAEBCF"));
  CHECK(result.seen == spaced("mmmmhmmmm"));
  CHECK(result.victims == "BCDE");
  CHECK(result.left == "ABCF");
  // With threshold=2 one hit does not help A.
  CHECK(replay("s3-fifo,small=0.25,threshold=2", 4, spaced("ABCDAE")).victims == "A");
}

TEST_CASE("sieve evicts newcomers while what was hit stays where it is", "[cache][sieve]") {
  // Three slots; below, the queue, oldest first, a hit entry with ', and > before the hand's place.
  //
  //   A B C   A       D       E       A        F
  //   m m m   h       m       m       h        m
  //                   B       C                D
  //           A'BC    A>CD    A>DE    A'>DE    A'>EF
  const Replay result = replay("sieve", 3, spaced("ABCADEAF"));
  CHECK(result.seen == spaced("mmmhmmhm"));
  CHECK(result.victims == "BCD");
  CHECK(result.left == "AEF");
}

TEST_CASE("rt,staging=K fetches for the step alone what is worth less than the entries it would replace",
          "[cache][rt]") {
  // Four slots. A and B are selected at every step but one, each other letter once: the table learns that what
  // is new does not come back, and A and B do.
  //
  //   ABCD   ABEF   ABGH   ABIJ   ABKL   MNOP   ABQR
  //                                      ABKL   without staging
  //                                      AKL    with one row: M is staged; of A and B, alike, the smaller id leaves
  //                                      KL     with four: M and N are staged
  const std::string_view text = "ABCD ABEF ABGH ABIJ ABKL MNOP ABQR";
  CHECK(replay("rt", 4, text).seen == "mmmm hhmm hhmm hhmm hhmm mmmm mmmm");
  CHECK(replay("rt,staging=1", 4, text).seen == "mmmm hhmm hhmm hhmm hhmm mmmm mhmm");
  CHECK(replay("rt,staging=4", 4, text).seen == "mmmm hhmm hhmm hhmm hhmm mmmm hhmm");
}

TEST_CASE("lirs gives a slot for good to what comes back while it is in the stack", "[cache][lirs]") {
  // Three slots, one of them for HIR entries; below, S from the bottom to the top, LIR entries as capitals, resident
  // HIR entries as small letters, others in brackets; and Q.
  //
  //   A B    C      D         C         A         E
  //   m m    m      m         m         h         m
  //                 C         D         A         A
  //   AB     ABc    AB(c)d    B(d)C     B(d)Ca    B(d)C(a)e
  //   -      c      d         a         a         e
  //
  // C is missed while S still has it: it becomes LIR, and A, at the bottom, goes to Q. A, hit in Q and no longer in S,
  // stays HIR, and leaves for E.
  const Replay result = replay("lirs,hir=0.34", 3, spaced("ABCDCAE"));
  CHECK(result.seen == spaced("mmmmmhm"));
  CHECK(result.victims == "CDA");
  CHECK(result.left == "BCE");
}

TEST_CASE("lirs,atomic=step evicts LIR entries where all of the queue is named", "[cache][lirs]") {
  // Three slots, one for HIR entries.
  //
  //   ABC    CD     EF
  //   mmm    hm     mm
  //          A      DB
  //   ABc    BCd    C(d)eF
  //   c      d      e
  //
  // C becomes LIR, A goes to Q and leaves for D. E takes D's slot; then Q has E alone, which is named, and B leaves.
  const Replay result = replay("lirs,hir=0.34,atomic=step", 3, "ABC CD EF");
  CHECK(result.seen == "mmm hm mm");
  CHECK(result.victims == "ABD");
  CHECK(result.left == "CEF");
}

TEST_CASE("arc moves its target towards the list whose ghost was missed", "[cache][arc]") {
  // Two slots; below, T1 | T2 | B1 | B2, oldest first, and the target p.
  //
  //   A B     A        C          B            A
  //   m m     h        m          m            m
  //                    B          A            C
  //   AB|||   B|A||    C|A|B|     C|B||A       |BA|C|
  //   p 0     0        0          1            0
  //
  // B is missed as a ghost of T1: p grows to 1, T1 may keep C, and A leaves T2. A is missed as a ghost of T2: p
  // shrinks.
  const Replay result = replay("arc", 2, spaced("ABACBA"));
  CHECK(result.seen == spaced("mmhmmm"));
  CHECK(result.victims == "BAC");
  CHECK(result.left == "AB");
}

TEST_CASE("2q keeps what is missed again after it left the queue of new entries", "[cache][2q]") {
  // Four slots, Kin 2 and Kout 2; below, A1in | Am | A1out, oldest first. The hit of A in A1in changes nothing.
  //
  //   A B C D   A         E          A           F            G
  //   m m m m   h         m          m           m            m
  //                       A          B           C            D
  //             ABCD||    BCDE||A    CDE|A|B     DEF|A|BC     EFG|A|CD
  const Replay result = replay("2q,in=0.5,out=0.5", 4, spaced("ABCDAEAFG"));
  CHECK(result.seen == spaced("mmmmhmmmm"));
  CHECK(result.victims == "ABCD");
  CHECK(result.left == "AEFG");
}

TEST_CASE("lru-k evicts by the last access but one, and remembers those of entries that left", "[cache][lruk]") {
  // Three slots; below, when each resident was last accessed but once, 0 for never.
  //
  //   A A B B C     D           E           C           F
  //   m h m h m     m           m           m           m
  //                 C           D           E           A
  //   A1 B3 C0      A1 B3 D0    A1 B3 E0    A1 B3 C5    F0 B3 C5
  const Replay result = replay("lru-k", 3, spaced("AABBCDECF"));
  CHECK(result.seen == spaced("mhmhmmmmm"));
  CHECK(result.victims == "CDEA");
  CHECK(result.left == "BCF");
}

TEST_CASE("w-tinylfu admits from its window what was accessed more often than what would leave", "[cache][wtinylfu]") {
  // Three slots: a window of one, and two of which one is protected; below, window | probation | protected.
  //
  //   A B C    A        D        C        E
  //   m m m    h        m        m        m
  //                     C        D        B
  //   C|AB|    C|B|A    D|B|A    C|B|A    E|C|A
  //
  // At D, C and B were accessed once, and C stays out. At E, C was accessed twice, which is more than B.
  const Replay result = replay("w-tinylfu", 3, spaced("ABCADCE"));
  CHECK(result.seen == spaced("mmmhmmm"));
  CHECK(result.victims == "CDB");
  CHECK(result.left == "ACE");
}

TEST_CASE("lrfu weighs how often against how lately", "[cache][lrfu]") {
  // Three slots; below, the sums of the residents at D, where A is three steps old, B two and C one.
  //
  //   A A A B C   D with decay 0.9          D with decay 0.5
  //   m h h m m   m                         m
  //               B                         A
  //               A 1.98 B 0.81 C 0.90      A 0.22 B 0.25 C 0.50
  CHECK(replay("lrfu", 3, spaced("AAABCD")).victims == "B");
  CHECK(replay("lrfu,decay=0.5", 3, spaced("AAABCD")).victims == "A");
}

TEST_CASE("score evicts what was selected with the lowest score", "[cache][score]") {
  // Three slots. Where there are no scores, the first of a selection ranks highest: A counts 3/3, B 2/3, C 1/3.
  //
  //   ABC   D                      E
  //   mmm   m                      m
  //         C                      B
  //         A 0.90 B 0.60 C 0.30   A 0.81 B 0.54 D 0.90
  const Replay result = replay("score", 3, "ABC D E");
  CHECK(result.seen == "mmm m m");
  CHECK(result.victims == "CB");

  // With scores 1, 3 and 2, a float16 each, A leaves first, then C.
  ReplayLog log = log_of("ABC D E");
  log.events[0].scores = {0x3C00, 0x4200, 0x4000};
  log.events[1].scores = log.events[2].scores = {0x4200};
  for (const char* policy : {"score", "score,by=score"}) {
    CAPTURE(policy);
    const auto cache = make_cache(parse_policy(policy), 3, alphabet, 0);
    std::vector<EntryId> missed;
    std::vector<std::string> left;
    for (std::size_t number = 0; number < log.events.size(); ++number) {
      cache->select(origin_of(log, number), log.events[number].ids, missed);
      left.push_back(residents(*cache));
    }
    CHECK(left == std::vector<std::string>{"ABC", "BCD", "BDE"});
  }
}

TEST_CASE("What a selection names is passed over where a policy of queues would evict it", "[cache][slru]") {
  // Three slots, one of them protected. By access D evicts A, which the selection is about to use.
  //
  //   ABC   DEA         ABC   DEA
  //   mmm   mmm         mmm   mmh
  //         AB C              B C
  CHECK(replay("slru,share=0.4", 3, "ABC DEA").seen == "mmm mmm");
  CHECK(replay("slru,share=0.4,atomic=step", 3, "ABC DEA").seen == "mmm mmh");
}

TEST_CASE("ewma2 keeps what is selected often and was selected lately", "[cache][ewma2]") {
  // Three slots; below, at D and E, 1000 (f + 0.003)(g + 0.003) of the residents, aged 3, 2 and 1 steps at D.
  //
  //   A A A B C   D                    E
  //   m h h m m   m                    m
  //               B                    C
  //               A 14.7 B 2.9 C 3.7   A 11.6 C 2.9 D 3.7   LRU would have evicted A at D
  const Replay result = replay("ewma2", 3, spaced("AAABCDE"));
  CHECK(result.seen == spaced("mhhmmmm"));
  CHECK(result.victims == "BC");
  CHECK(result.left == "ADE");
}

TEST_CASE("rt evicts the entry for which the table of reuse expects least", "[cache][rt]") {
  // Three slots, as above. At D, A is 3 steps old and has x = 5413, B 2 and 1922, C 1 and 1984. Of their cells only C's
  // has learned: B was in it a step ago, was not selected, and half of what is expected of it then is 3757.
  //
  //   A A A B C   D
  //   m h h m m   m
  //               B
  //               A 5413 / 2 + 32768 / 6 = 8167   B 1922 / 2 + 32768 / 5 = 7514
  //               C (1024 * 3757 + 10240 * (1984 / 2 + 32768 / 4)) / (1024 + 10240) = 8690
  const Replay result = replay("rt", 3, spaced("AAABCD"));
  CHECK(result.seen == spaced("mhhmmm"));
  CHECK(result.victims == "B");
}

TEST_CASE("hisparse gives misses the oldest slots not hit, and makes hits the newest in their old order",
          "[cache][hisparse]") {
  // Four slots; the order after each selection is written below, oldest first: left over, misses, hits.
  //
  //   ABCD   DEB    FG     AE
  //   mmmm   hmh    mm     mm
  //          A      CE     BD
  //   ABCD   CEBD   BDFG   FGAE
  const Replay result = replay("hisparse", 4, "ABCD DEB FG AE");
  CHECK(result.seen == "mmmm hmh mm mm");
  CHECK(result.victims == "ACEBD");
  CHECK(result.left == "AEFG");

  // Three slots. C was accessed before A, but their old order counts, so A is the older of the two and E evicts it.
  // To LRU C is the older one.
  //
  //   ABC   CA    D     E
  //   mmm   hh    m     m
  //               B     A
  //   ABC   BAC   ACD   CDE
  const Replay order = replay("hisparse", 3, "ABC CA D E");
  CHECK(order.victims == "BA");
  CHECK(replay("lru", 3, "ABC CA D E").victims == "BC");
}

TEST_CASE("The generator is xoshiro256** seeded by splitmix64", "[cache][random]") {
  // The published sequences: splitmix64 of 1234567, and xoshiro256** of the state 1, 2, 3, 4.
  SplitMix64 words(1234567);
  CHECK(words.next() == 6457827717110365317U);
  CHECK(words.next() == 3203168211198807973U);
  CHECK(words.next() == 9817491932198370423U);
  Xoshiro256 numbers({1, 2, 3, 4});
  CHECK(numbers.next() == 11520U);
  CHECK(numbers.next() == 0U);
  CHECK(numbers.next() == 1509978240U);
  CHECK(numbers.next() == 1215971899390074240U);
}

TEST_CASE("A draw has the same chance for every slot, and another sequence for every cache and seed",
          "[cache][random]") {
  Xoshiro256 draws = Xoshiro256::numbered(1, 0);
  std::vector<int> count(6, 0);
  for (int i = 0; i < 60000; ++i) {
    ++count.at(draws.below(6));
  }
  for (const int times : count) {
    CHECK(std::abs(times - 10000) < 400);  // four standard deviations
  }
  CHECK(Xoshiro256::numbered(1, 0).next() != Xoshiro256::numbered(1, 1).next());
  CHECK(Xoshiro256::numbered(1, 1).next() != Xoshiro256::numbered(2, 0).next());
}
