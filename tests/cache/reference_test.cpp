// The fast caches against the plain ones, on random logs: outcome, misses in order, and residency after each event.

#include "cache/reference_cache.hpp"

#include "cache/replay_log.hpp"
#include "catch.hpp"
#include "dsasim/cache/policy_spec.hpp"
#include "sanitized.hpp"

using namespace dsasim;
using namespace dsasim::test;

namespace {

bool same(const SelectionOutcome& a, const SelectionOutcome& b) {
  return a.accesses == b.accesses && a.hits == b.hits && a.compulsory_misses == b.compulsory_misses &&
         a.evictions == b.evictions;
}

class Comparison {
 public:
  Comparison(const PolicySpec& spec, const ReplayLog& log, std::uint32_t capacity, std::uint64_t cache_number)
      : log_(log),
        needs_future_(policy_needs(spec).future),
        fast_(make_cache(spec, capacity, log.directory_entries, cache_number, {.longest_selection = log.longest})),
        plain_(spec, capacity, cache_number, log.longest) {}

  void run() {
    const auto future = future_of(log_);
    for (std::size_t number = 0; number < log_.events.size(); ++number) {
      CAPTURE(number);
      const Event& event = log_.events[number];
      if (needs_future_ && !event.is_forget) {
        fast_->foresee(future[number]);
      }
      if (event.is_forget) {
        const std::uint32_t id = value(event.ids[0]);
        fast_->forget(event.base, id, id + 1);
        plain_.forget(event.base + id);
      } else if (event.is_insert) {
        const std::uint32_t evictions = fast_->insert(event.base, event.ids[0]);
        REQUIRE(evictions == plain_.insert(event.base + value(event.ids[0]), future[number][0]));
      } else {
        select(number, future[number]);
      }
      REQUIRE(fast_->invariant());
      REQUIRE(same_residents());
    }
  }

 private:
  void select(std::size_t number, const std::vector<NextUse>& next_uses) {
    const Event& event = log_.events[number];
    std::vector<Key> keys;
    for (const EntryId entry : event.ids) {
      keys.push_back(event.base + value(entry));
    }
    std::vector<EntryId> missed{EntryId{12345}};  // is appended to
    std::vector<Key> plain_missed;
    const SelectionOutcome outcome = fast_->select(origin_of(log_, number), event.ids, missed);
    REQUIRE(same(outcome, plain_.select(origin_of(log_, number), keys, next_uses, plain_missed)));
    REQUIRE(missed.front() == EntryId{12345});
    std::vector<Key> missed_keys;
    for (const EntryId entry : std::span(missed).subspan(1)) {
      missed_keys.push_back(event.base + value(entry));
    }
    REQUIRE(missed_keys == plain_missed);
  }

  bool same_residents() const {
    for (Key key = 0; key < log_.directory_entries; ++key) {
      if (fast_->contains(0, EntryId{key}) != plain_.contains(key)) {
        return false;
      }
    }
    return true;
  }

  const ReplayLog& log_;
  bool needs_future_;
  std::unique_ptr<Cache> fast_;
  ReferenceCache plain_;
};

}  // namespace

TEST_CASE("Every policy does what its plain reference does", "[cache][reference]") {
  const std::uint32_t capacity = GENERATE(1U, 2U, 3U, 7U, 16U, 40U, 65U, 191U, 1000U);
  const std::uint32_t streams = GENERATE(1U, 3U);
  const auto [inserts, forgets] = GENERATE(std::pair(false, false), std::pair(true, false), std::pair(true, true));
  for (const PolicySpec& spec : all_variants()) {
    if (policy_needs(spec).one_stream && streams > 1) {
      continue;
    }
    LogShape shape{.streams = streams,
                   .context = 64,
                   .longest = 16,
                   .events = sanitized ? 50U : 250U,
                   .inserts = inserts,
                   .forgets = forgets && can_forget(spec)};
    if (policy_needs(spec).whole_selection) {
      shape.longest = std::min(shape.longest, capacity);
    }
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
      CAPTURE(to_string(spec), capacity, streams, inserts, forgets, seed);
      const ReplayLog log = random_log(shape, seed);
      Comparison(spec, log, capacity, seed).run();
    }
  }
}

TEST_CASE("Long replays agree with the plain reference when selections are as large as the cache",
          "[cache][reference]") {
  // Many rounds of the log of hisparse, of clock's hand and of the set of access numbers.
  const std::uint32_t capacity = GENERATE(16U, 70U);
  for (const PolicySpec& spec : all_variants()) {
    CAPTURE(to_string(spec), capacity);
    const std::uint32_t streams = policy_needs(spec).one_stream ? 1 : 2;
    const LogShape shape{.streams = streams,
                         .context = 100,
                         .longest = capacity,
                         .events = sanitized ? 300U : 1500U,
                         .inserts = true,
                         .forgets = capacity == 70 && can_forget(spec)};
    const ReplayLog log = random_log(shape, 5);
    Comparison(spec, log, capacity, 2).run();
  }
}
