#pragma once

#include "analysis/metrics/window_union.hpp"

#include <fmt/format.h>

namespace dsasim {

/// The paper's working set: the union of N selections (its prose), or of N + 1 (its formula). Full windows only.
struct WorkingSet {
  static constexpr std::uint32_t paper_sets = 50;

  static void list(const MetricSetup& setup, MetricList& metrics) {
    for (const std::uint32_t steps : setup.config.windows) {
      const std::uint32_t sets = steps + (setup.config.inclusive_windows ? 1 : 0);
      metrics.add<WindowUnion>({.name = sets == paper_sets ? "working_set" : fmt::format("working_set_{}", sets),
                                .parameter_name = "window_sets",
                                .parameter = sets,
                                .unit = "k"},
                               sets, setup.top_k);
    }
  }
};

}  // namespace dsasim
