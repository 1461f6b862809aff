#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>

// What the benchmarks run on: a real capture in the repository, whose path is relative to its root.

namespace dsasim::bench {

inline constexpr const char* trace_path = "traces/k512-req_0.dsat";

/// So many ids or accesses an iteration: reported as a rate.
inline void count_items(benchmark::State& state, std::uint64_t items) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(items));
}

}  // namespace dsasim::bench
