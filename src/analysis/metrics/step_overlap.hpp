#pragma once

#include "analysis/metric.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace dsasim {

/// Entries that the selection some steps before had too: how fast the overlap decays.
class StepOverlap final : public SampledMetric {
 public:
  static void list(const MetricSetup& setup, MetricList& metrics) {
    for (const std::uint32_t steps : setup.config.overlap_steps) {
      metrics.history_depth = std::max(metrics.history_depth, steps);
      metrics.add<StepOverlap>(
          {.name = fmt::format("step_overlap_{}", steps), .parameter_name = "steps", .parameter = steps, .unit = "k"},
          steps, setup.top_k);
    }
  }

  StepOverlap(std::uint32_t steps, double top_k) : SampledMetric(top_k), steps_(steps) {}

  void observe(const Observation& now) override {
    if (now.step >= steps_) {
      sample(now.set->count(now.history->ids(steps_)));
    }
  }

 private:
  std::uint32_t steps_;
};

}  // namespace dsasim
