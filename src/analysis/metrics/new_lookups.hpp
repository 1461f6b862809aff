#pragma once

#include "analysis/metric.hpp"

namespace dsasim {

/// Entries of a selection that the one before did not have. The first selection has none before, and no sample.
class NewLookups final : public SampledMetric {
 public:
  static void list(const MetricSetup& setup, MetricList& metrics) {
    metrics.add<NewLookups>({.name = "new_lookups", .unit = "k"}, setup.top_k);
  }

  using SampledMetric::SampledMetric;

  void observe(const Observation& now) override {
    if (now.step > 0) {
      sample(now.started.size());
    }
  }
};

}  // namespace dsasim
