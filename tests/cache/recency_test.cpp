// The caches that do not look every access up, against one that does; and what random logs of a few thousand accesses
// do not reach: places reused many times over, and stamps rebased.

#include "cache/reference_cache.hpp"
#include "catch.hpp"
#include "dsasim/cache/lru_cache.hpp"
#include "dsasim/cache/lru_set_cache.hpp"
#include "dsasim/cache/policy/clock.hpp"
#include "dsasim/cache/policy/fifo.hpp"
#include "dsasim/cache/policy_spec.hpp"
#include "dsasim/cache/sweep_cache.hpp"

#include <algorithm>
#include <random>

using namespace dsasim;
using namespace dsasim::test;

namespace {

constexpr std::uint32_t directory_entries = 600;

/// `count` distinct ids; three in four from a part that drifts, so that there are runs of hits and of misses.
std::vector<EntryId> draw_selection(std::mt19937_64& bits, std::size_t count, std::uint32_t drift) {
  std::vector<EntryId> ids;
  std::vector<bool> drawn(directory_entries);
  while (ids.size() < count) {
    const auto near = (drift + static_cast<std::uint32_t>(bits() % 150)) % directory_entries;
    const auto id = bits() % 4 != 0 ? near : static_cast<std::uint32_t>(bits() % directory_entries);
    if (!drawn[id]) {
      drawn[id] = true;
      ids.push_back(EntryId{id});
    }
  }
  return ids;
}

/// Of the ids that were drawn for the step before, seven in ten stay: as selections do.
std::vector<EntryId> keep_some(std::mt19937_64& bits, const std::vector<EntryId>& before, std::vector<EntryId> drawn,
                               std::size_t most) {
  std::vector<EntryId> ids;
  for (const EntryId id : before) {
    if (bits() % 10 < 7) {
      ids.push_back(id);
    }
  }
  for (const EntryId id : drawn) {
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) {
      ids.push_back(id);
    }
  }
  ids.resize(std::min(ids.size(), most));
  return ids;
}

constexpr std::uint64_t low_stamp_limit = 16'384;

void require_equal(const SelectionOutcome& outcome, const SelectionOutcome& expected,
                   const std::vector<EntryId>& missed, const std::vector<Key>& expected_missed, std::uint32_t base) {
  REQUIRE(outcome.accesses == expected.accesses);
  REQUIRE(outcome.hits == expected.hits);
  REQUIRE(outcome.compulsory_misses == expected.compulsory_misses);
  REQUIRE(outcome.evictions == expected.evictions);
  REQUIRE(std::equal(missed.begin(), missed.end(), expected_missed.begin(), expected_missed.end(),
                     [base](EntryId id, Key key) { return base + value(id) == key; }));
}

std::vector<Key> keys_of(const std::vector<EntryId>& ids, std::uint32_t base) {
  std::vector<Key> keys;
  for (const EntryId id : ids) {
    keys.push_back(base + value(id));
  }
  return keys;
}

}  // namespace

TEST_CASE("lists: LRU counts as the plain reference does while places wrap round and stamps are rebased",
          "[cache][recency]") {
  const std::uint32_t capacity = GENERATE(1U, 7U, 100U, 200U, 600U);
  CAPTURE(capacity);
  const PolicySpec spec = parse_policy("lru");
  LruCache<low_stamp_limit> fast(capacity, directory_entries);
  ReferenceCache plain(spec, capacity, 0);
  std::mt19937_64 bits(capacity);
  for (std::uint32_t step = 0; step < 1500; ++step) {
    const auto ids = draw_selection(bits, bits() % 100, step / 3);
    std::vector<EntryId> missed;
    std::vector<Key> plain_missed;
    const SelectionOutcome outcome = fast.select({}, ids, missed);
    require_equal(outcome, plain.select({}, keys_of(ids, 0), {}, plain_missed), missed, plain_missed, 0);
    REQUIRE(fast.invariant());
  }
}

TEST_CASE("sets: LRU counts as the plain reference does, for streams of any order that come and go",
          "[cache][recency]") {
  constexpr std::uint32_t longest = 40;
  constexpr std::uint32_t stream_ids = 640;  // a multiple of 64, as the layout of a directory makes them
  constexpr std::uint32_t words = stream_ids / 64;
  const std::uint32_t streams = GENERATE(1U, 3U);
  const std::uint32_t spare = GENERATE(0U, 1U, 33U, 1000U);
  CAPTURE(streams, spare);
  const std::uint32_t capacity = (streams + 1) * longest + spare;
  REQUIRE(LruSetCache<>::fits(capacity, streams, longest));
  REQUIRE_FALSE(LruSetCache<>::fits((streams + 1) * longest - 1, streams, longest));
  LruSetCache<low_stamp_limit> fast(capacity, streams * stream_ids, longest);
  ReferenceCache plain(parse_policy("lru"), capacity, 0);
  std::mt19937_64 bits(capacity);
  for (std::uint32_t position = 0; position < capacity / 3; ++position) {
    fast.insert(0, EntryId{position});
    plain.insert(position, {});
  }
  std::vector<std::vector<EntryId>> before(streams);
  for (std::uint32_t step = 0; step < 1500; ++step) {
    for (std::uint32_t stream = 0; stream < streams; ++stream) {
      const std::uint32_t base = stream * stream_ids;
      if (streams > 1 && step % 500 / 100 == stream) {  // pauses, as a request that ends
        if (step % 100 == 0) {
          fast.release(base, words);
          before[stream].clear();
        }
        continue;
      }
      auto ids = keep_some(bits, before[stream], draw_selection(bits, bits() % 20, step / 3), longest);
      before[stream] = ids;
      const bool ascending = (step / 50 + stream) % 3 != 0;
      if (ascending) {
        std::sort(ids.begin(), ids.end());
      } else {
        std::shuffle(ids.begin(), ids.end(), bits);
      }
      std::vector<std::uint64_t> set(words);
      for (const EntryId id : ids) {
        set[value(id) / 64] |= std::uint64_t{1} << (value(id) % 64);
      }
      std::vector<EntryId> missed;
      std::vector<Key> plain_missed;
      const SelectionOutcome outcome = fast.select_set({.base = base},
                                                       {.ids = ascending ? nullptr : ids.data(),
                                                        .size = static_cast<std::uint32_t>(ids.size()),
                                                        .words = set.data(),
                                                        .word_count = words,
                                                        .ascending = ascending},
                                                       missed);
      require_equal(outcome, plain.select({}, keys_of(ids, base), {}, plain_missed), missed, plain_missed, base);
    }
    REQUIRE(fast.invariant());
  }
}

TEMPLATE_TEST_CASE("FIFO and CLOCK count the same for sets and for lists", "[cache][recency]", Fifo, Clock) {
  const std::uint32_t capacity = GENERATE(1U, 5U, 64U, 200U);
  const PolicySpec spec = complete_policy({.name = std::string(TestType::name), .parameters = {}});
  const std::uint32_t apart = GENERATE(1U, 13U);  // ids; with the second, sets have more than 64 words
  CAPTURE(capacity, apart);
  const std::uint32_t words = (directory_entries * apart + 63) / 64;
  SweepCache<TestType> sets({.capacity_entries = capacity,
                             .directory_entries = words * 64,
                             .longest_selection = 0,
                             .cache_number = 0,
                             .spec = spec});
  ReferenceCache plain(spec, capacity, 0);
  std::mt19937_64 bits(capacity);
  std::vector<EntryId> drawn;
  for (std::uint32_t step = 0; step < 1500; ++step) {
    drawn = keep_some(bits, drawn, draw_selection(bits, bits() % 60, step / 3), 200);
    std::vector<EntryId> ids;
    ids.reserve(drawn.size());
    for (const EntryId id : drawn) {
      ids.push_back(EntryId{value(id) * apart});
    }
    std::sort(ids.begin(), ids.end());
    std::vector<std::uint64_t> set(words);
    for (const EntryId id : ids) {
      set[value(id) / 64] |= std::uint64_t{1} << (value(id) % 64);
    }
    std::vector<EntryId> missed;
    std::vector<Key> plain_missed;
    const SelectionOutcome outcome = sets.select_set(
        {}, {.size = static_cast<std::uint32_t>(ids.size()), .words = set.data(), .word_count = words}, missed);
    require_equal(outcome, plain.select({}, keys_of(ids, 0), {}, plain_missed), missed, plain_missed, 0);
    REQUIRE(sets.invariant());
  }
}
