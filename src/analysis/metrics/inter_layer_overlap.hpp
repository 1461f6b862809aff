#pragma once

#include "analysis/metric.hpp"

namespace dsasim {

/// Entries that the layer before (of those that own an index) selects in the same step too.
class InterLayerOverlap final : public SampledMetric {
 public:
  static void list(const MetricSetup& setup, MetricList& metrics) {
    metrics.add<InterLayerOverlap>({.name = "inter_layer_overlap", .unit = "k"}, setup.top_k);
  }

  using SampledMetric::SampledMetric;

  void observe(const Observation& now) override {
    if (!now.layer_before.empty()) {
      sample(now.set->count(now.layer_before));
    }
  }
};

}  // namespace dsasim
