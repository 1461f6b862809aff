// accesses/s of whole replays, the decoding included: each policy at twice the selection, a cache for each stream; and
// each predictor beside a hot buffer.

#include "fixture.hpp"

#include "dsasim/predict/predict.hpp"
#include "dsasim/replay/replay.hpp"

#include <benchmark/benchmark.h>

#include <string>

namespace dsasim::bench {
namespace {

void replay_trace(benchmark::State& state, const ReplayConfig& config) {
  const TraceReader trace(trace_path);
  std::uint64_t misses = 0;
  for (auto _ : state) {
    misses = replay(trace, config).totals.misses();
  }
  count_items(state, trace.accesses());
  state.counters["misses"] = static_cast<double>(misses);
}

void replay_policy(benchmark::State& state, const std::string& policy, Scope scope, const std::string& capacity) {
  ReplayConfig config;
  config.policy = parse_policy(policy);
  config.scope = scope;
  config.capacity = Capacity::parse(capacity);
  replay_trace(state, config);
}

/// Of 1/32 of the top-k.
void replay_prefetch(benchmark::State& state, const std::string& predictor) {
  ReplayConfig config;
  config.policy = parse_policy("hisparse");
  config.capacity = Capacity::parse("2x");
  config.prefetch = parse_prefetch(predictor + ",rows=16,into=side");
  replay_trace(state, config);
}

/// Every policy of the list, with each of the two ways to replace where it has them. The trace has no scores.
int register_policies() {
  for (const PolicyDescription& policy : policy_descriptions()) {
    std::vector<std::string> variants = {std::string(policy.name)};
    for (const PolicyParameter& parameter : policy.parameters) {
      if (parameter.key == "atomic") {
        variants.push_back(std::string(policy.name) + ",atomic=step");
      }
    }
    for (const std::string& variant : variants) {
      if (policy_needs(parse_policy(variant)).scores) {
        continue;
      }
      benchmark::RegisterBenchmark(("replay/stream/2x/" + variant).c_str(), replay_policy, variant, Scope::stream, "2x")
          ->Unit(benchmark::kMillisecond);
    }
  }
  for (const PredictorDescription& predictor : predictor_descriptions()) {
    benchmark::RegisterBenchmark(("replay/prefetch/" + std::string(predictor.name)).c_str(), replay_prefetch,
                                 std::string(predictor.name))
        ->Unit(benchmark::kMillisecond);
  }
  benchmark::RegisterBenchmark("replay/shared/32x/lru", replay_policy, "lru", Scope::shared, "32x")
      ->Unit(benchmark::kMillisecond);
  return 0;
}
const int registered = register_policies();

}  // namespace
}  // namespace dsasim::bench
