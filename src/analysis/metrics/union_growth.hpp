#pragma once

#include "analysis/metrics/window_union.hpp"

#include <fmt/format.h>

namespace dsasim {

/// How the union of consecutive selections grows with their number.
struct UnionGrowth {
  static void list(const MetricSetup& setup, MetricList& metrics) {
    for (const std::uint32_t sets : setup.config.union_steps) {
      metrics.add<WindowUnion>(
          {.name = fmt::format("union_{}", sets), .parameter_name = "sets", .parameter = sets, .unit = "k"}, sets,
          setup.top_k);
    }
  }
};

}  // namespace dsasim
