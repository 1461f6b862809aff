// Knees against a linear scan: of all capacities where they are exact, of those tried where they are not.

#include "dsasim/curve/knee.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "dsasim/report/knee_report.hpp"
#include "replay/small_traces.hpp"
#include "replay/written_trace.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;

namespace {

using Json = nlohmann::ordered_json;

KneeConfig knee_config(const char* policy, const std::string& target, Scope scope = Scope::stream) {
  KneeConfig config;
  config.replay.scope = scope;
  config.policies = {parse_policy(policy)};
  config.target = parse_target(target);
  return config;
}

ReplayResult replayed(const TraceReader& trace, const KneeConfig& config, const std::string& capacity) {
  ReplayConfig at = config.replay;
  at.policy = config.policies.front();
  at.capacity = Capacity::parse(capacity);
  return replay(trace, at);
}

Knee knee_of(const TraceReader& trace, const KneeConfig& config) {
  return knees(trace, config).knees.front();
}

/// The first of 0, 1, 2, ... that reaches the target.
std::optional<std::uint64_t> first_of_all(const TraceReader& trace, const KneeConfig& config, std::uint64_t most) {
  for (std::uint64_t capacity = 0; capacity <= most; ++capacity) {
    if (number_of(total_of(*config.target.measure, replayed(trace, config, std::to_string(capacity)))) <=
        config.target.at_most) {
      return capacity;
    }
  }
  return std::nullopt;
}

std::string error_of(const std::string& target) {
  try {
    parse_target(target);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("the exact knee is the first capacity of all that reaches the target", "[knee]") {
  const char* policy = GENERATE("lru", "belady", "belady,bypass=1");
  const Scope scope = GENERATE(Scope::layer, Scope::stream, Scope::shared);
  int reached = 0;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const TraceReader trace = written(random_trace({.requests = 2, .layers = 2}, seed));
    for (const char* target :
         {"miss_ratio=0.9", "miss_ratio=0.6", "misses=70", "step_misses=5", "misses=1", "misses=1e6"}) {
      CAPTURE(policy, static_cast<int>(scope), seed, target);
      KneeConfig config = knee_config(policy, target, scope);
      config.replay.warmup_steps = seed % 2;
      const Knee knee = knee_of(trace, config);
      CHECK(knee.exact);
      const auto expected = first_of_all(trace, config, 200);  // more than all ids
      REQUIRE(knee.point.has_value() == expected.has_value());
      if (expected) {
        CHECK(knee.point->capacity_entries == *expected);
        CHECK(knee.point->value ==
              number_of(total_of(*config.target.measure, replayed(trace, config, std::to_string(*expected)))));
        CHECK(knee.before.has_value() == (*expected > 0));
        ++reached;
      }
    }
  }
  CHECK(reached > 8);
}

TEST_CASE("otherwise the knee is the first of those tried", "[knee]") {
  const TraceReader trace = written(random_trace({.requests = 2, .layers = 2}, 3));
  const std::vector<std::string> tried = {"30", "8", "14", "20"};  // in any order
  for (const char* policy : {"lru", "fifo", "hisparse", "clock"}) {
    for (const char* target :
         {"misses=100", "miss_ratio=0.5", "gather_ns=30000", "step_gather_ns=1500", "missed_pages=60"}) {
      CAPTURE(policy, target);
      KneeConfig config = knee_config(policy, target);
      std::optional<std::uint64_t> expected;
      for (const std::string& capacity : tried) {
        config.capacities.push_back(Capacity::parse(capacity));
        if (number_of(total_of(*config.target.measure, replayed(trace, config, capacity))) <= config.target.at_most) {
          expected = std::min(expected.value_or(1000), std::uint64_t{std::stoul(capacity)});
        }
      }
      const Knee knee = knee_of(trace, config);
      CHECK_FALSE(knee.exact);
      CHECK(knee.tried == 4);
      CHECK(knee.point.has_value() == expected.has_value());
      CHECK((!expected || knee.point->capacity_entries == *expected));
    }
  }
}

TEST_CASE("where a larger cache misses more, the smallest that was tried is found, and no bisection", "[knee]") {
  // Belady, Nelson, Shedler (1969): with 3 frames FIFO misses 9 times, with 4 it misses 10 times.
  std::vector<PlainSelection> steps;
  for (const std::uint32_t id : {1U, 2U, 3U, 4U, 1U, 2U, 5U, 1U, 2U, 3U, 4U, 5U}) {
    steps.push_back({id});
  }
  const TraceReader trace = written(one_stream(steps));
  KneeConfig config = knee_config("fifo", "misses=9");
  for (const char* capacity : {"1", "2", "3", "4", "5"}) {
    config.capacities.push_back(Capacity::parse(capacity));
  }
  const Knee knee = knee_of(trace, config);
  REQUIRE(knee.point);
  CHECK(knee.point->capacity_entries == 3);
  CHECK(knee.point->value == 9);
  CHECK(knee.before->capacity_entries == 2);
  CHECK(knee.best.capacity_entries == 5);
  CHECK(knee.best.value == 5);
}

TEST_CASE("knees of a real capture", "[knee]") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  KneeConfig config = knee_config("lru", "misses=45614");
  config.policies.push_back(parse_policy("belady"));
  config.policies.push_back(parse_policy("fifo"));
  const KneeResult result = knees(trace, config, {}, 2);
  CHECK(result.knees[0].point->capacity_entries == 256);  // 45,614 misses: docs/replay.md
  CHECK(result.knees[0].before->value > 45'614);
  CHECK(result.knees[1].point->capacity_entries < 256);
  CHECK(result.knees[2].point->capacity_entries > 256);
  CHECK(result.knees[0].best.value == 12'092);  // the compulsory ones

  config.target = parse_target("misses=12091");
  const KneeResult none = knees(trace, config);
  for (const Knee& knee : none.knees) {
    CHECK_FALSE(knee.point);
    CHECK(knee.best.value == 12'092);
  }
  const Json json = Json::parse(knee_json(trace, none));
  CHECK(json["schema"] == "dsasim-knee/1");
  CHECK(json["config"]["target"] == "misses");
  CHECK(json["config"]["at_most"] == 12091.0);
  CHECK(json["knees"].size() == 3);
  CHECK(json["knees"][0]["knee"].is_null());
  CHECK(json["knees"][2]["best"]["misses"] == 12092.0);
}

TEST_CASE("targets that are none", "[knee]") {
  CHECK(parse_target("miss-ratio=0.1").name == "miss_ratio");
  CHECK(error_of("mis_ratio=0.1") ==
        "`target`: expected FIELD=NUMBER, FIELD one of accesses, hits, misses, compulsory_misses, capacity_misses, "
        "evictions, miss_ratio, fetched_bytes, missed_pages, gather_ns, cache_hits, llc_sectors, llc_hit_sectors, "
        "prefetched, prefetch_useful, prefetch_wasted, avoided_misses, prefetch_evictions, prefetched_bytes, "
        "idle_steps, retained_hits, refreshes, "
        "tpot_mean_ns, "
        "tpot_p50_ns, tpot_p95_ns, tpot_p99_ns, tpot_max_ns, slowdown_all_hit, slowdown_contiguous, "
        "fetched_bytes_per_step, fetched_bytes_per_s, known_joules_per_token, step_misses, step_gather_ns, found "
        "\"mis_ratio=0.1\"");
  CHECK(parse_target("tpot_ns=1").measure == find_measure("tpot_mean_ns"));
  CHECK(parse_target("tpot_ns=1").name == "tpot_ns");
  for (const char* text :
       {"miss_ratio", "miss_ratio=", "miss_ratio=-1", "miss_ratio=nan", "miss_ratio=0.1x", "miss_ratio==1"}) {
    CAPTURE(text);
    CHECK(error_of(text).find("`target`: miss_ratio: expected a number from 0, found") == 0);
  }
  CHECK_FALSE(error_of("").empty());
}

TEST_CASE("a knee says what all caches hold together", "[knee][capacity]") {
  const TraceReader trace = written(random_trace({}, 3));  // three requests, three layers
  KneeConfig config = knee_config("lru", "miss_ratio=0.9");
  config.replay.entry_bytes = 10;
  const Knee exact = knee_of(trace, config);
  REQUIRE(exact.point);
  CHECK(exact.point->reservation.entries == 9 * exact.point->capacity_entries);
  CHECK(exact.point->reservation.bytes == 90 * exact.point->capacity_entries);
  config.capacities = {Capacity::parse_budget("90"), Capacity::parse_budget("300")};
  const Knee of_budgets = knee_of(trace, config);
  REQUIRE(of_budgets.point);
  CHECK(of_budgets.point->reservation.entries == 9 * of_budgets.point->capacity_entries);
  const Json json = Json::parse(knee_json(trace, knees(trace, config)));
  CHECK(json["config"]["budgets"] == Json{"90", "300"});
  CHECK(json["config"]["caches"] == 9);
}
