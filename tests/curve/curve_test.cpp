// Every point of a curve is what a replay at that capacity counts: over random batches, scopes, orders, new-token
// modes, step ranges and jobs; and histograms and stack distances against plain lists.

#include "dsasim/curve/curve.hpp"

#include "catch.hpp"
#include "curve/live_places.hpp"
#include "dsasim/error.hpp"
#include "replay/small_traces.hpp"
#include "replay/written_trace.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;

namespace {

std::vector<Capacity> capacities(const std::vector<std::uint64_t>& entries) {
  std::vector<Capacity> parsed;
  for (const std::uint64_t capacity : entries) {
    parsed.push_back(Capacity::parse(std::to_string(capacity)));
  }
  return parsed;
}

/// The misses that a curve without gaps has at a capacity.
std::uint64_t misses_at(const Curve& curve, std::uint64_t capacity) {
  std::uint64_t misses = curve.accesses;
  for (const CurvePoint& point : curve.points) {
    misses = point.capacity_entries <= capacity ? point.misses : misses;
  }
  return misses;
}

void compare_with_replays(const TraceReader& reader, const CurveConfig& config) {
  CurveConfig unnamed = config;
  unnamed.capacities.clear();
  const CurveResult all = curve(reader, unnamed);
  const CurveResult named = curve(reader, config);
  CurveConfig counting = config;
  counting.histograms = true;
  const CurveResult counted = curve(reader, counting, {}, 3);
  for (std::size_t i = 0; i < config.capacities.size(); ++i) {
    CAPTURE(config.capacities[i].text());
    REQUIRE(named.total.points[i].capacity_entries == counted.total.points[i].capacity_entries);
    REQUIRE(named.total.points[i].misses == counted.total.points[i].misses);
  }
  for (std::size_t i = 0; i < config.capacities.size(); ++i) {
    ReplayConfig at = config.replay;
    at.capacity = config.capacities[i];
    const ReplayResult expected = replay(reader, at);
    CAPTURE(at.capacity.text());
    REQUIRE(named.total.points[i].misses == expected.totals.misses());
    REQUIRE(misses_at(all.total, named.total.points[i].capacity_entries) == expected.totals.misses());
    REQUIRE(named.total.accesses == expected.totals.accesses);
    for (std::size_t layer = 0; layer < expected.layers.size(); ++layer) {
      REQUIRE(named.layers[layer].points[i].misses == expected.layers[layer].misses());
      REQUIRE(misses_at(all.layers[layer], named.total.points[i].capacity_entries) == expected.layers[layer].misses());
    }
    if (i + 1 == config.capacities.size()) {
      REQUIRE(named.total.compulsory_misses == expected.totals.compulsory_misses);
    }
  }
}

}  // namespace

TEST_CASE("entries that are selected before they are whole have a curve, unless they are allocated later", "[curve]") {
  // Entries of 4 tokens; the queries are at 6, 7 (entry 1 is whole), 8.
  PlainTrace trace = one_stream({{1, 0}, {1, 0}, {2, 1}}, 6);
  trace.header.unit_tokens = 4;
  const TraceReader reader = written(trace);
  CurveConfig config;
  config.replay.policy = parse_policy("lru");
  config.capacities = capacities({1, 2, 3});
  for (const NewToken new_token : {NewToken::demand, NewToken::pinned}) {
    config.replay.new_token = new_token;
    compare_with_replays(reader, config);
  }
  config.replay.new_token = NewToken::allocate;
  CHECK_THROWS_WITH(curve(reader, config), Catch::Matchers::EndsWith("replay it at each capacity"));
  CHECK_THROWS_AS(curve(reader, config), ConfigError);  // the trace is not damaged
}

TEST_CASE("a request that ends before a gap keeps its entries' place among those of its caches", "[curve][replay]") {
  // Request 0 selects at steps 0 and 1, request 1 from step 5 on: what request 0 left is older than all that request 1
  // uses, and is evicted first. In between the uses of one entry come 1 other at request 0; 5, 5, 5, 5, 3, 4 at 1.
  PlainTrace trace;
  trace.header.layers = {{}};
  trace.header.requests = {{.prompt_tokens = 20, .start_step = 0}, {.prompt_tokens = 20, .start_step = 5}};
  trace.requests = {{{{1, 2}}, {{1, 3}}}, {{{4, 5}}, {{6, 7}}, {{8, 9}}, {{4, 5}}, {{6, 7}}, {{4, 9}}}};
  const TraceReader reader = written(trace);
  for (const Scope scope : {Scope::shared, Scope::layer}) {
    CurveConfig config;
    config.replay.policy = parse_policy("lru");
    config.replay.scope = scope;
    config.capacities = capacities({6, 7, 8, 9, 10});
    const CurveResult result = curve(reader, config);
    CHECK(result.total.compulsory_misses == 9);
    CHECK(result.total.points == std::vector<CurvePoint>{{6, 9}, {7, 9}, {8, 9}, {9, 9}, {10, 9}});
    compare_with_replays(reader, config);
    config.replay.capacity = Capacity::parse("6");
    CHECK(replay(reader, config.replay).totals.misses() == 9);
  }
}

TEST_CASE("other policies, and lru with preloads, are replayed at each capacity", "[curve]") {
  const TraceReader reader = written(random_trace({}, 3));
  const auto points = capacities({8, 12, 30});
  for (const char* policy : {"fifo", "clock", "random", "lfu", "belady", "hisparse", "fifo,atomic=step", "lru"}) {
    CurveConfig config;
    config.replay.policy = parse_policy(policy);
    config.replay.warm = config.replay.policy.name == "lru" ? Warm::first : Warm::none;
    config.capacities = points;
    for (const std::uint32_t jobs : {1U, 3U}) {
      const CurveResult result = curve(reader, config, {}, jobs);
      for (std::size_t i = 0; i < points.size(); ++i) {
        config.replay.capacity = points[i];
        CAPTURE(policy, jobs, i);
        CHECK(result.total.points[i].misses == replay(reader, config.replay).totals.misses());
      }
    }
    config.capacities.clear();
    CHECK_THROWS_AS(curve(reader, config), ConfigError);
    config.capacities = points;
    config.histograms = true;
    CHECK_THROWS_AS(curve(reader, config), ConfigError);
  }
}

TEST_CASE("reuse distances and intervals of three steps, by hand", "[curve]") {
  // Step 0 selects 1 2 3, step 1 selects 2 3 4, step 2 selects 1 3 4. Distances: 2 at step 1: 3 and nothing else, 1; 3:
  // after 3 came 2, 1. At step 2, 1: 2, 3, 4, so 3; 3: after it came 4 and 1, so 2; 4: 1 and 3, so 2.
  const TraceReader reader = written(one_stream({{1, 2, 3}, {2, 3, 4}, {1, 3, 4}}));
  CurveConfig config;
  config.replay.policy = parse_policy("lru");
  config.histograms = true;
  const CurveResult result = curve(reader, config);
  CHECK(result.total.accesses == 9);
  CHECK(result.total.compulsory_misses == 4);
  CHECK(result.total.points == std::vector<CurvePoint>{{0, 9}, {2, 7}, {3, 5}, {4, 4}});
  REQUIRE(result.total.histograms);
  CHECK(result.total.histograms->distance_entries == std::vector<ReuseBin>{{1, 1, 2}, {2, 2, 2}, {3, 3, 1}});
  CHECK(result.total.histograms->interval_steps == std::vector<ReuseBin>{{1, 1, 4}, {2, 2, 1}});
}

TEST_CASE("live places are counted as a plain row counts them", "[curve]") {
  std::mt19937_64 bits(7);
  for (const std::uint64_t places : {1U, 64U, 65U, 1024U, 20'000U}) {
    LivePlaces fast(places);
    std::vector<bool> plain;
    while (plain.size() < places) {
      const auto count = std::min<std::uint64_t>(bits() % 150, places - plain.size());
      fast.append(count);
      plain.insert(plain.end(), count, true);
      for (int i = 0; i < 20 && !plain.empty(); ++i) {
        const std::uint64_t place = bits() % plain.size();
        if (plain[place]) {
          fast.remove(place);
          plain[place] = false;
        }
        const std::uint64_t asked = bits() % plain.size();
        REQUIRE(fast.live_after(asked) ==
                std::count(plain.begin() + static_cast<std::ptrdiff_t>(asked) + 1, plain.end(), true));
      }
    }
  }
}

TEST_CASE("a long trace closes the gaps of its row of places", "[curve]") {
  // Two ids at a time of 200: 1,824 places for them are used up every 900 steps.
  std::mt19937_64 bits(8);
  std::vector<PlainSelection> selections;
  for (int step = 0; step < 6000; ++step) {
    const auto first = static_cast<std::uint32_t>(bits() % 200);
    selections.push_back({first, (first + 1 + static_cast<std::uint32_t>(bits() % 199)) % 200});
  }
  const TraceReader reader = written(one_stream(selections, 300));
  CurveConfig config;
  config.replay.policy = parse_policy("lru");
  config.capacities = capacities({2, 50, 100, 150, 199});
  compare_with_replays(reader, config);
}

TEST_CASE("budgets of a curve are budgets of replays", "[curve][capacity]") {
  const TraceReader reader = written(random_trace({.groups = true}, 3));
  const char* policy = GENERATE("lru", "fifo");
  const Scope scope = GENERATE(Scope::layer, Scope::stream);
  CurveConfig config;
  config.replay.policy = parse_policy(policy);
  config.replay.scope = scope;
  config.replay.entry_bytes = 3;
  for (const char* budget : {"100", "103", "1000B", "2x"}) {
    config.capacities.push_back(Capacity::parse_budget(budget));
  }
  const CurveResult result = curve(reader, config);
  for (std::size_t i = 0; i < config.capacities.size(); ++i) {
    ReplayConfig at = config.replay;
    at.capacity = config.capacities[i];
    const ReplayResult expected = replay(reader, at);
    CAPTURE(policy, static_cast<int>(scope), at.capacity.text());
    CHECK(result.total.points[i].misses == expected.totals.misses());
    CHECK(result.reservations[i].entries == expected.config.reservation.entries);
    CHECK(result.reservations[i].bytes == expected.config.reservation.bytes);
  }
}
