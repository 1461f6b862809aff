#pragma once

#include "analysis/metric.hpp"

#include <algorithm>
#include <cstdint>

namespace dsasim {

/// Entries whose neighbour was selected when the query stood an entry before: high if the selection slides along with
/// the query. The query moves by an entry in one step, or in as many as an entry has tokens.
class ShiftedOverlap final : public SampledMetric {
 public:
  static void list(const MetricSetup& setup, MetricList& metrics) {
    if (setup.config.all) {
      metrics.history_depth = std::max(metrics.history_depth, setup.unit_tokens);
      metrics.add<ShiftedOverlap>({.name = "shifted_overlap", .unit = "k", .unavailable = setup.without_positions()},
                                  setup.unit_tokens, setup.top_k);
    }
  }

  ShiftedOverlap(std::uint32_t unit_tokens, double top_k) : SampledMetric(top_k), unit_tokens_(unit_tokens) {}

  void observe(const Observation& now) override {
    if (now.step >= unit_tokens_) {
      sample(now.set->count(now.history->ids(unit_tokens_), 1));
    }
  }

 private:
  std::uint32_t unit_tokens_;
};

}  // namespace dsasim
