// Worked examples, closed forms and properties of the last-level cache; reference_test.cpp compares it with a plain
// one.

#include "dsasim/llc/llc.hpp"

#include "catch.hpp"
#include "llc/modulo.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace dsasim;

namespace {

constexpr std::uint64_t mib = 1U << 20U;
constexpr const char* policies[] = {"lru", "tree-plru", "srrip", "random"};

std::unique_ptr<Llc> cache_of(const std::string& text, std::uint64_t set_aside_bytes = 0) {
  return make_llc(parse_llc(text), 0, set_aside_bytes);
}

/// Reads whole lines of a cache of one set, a letter each; h is a hit, m a miss.
std::string letters(const std::string& policy, std::string_view text) {
  const auto llc = cache_of("512,ways=4,policy=" + policy);
  std::string seen;
  for (const char letter : text) {
    const std::vector<std::uint64_t> address = {static_cast<std::uint64_t>(letter - 'A') * 128};
    std::vector<std::uint64_t> missed;
    seen += llc->read_rows(address, 128, false, missed).hit_rows == 1 ? 'h' : 'm';
  }
  return seen;
}

struct Found {
  LlcReads reads;
  std::vector<std::uint64_t> missed;
};

Found read(Llc& llc, const std::vector<std::uint64_t>& addresses, std::uint64_t row_bytes, bool persisting = false) {
  Found found;
  found.reads = llc.read_rows(addresses, row_bytes, persisting, found.missed);
  return found;
}

/// Rows of 656 bytes, each once, in a mixed order.
std::vector<std::uint64_t> region(std::uint64_t address, std::uint64_t bytes) {
  std::vector<std::uint64_t> rows;
  for (std::uint64_t row = 0; row < bytes / 656; ++row) {
    rows.push_back(address + row * 656);
  }
  std::shuffle(rows.begin(), rows.end(), std::mt19937(1));
  return rows;
}

}  // namespace

TEST_CASE("LRU: a hit makes a line the last to go", "[llc]") {
  //                   A is read again, so E takes B's way, and B takes C's
  CHECK(letters("lru", "ABCDAEAB") == "mmmmhmhm");
}

TEST_CASE("Tree-PLRU: a miss follows the bits away from what was used last", "[llc]") {
  // A in way 0, B 1, C 2, D 3. Reading A turns the root to {C, D}, whose own bit D left at C: E takes C's way, and
  // LRU's choice, B, is still there. E turned the root to {A, B}, where A's bit points at B: C takes B's way.
  CHECK(letters("tree-plru", "ABCDAEBAD") == "mmmmhmhhh");
  CHECK(letters("tree-plru", "ABCDAECBA") == "mmmmhmmmh");
}

TEST_CASE("SRRIP: a scan passes by what was hit before", "[llc]") {
  // Jaleel et al., ISCA 2010, figure 3: a1 a2 a2 a1 b1 b2 b3 b4 a1 a2. b3 finds a1 and a2 at 1 after one raise, b1
  // at 3.
  CHECK(letters("srrip", "ABBACDEFAB") == "mmhhmmmmhh");
  CHECK(letters("lru", "ABBACDEFAB") == "mmhhmmmmmm");
}

TEST_CASE("Random: the seed decides, and nothing else", "[llc]") {
  const std::string text = "ABCDEFGHABCDEFGHHGFEDCBAABABCDCDEFEFGHGH";
  CHECK(letters("random", text) == letters("random,seed=1", text));
  CHECK(letters("random", text) != letters("random,seed=2", text));
}

TEST_CASE("A row of 656 bytes touches 6 or 7 lines and 21 or 22 sectors, where it lies", "[llc]") {
  const auto llc = cache_of("1MiB");
  for (std::uint64_t offset = 0; offset < 128; ++offset) {
    CAPTURE(offset);
    const std::uint64_t address = offset * (1U << 20U) + offset;  // lines of its own
    const Found cold = read(*llc, {address}, 656);
    CHECK(cold.reads.lines == (offset <= 112 ? 6 : 7));
    CHECK(cold.reads.sectors == (offset % 32 <= 16 ? 21 : 22));
    CHECK(cold.reads.hit_sectors == 0);
    CHECK(cold.missed.size() == (offset % 64 <= 48 ? 11 : 12));
    CHECK(cold.missed.front() == address / 64 * 64);
    CHECK(read(*llc, {address}, 656).reads.hit_rows == 1);
  }
}

TEST_CASE("A missing sector of a present line is fetched alone", "[llc]") {
  const auto llc = cache_of("1MiB");
  CHECK(read(*llc, {32}, 32).missed == std::vector<std::uint64_t>{0});
  const Found found = read(*llc, {0}, 128);  // sectors 0 to 3, of which 1 is there
  CHECK(found.reads == LlcReads{.rows = 1, .sectors = 4, .hit_sectors = 1, .lines = 1, .hit_lines = 1});
  CHECK(found.missed == std::vector<std::uint64_t>{0, 64});
  CHECK(read(*llc, {0}, 128).reads.hit_rows == 1);
}

TEST_CASE("A line that is present without the sector wanted is a line hit and a sector miss", "[llc]") {
  const auto llc = cache_of("1MiB");
  read(*llc, {0}, 32);
  const Found found = read(*llc, {96}, 32);
  CHECK(found.reads.hit_lines == 1);
  CHECK(found.reads.hit_sectors == 0);
  CHECK(found.reads.hit_rows == 0);
  CHECK(found.missed == std::vector<std::uint64_t>{64});
}

TEST_CASE("A reservation takes sets, not ways", "[llc]") {
  // 4 sets of 2 ways; half reserved leaves 2: lines 0, 2 and 4 then share a set, and 0 and 4 did before.
  const LlcSpec spec = parse_llc("1024,ways=2");
  const std::vector<std::uint64_t> lines = {0, 256, 512, 0};
  CHECK(read(*make_llc(spec, 0, 0), lines, 128).reads.hit_rows == 1);
  CHECK(read(*make_llc(spec, 512, 0), lines, 128).reads.hit_rows == 0);
  CHECK(read(*make_llc(spec, 512, 0), {0, 256, 0}, 128).reads.hit_rows == 1);
  CHECK(read(*make_llc(spec, 769, 0), {0, 0}, 128).reads.hit_rows == 0);  // 255 bytes are no set
  CHECK(read(*make_llc(spec, 768, 0), {0, 0}, 128).reads.hit_rows == 1);
}

TEST_CASE("All of what fits hits, whichever policy, and 60 MiB have 30,720 sets", "[llc]") {
  for (const char* policy : policies) {
    CAPTURE(policy);
    const auto llc = cache_of(std::string("60MiB,policy=") + policy);
    CHECK(llc->read_stream(12'800, 60 * mib).hit_lines == 0);
    const LlcReads again = llc->read_stream(12'800, 60 * mib);
    CHECK(again.lines == 491'520);
    CHECK(again.hit_lines == 491'520);
    CHECK(again.hit_sectors == again.sectors);
  }
}

TEST_CASE("LRU: one line too many in every set, read round and round, never hits", "[llc]") {
  const auto llc = cache_of("1MiB");
  for (int pass = 0; pass < 3; ++pass) {
    CHECK(llc->read_stream(0, mib + mib / 16).hit_lines == 0);
  }
}

TEST_CASE("A stream is the sum of its parts", "[llc]") {
  // Also of a million times the cache and up to the last address, where no plain simulation could follow.
  constexpr std::uint64_t cache_bytes = 24 * 16 * 128;
  const std::uint64_t bytes = GENERATE(1000ULL, 60'000ULL, 1'000'000ULL, 1'000'003ULL * cache_bytes, 1ULL << 62U);
  const std::uint64_t set_aside_bytes = GENERATE(0U, cache_bytes / 4);
  for (const char* policy : policies) {
    CAPTURE(policy, bytes, set_aside_bytes);
    const std::string spec = std::to_string(cache_bytes) + ",policy=" + policy;
    const auto whole = cache_of(spec, set_aside_bytes);
    const auto parts = cache_of(spec, set_aside_bytes);
    const std::uint64_t address = std::numeric_limits<std::uint64_t>::max() - bytes + 1;
    const auto before = region(address, std::min<std::uint64_t>(bytes, cache_bytes));
    CHECK(read(*whole, before, 656, true).missed == read(*parts, before, 656, true).missed);

    std::mt19937_64 draws(5);
    LlcReads sum;
    for (std::uint64_t done = 0; done < bytes;) {
      const std::uint64_t left = bytes - done;
      const std::uint64_t longest = draws() % 2 == 0 ? cache_bytes : left / 2 + 1;
      std::uint64_t part = std::min(left, 1 + draws() % longest);
      part = std::min(left, part + (0 - (address + done + part)) % 128);  // a line belongs to one part
      sum += parts->read_stream(address + done, part);
      done += part;
      if (left > 1000 * cache_bytes && draws() % 8 == 0) {  // and the end in small ones
        const std::uint64_t rest = (left - part) / cache_bytes * cache_bytes / 2 / 128 * 128;
        sum += parts->read_stream(address + done, rest);
        done += rest;
      }
    }
    CHECK(whole->read_stream(address, bytes) == sum);
    for (int pass = 0; pass < 3; ++pass) {
      const auto after = region(std::numeric_limits<std::uint64_t>::max() - 2 * cache_bytes, 2 * cache_bytes);
      CHECK(read(*whole, after, 656).missed == read(*parts, after, 656).missed);
    }
  }
}

TEST_CASE("LRU: more ways of as many sets never miss more", "[llc]") {
  std::mt19937 draws(3);
  std::vector<std::unique_ptr<Llc>> caches;
  for (std::uint64_t ways = 1; ways <= 32; ++ways) {
    caches.push_back(cache_of(std::to_string(10 * ways * 128) + ",ways=" + std::to_string(ways)));
  }
  std::vector<std::uint64_t> total_hits(caches.size(), 0);
  for (int i = 0; i < 40; ++i) {
    std::vector<std::uint64_t> rows(20);
    std::generate(rows.begin(), rows.end(), [&] { return std::uint64_t{draws() % 40'000}; });
    const std::uint64_t stream_bytes = draws() % 30'000;
    LlcReads fewer;
    for (std::size_t cache = 0; cache < caches.size(); ++cache) {
      LlcReads reads = read(*caches[cache], rows, 656).reads;
      reads += caches[cache]->read_stream(static_cast<std::uint64_t>(i % 7) * 1000, stream_bytes);
      CHECK(reads.hit_sectors >= fewer.hit_sectors);
      CHECK(reads.hit_lines >= fewer.hit_lines);
      CHECK(reads.hit_rows >= fewer.hit_rows);
      total_hits[cache] += reads.hit_lines;
      fewer = reads;
    }
  }
  CHECK(total_hits.back() > total_hits.front());
}

TEST_CASE("What is fetched is what was missed", "[llc]") {
  // With sectors of 64 bytes, each missed sector is one 64-byte line; with smaller ones, one or two of a line.
  std::mt19937 draws(4);
  for (const char* policy : policies) {
    const auto whole = cache_of(std::string("100000,sector_bytes=64,policy=") + policy);
    const auto halves = cache_of(std::string("100000,policy=") + policy);
    for (int i = 0; i < 100; ++i) {
      std::vector<std::uint64_t> rows(50);
      std::generate(rows.begin(), rows.end(), [&] { return std::uint64_t{draws() % 300'000}; });
      const Found found = read(*whole, rows, 656);
      CHECK(found.missed.size() == found.reads.sectors - found.reads.hit_sectors);
      const Found half = read(*halves, rows, 656);
      const std::uint64_t missed_sectors = half.reads.sectors - half.reads.hit_sectors;
      CHECK(half.missed.size() <= missed_sectors);
      CHECK(2 * half.missed.size() >= missed_sectors);
      CHECK(half.reads.hit_sectors <= half.reads.sectors);
      CHECK(std::all_of(half.missed.begin(), half.missed.end(), [](std::uint64_t line) { return line % 64 == 0; }));
    }
  }
}

TEST_CASE("Between two uses a layer streams gigabytes, and no row of it is left; without, the rows stay", "[llc]") {
  // 4 layers select 512 rows each, 9 in 10 of them those of the step before; each has 132 bytes a token of keys and
  // 200 MB of weights. The rows of a step are 1.3 MB.
  constexpr std::uint64_t layers = 4;
  constexpr std::uint64_t top_k = 512;
  constexpr std::uint64_t context = 30 * top_k;
  for (const char* policy : policies) {
    CAPTURE(policy);
    const auto streaming = cache_of(std::string("60MiB,policy=") + policy);
    const auto quiet = cache_of(std::string("60MiB,policy=") + policy);
    std::mt19937 draws(6);
    std::vector<std::vector<std::uint64_t>> selected(layers, std::vector<std::uint64_t>(top_k));
    LlcReads streaming_rows;
    LlcReads quiet_rows;
    for (int step = 0; step < 3; ++step) {
      for (std::uint64_t layer = 0; layer < layers; ++layer) {
        for (std::uint64_t i = 0; i < top_k; ++i) {
          const bool new_row = step == 0 || draws() % 10 == 0;
          selected[layer][i] = new_row ? (layer * context + draws() % 30 * top_k + i) * 656 : selected[layer][i];
        }
        streaming->read_stream((1ULL << 40U) + (layer << 32U), 200'000'000);
        streaming->read_stream((2ULL << 40U) + (layer << 32U), 132 * context);
        streaming_rows += read(*streaming, selected[layer], 656).reads;
        quiet_rows += read(*quiet, selected[layer], 656).reads;
      }
    }
    CHECK(streaming_rows.hit_rows == 0);
    CHECK(quiet_rows.hit_rows > quiet_rows.rows * 59 / 100);  // 0.9 of two steps of three, and what is drawn again
  }
}

TEST_CASE("A region within the set-aside is kept, however long the stream", "[llc]") {
  for (const char* policy : policies) {
    CAPTURE(policy);
    const auto llc = cache_of(std::string("60MiB,policy=") + policy, 75 * mib / 2);
    const auto rows = region(0, 75 * mib / 2);  // 10 of 16 ways, exactly
    read(*llc, rows, 656, true);
    for (const std::uint64_t bytes : {16 * mib, 1'000'000 * mib}) {
      llc->read_stream(1ULL << 44U, bytes);
      CHECK(read(*llc, rows, 656, true).reads.hit_rows == rows.size());
    }
  }
}

TEST_CASE("A region that is not set aside goes with the stream", "[llc]") {
  const auto llc = cache_of("60MiB", 75 * mib / 2);
  const auto rows = region(0, 16 * mib);
  read(*llc, rows, 656);
  CHECK(read(*llc, rows, 656).reads.hit_rows == rows.size());
  llc->read_stream(1ULL << 44U, 64 * mib);
  CHECK(read(*llc, rows, 656).reads.hit_rows == 0);
}

TEST_CASE("Marked lines have their ways, and ordinary lines the others", "[llc]") {
  // One set of 4 ways, 2 of them for marked lines; sizes in between go to the nearest.
  for (const std::uint64_t set_aside : {200U, 256U, 300U}) {
    const auto llc = cache_of("512,ways=4", set_aside);
    read(*llc, {0, 128}, 128, true);
    read(*llc, {1024, 1152, 1280}, 128);
    CHECK(read(*llc, {0, 128}, 128).reads.hit_rows == 2);
    CHECK(read(*llc, {1152, 1280}, 128).reads.hit_rows == 2);
    CHECK(read(*llc, {256}, 128, true).reads.hit_rows == 0);      // evicts a marked line,
    CHECK(read(*llc, {0, 128}, 128, false).reads.hit_rows == 1);  // which comes back unmarked,
    CHECK(read(*llc, {256, 1280}, 128).reads.hit_rows == 1 + 1);  // and takes the older ordinary one's way
  }
  CHECK(read(*cache_of("512,ways=4", 1), {0, 512, 1024, 1536, 2048, 0}, 128, false).reads.hit_rows == 0);
  const auto all = cache_of("512,ways=4", 512);  // three ways: one stays ordinary
  read(*all, {0, 128, 256}, 128, true);
  read(*all, {1024, 1152}, 128);
  CHECK(read(*all, {0, 128, 256, 1152}, 128).reads.hit_rows == 4);
}

TEST_CASE("Without a set-aside, persisting rows are ordinary rows", "[llc]") {
  const auto llc = cache_of("512,ways=4");
  read(*llc, {0, 128}, 128, true);
  llc->read_stream(1024, 512);
  CHECK(read(*llc, {0, 128}, 128).reads.hit_rows == 0);
}

TEST_CASE("Remainders by a reciprocal are remainders", "[llc]") {
  std::mt19937_64 draws(8);
  std::vector<std::uint32_t> divisors = {1, 2, 3, 30'720, (1U << 31U) - 1, 1U << 31U, ~0U};
  for (int i = 0; i < 100; ++i) {
    divisors.push_back(static_cast<std::uint32_t>(draws() >> (32 + draws() % 32)) | 1U);
  }
  for (const std::uint32_t divisor : divisors) {
    const Modulo modulo(divisor);
    CAPTURE(divisor);
    for (const std::uint64_t near : {std::uint64_t{0}, std::uint64_t{divisor}, ~std::uint64_t{0} / divisor * divisor,
                                     ~std::uint64_t{0}, draws(), draws() / divisor * divisor}) {
      for (const std::uint64_t number : {near - 1, near, near + 1}) {
        REQUIRE(modulo(number) == number % divisor);
      }
    }
  }
}
