// What every policy must satisfy, whatever it evicts. A policy enters these tests by its line in AllPolicies.

#include "cache/replay_log.hpp"
#include "catch.hpp"
#include "dsasim/cache/policy_spec.hpp"
#include "sanitized.hpp"

#include <numeric>
#include <set>

using namespace dsasim;
using namespace dsasim::test;

namespace {

std::uint64_t distinct_entries(const ReplayLog& log) {
  std::set<std::uint32_t> keys;
  for (const Event& event : log.events) {
    for (const EntryId entry : event.ids) {
      keys.insert(event.base + value(entry));
    }
  }
  return keys.size();
}

LogShape shape_for(const PolicySpec& spec, std::uint32_t capacity) {
  const std::uint32_t longest = policy_needs(spec).whole_selection ? std::min(capacity, 12U) : 12U;
  return {.streams = policy_needs(spec).one_stream ? 1U : 2U,
          .context = 48,
          .longest = longest,
          .events = sanitized ? 60U : 300U};
}

bool may_refuse(const PolicySpec& spec) {
  return bound_of(spec) == parse_policy("belady,atomic=step,bypass=1") ||
         bound_of(spec) == parse_policy("belady,bypass=1");
}

/// Replays a log and checks the books after each selection.
class Contract {
 public:
  Contract(const PolicySpec& spec, const ReplayLog& log, std::uint32_t capacity)
      : spec_(spec),
        log_(log),
        capacity_(capacity),
        cache_(make_cache(spec, capacity, log.directory_entries, 0, {.longest_selection = log.longest})) {}

  void run() {
    const auto future = future_of(log_);
    const bool needs_future = policy_needs(spec_).future;
    for (std::size_t number = 0; number < log_.events.size(); ++number) {
      if (log_.events[number].is_forget) {
        forget(log_.events[number]);
        continue;
      }
      if (needs_future) {
        cache_->foresee(future[number]);
      }
      select(number);
    }
  }

 private:
  void select(std::size_t number) {
    const Event& event = log_.events[number];
    std::uint32_t unseen = 0;
    for (const EntryId entry : event.ids) {
      unseen += seen_.insert(event.base + value(entry)).second ? 1U : 0U;
    }
    const std::set<std::uint32_t> before = residents();
    std::vector<EntryId> missed;
    const SelectionOutcome outcome = cache_->select(origin_of(log_, number), event.ids, missed);
    const std::set<std::uint32_t> after = residents();

    REQUIRE(outcome.accesses == event.ids.size());
    REQUIRE(outcome.hits + missed.size() == outcome.accesses);
    REQUIRE(outcome.compulsory_misses == unseen);
    REQUIRE(after.size() <= capacity_);
    REQUIRE(cache_->invariant());
    if (!may_refuse(spec_)) {
      REQUIRE(before.size() + missed.size() - outcome.evictions == after.size());
      REQUIRE((outcome.evictions == 0 || after.size() == std::min(capacity_, log_.directory_entries)));
      REQUIRE((event.ids.empty() || after.contains(event.base + value(event.ids.back())) || whole_selection_));
    }
    if (whole_selection_ && !may_refuse(spec_)) {
      for (const EntryId entry : event.ids) {
        REQUIRE(after.contains(event.base + value(entry)));
        REQUIRE((std::ranges::find(missed, entry) == missed.end()) == before.contains(event.base + value(entry)));
      }
    }
  }

  /// The room that it leaves is used: select() checks how many entries there are after evictions.
  void forget(const Event& event) {
    const std::uint32_t id = value(event.ids[0]);
    std::set<std::uint32_t> others = residents();
    others.erase(event.base + id);
    cache_->forget(event.base, id, id + 1);
    seen_.erase(event.base + id);
    REQUIRE(residents() == others);
    REQUIRE(cache_->invariant());
  }

  std::set<std::uint32_t> residents() const {
    std::set<std::uint32_t> keys;
    for (std::uint32_t key = 0; key < log_.directory_entries; ++key) {
      if (cache_->contains(0, EntryId{key})) {
        keys.insert(key);
      }
    }
    return keys;
  }

  const PolicySpec& spec_;
  const ReplayLog& log_;
  std::uint32_t capacity_;
  bool whole_selection_ = policy_needs(spec_).whole_selection;
  std::unique_ptr<Cache> cache_;
  std::set<std::uint32_t> seen_;
};

}  // namespace

TEST_CASE("Every policy keeps its books", "[cache][contract]") {
  const std::uint32_t capacity = GENERATE(1U, 2U, 7U, 12U, 31U, 95U, 96U, 5000U);
  for (const PolicySpec& spec : all_variants()) {
    CAPTURE(to_string(spec), capacity);
    const ReplayLog log = random_log(shape_for(spec, capacity), capacity);
    Contract(spec, log, capacity).run();
  }
}

TEST_CASE("No policy misses less than Belady's of its kind", "[cache][contract]") {
  const std::uint32_t capacity = GENERATE(1U, 2U, 7U, 12U, 31U, 95U);
  const std::uint64_t seed = GENERATE(1U, 2U, 3U);
  for (const PolicySpec& spec : all_variants()) {
    CAPTURE(to_string(spec), capacity, seed);
    const ReplayLog log = random_log(shape_for(spec, capacity), seed);
    const std::uint64_t misses = misses_of(spec, log, capacity);
    const bool by_selection = policy_needs(spec).whole_selection;
    if (by_selection) {
      CHECK(misses >= misses_of(parse_policy("belady,atomic=step,bypass=1"), log, capacity));
    }
    // A selection that is served at once, and only then decides what stays, can do better than any sequence of
    // accesses.
    if (!by_selection || !may_refuse(spec)) {
      CHECK(misses >= misses_of(parse_policy("belady,bypass=1"), log, capacity));
    }
    if (!may_refuse(spec)) {
      CHECK(misses >= misses_of(parse_policy(by_selection ? "belady,atomic=step" : "belady"), log, capacity));
    }
  }
}

TEST_CASE("A cache that holds everything misses each entry once", "[cache][contract]") {
  const std::uint32_t capacity = GENERATE(96U, 97U, 4000000000U);
  for (const PolicySpec& spec : all_variants()) {
    CAPTURE(to_string(spec), capacity);
    const ReplayLog log = random_log(shape_for(spec, capacity), 9);
    CHECK(misses_of(spec, log, capacity) == distinct_entries(log));
  }
}

TEST_CASE("An insert is no access, and what was inserted is never missed for the first time", "[cache][contract]") {
  for (const PolicySpec& spec : all_variants()) {
    CAPTURE(to_string(spec));
    const bool needs_future = policy_needs(spec).future;
    const auto cache = make_cache(spec, 2, 8, 0);
    // Inserts 0, 1, 2; then accesses 2, 0, 1. The third insert evicts.
    const std::vector<NextUse> distances{1, 2, 0};
    for (std::uint32_t id = 0; id < 3; ++id) {
      if (needs_future) {
        cache->foresee(std::span(distances).subspan(id, 1));
      }
      CHECK(cache->insert(0, EntryId{id}) == (id == 2 ? 1U : 0U));
      CHECK(cache->contains(0, EntryId{id}));
    }
    if (needs_future) {
      cache->foresee(std::span(distances).subspan(2, 1));
    }
    CHECK(cache->insert(0, EntryId{2}) == 0);  // already there
    std::uint32_t hits = 0;
    std::vector<EntryId> missed;
    for (const std::uint32_t id : {2U, 0U, 1U}) {
      const std::vector<EntryId> ids{EntryId{id}};
      if (needs_future) {
        cache->foresee(std::vector<NextUse>{never_again});
      }
      const SelectionOutcome outcome = cache->select({}, ids, missed);
      hits += outcome.hits;
      CHECK(outcome.compulsory_misses == 0);
    }
    CHECK(hits + missed.size() == 3);
    CHECK(hits >= 1);
    CHECK(cache->invariant());
  }
}

TEST_CASE("A forgotten entry leaves alone, without an eviction, and comes in again as a new one", "[cache][contract]") {
  const std::uint32_t capacity = GENERATE(1U, 2U, 7U, 12U, 31U, 96U, 5000U);
  for (const PolicySpec& spec : all_variants()) {
    CAPTURE(to_string(spec), capacity);
    if (!can_forget(spec)) {
      continue;
    }
    LogShape shape = shape_for(spec, capacity);
    shape.forgets = true;
    const ReplayLog log = random_log(shape, capacity);
    Contract(spec, log, capacity).run();
  }
}

TEST_CASE("An empty selection changes nothing", "[cache][contract]") {
  for (const PolicySpec& spec : all_variants()) {
    CAPTURE(to_string(spec));
    const auto cache = make_cache(spec, 1, 4, 0);
    if (policy_needs(spec).future) {
      cache->foresee({});
    }
    std::vector<EntryId> missed;
    const SelectionOutcome outcome = cache->select({}, {}, missed);
    CHECK(outcome.accesses + outcome.hits + outcome.compulsory_misses + outcome.evictions == 0);
    CHECK(missed.empty());
    CHECK(cache->invariant());
  }
}
