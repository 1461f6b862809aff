// ids/s of whole analyses, the decoding included, in one thread: the paper's metrics, and every one.

#include "fixture.hpp"

#include "dsasim/analysis/analysis.hpp"

#include <benchmark/benchmark.h>

namespace dsasim::bench {
namespace {

void analyze_trace(benchmark::State& state, bool all) {
  const TraceReader trace(trace_path);
  AnalysisConfig config;
  config.all = all;
  for (auto _ : state) {
    benchmark::DoNotOptimize(analyze(trace, config).pooled.data());
  }
  count_items(state, trace.accesses());
}
BENCHMARK_CAPTURE(analyze_trace, paper, false)->Name("analyze/paper")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(analyze_trace, all, true)->Name("analyze/all")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace dsasim::bench
