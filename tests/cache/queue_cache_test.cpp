// What random logs of a few thousand accesses do not reach: places reused many times over, and stamps rebased.

#include "dsasim/cache/queue_cache.hpp"

#include "cache/reference_cache.hpp"
#include "catch.hpp"
#include "dsasim/cache/policy/fifo.hpp"
#include "dsasim/cache/policy/lru.hpp"

#include <numeric>
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

template <class P>
void compare_with_reference(const char* name, std::uint32_t capacity) {
  constexpr std::uint64_t stamp_limit = 16'384;
  const PolicySpec spec = parse_policy(name);
  QueueCache<P, stamp_limit> fast(spec, capacity, directory_entries, 0);
  ReferenceCache plain(spec, capacity, 0);
  std::mt19937_64 bits(capacity);
  for (std::uint32_t step = 0; step < 1500; ++step) {
    const auto ids = draw_selection(bits, bits() % 100, step / 3);
    std::vector<Key> keys;
    for (const EntryId id : ids) {
      keys.push_back(value(id));
    }
    std::vector<EntryId> missed;
    std::vector<Key> plain_missed;
    const SelectionOutcome outcome = fast.select(0, ids, missed);
    const SelectionOutcome expected = plain.select(keys, {}, plain_missed);
    REQUIRE(outcome.hits == expected.hits);
    REQUIRE(outcome.compulsory_misses == expected.compulsory_misses);
    REQUIRE(outcome.evictions == expected.evictions);
    REQUIRE(std::equal(missed.begin(), missed.end(), plain_missed.begin(), plain_missed.end(),
                       [](EntryId id, Key key) { return value(id) == key; }));
    REQUIRE(fast.invariant());
  }
}

}  // namespace

TEST_CASE("queues count as the plain reference does while places wrap round and stamps are rebased", "[cache][queue]") {
  const std::uint32_t capacity = GENERATE(1U, 7U, 100U, 200U, 600U);
  CAPTURE(capacity);
  compare_with_reference<Lru>("lru", capacity);
  compare_with_reference<Fifo>("fifo", capacity);
}
