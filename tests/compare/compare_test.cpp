// Each cell of a comparison is what replay() counts there.

#include "dsasim/compare/compare.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "replay/small_traces.hpp"
#include "replay/written_trace.hpp"

#include <array>

using namespace dsasim;
using namespace dsasim::test;

namespace {

CompareConfig config_of(std::initializer_list<const char*> policies, std::initializer_list<const char*> capacities) {
  CompareConfig config;
  for (const char* policy : policies) {
    config.policies.push_back(parse_policy(policy));
  }
  for (const char* capacity : capacities) {
    config.capacities.push_back(Capacity::parse(capacity));
  }
  return config;
}

}  // namespace

TEST_CASE("A comparison counts what replays count, trace by trace and together", "[compare]") {
  const TraceReader first = written(random_trace({.requests = 3, .layers = 2, .groups = true}, 1));
  const TraceReader second = written(random_trace({.requests = 1, .layers = 2}, 2));
  CompareConfig config = config_of({"fifo", "lru", "random,seed=3"}, {"3", "1.5x", "40"});
  config.replay.scope = GENERATE(Scope::stream, Scope::shared);
  const std::array traces = {&first, &second};
  const CompareResult result = compare(traces, config, 2);

  REQUIRE(result.asked == 3);
  REQUIRE(result.policies.size() == 4);
  CHECK(result.policies.back().name == "belady");
  for (std::size_t policy = 0; policy < result.policies.size(); ++policy) {
    for (std::size_t capacity = 0; capacity < config.capacities.size(); ++capacity) {
      ReplayConfig replayed = config.replay;
      replayed.policy = result.policies[policy];
      replayed.capacity = config.capacities[capacity];
      std::uint64_t misses = 0;
      for (std::size_t trace = 0; trace < traces.size(); ++trace) {
        const ReplayResult expected = replay(*traces[trace], replayed);
        const CompareCell& cell = result.cells[trace][policy][capacity];
        CHECK(cell.accesses == expected.totals.accesses);
        CHECK(cell.misses == expected.totals.misses());
        CHECK(cell.capacity_entries == expected.config.capacity_entries.front());
        misses += cell.misses;
      }
      CHECK(result.together[policy][capacity].misses == misses);
    }
  }
}

// Selections {1 2} {3} {1 2} {3} {1 2}, one after the other, through two slots: fifo and lru miss all eight accesses.
// Belady evicts 2 for 3 and hits 1; evicts 1 for 2 and hits 3; evicts 3 for 1 and hits 2: five misses.
TEST_CASE("The share of a gap is measured between the first policy and its bound", "[compare]") {
  const TraceReader trace = written(one_stream({{1, 2}, {3}, {1, 2}, {3}, {1, 2}}));
  const CompareConfig config = config_of({"fifo", "lru", "belady"}, {"2", "3"});
  const std::array traces = {&trace};
  const CompareResult result = compare(traces, config, 1);
  REQUIRE(result.policies.size() == 3);  // the bound was asked for: it is not there twice
  CHECK(result.cells[0][0][0].misses == 8);
  CHECK(result.cells[0][1][0].misses == 8);
  CHECK(result.cells[0][2][0].misses == 5);
  CHECK(result.gap_closed(result.cells[0], 0, 0) == 0);
  CHECK(result.gap_closed(result.cells[0], 1, 0) == 0);
  CHECK(result.gap_closed(result.cells[0], 2, 0) == 1);
  CHECK(result.cells[0][0][1].misses == 3);
  CHECK_FALSE(result.gap_closed(result.cells[0], 1, 1));  // all miss three times: there is no gap
}

TEST_CASE("A policy that need not admit what it fetches has the bound of those", "[compare]") {
  CHECK(bound_of(parse_policy("rt")) == parse_policy("belady,atomic=step"));
  CHECK(bound_of(parse_policy("rt,staging=3")) == parse_policy("belady,atomic=step,bypass=1"));
  CHECK(bound_of(parse_policy("belady,bypass=1")) == parse_policy("belady,bypass=1"));
  CHECK(bound_of(parse_policy("lru")) == parse_policy("belady"));
}

TEST_CASE("A comparison of nothing is refused", "[compare]") {
  const TraceReader trace = written(one_stream({{1, 2}}));
  const std::array traces = {&trace};
  CHECK_THROWS_AS(compare(traces, config_of({}, {"2"}), 1), ConfigError);
  CHECK_THROWS_AS(compare(traces, config_of({"lru"}, {}), 1), ConfigError);
  CHECK_THROWS_AS(compare({}, config_of({"lru"}, {"2"}), 1), ConfigError);
}
