#pragma once

#include "analysis/metric.hpp"

#include <cstdint>

namespace dsasim {

/// Steps since an entry was last selected, of each access but an entry's first.
class ReuseSteps final : public SampledMetric {
 public:
  static void list(const MetricSetup& setup, MetricList& metrics) {
    if (setup.config.all) {
      metrics.add<ReuseSteps>({.name = "reuse_steps", .unit = "steps"});
    }
  }

  ReuseSteps() : SampledMetric(1, Histogram::steps_limit) {}

  void observe(const Observation& now) override {
    sample(1, now.kept());
    for (const Started& entry : now.started) {
      if (entry.age == Started::never) {
        ++first_uses_;
      } else {
        sample(entry.age);
      }
    }
  }

  void merge(const Metric& other) override {
    SampledMetric::merge(other);
    first_uses_ += static_cast<const ReuseSteps&>(other).first_uses_;
  }

  MetricSummary summary() const override {
    MetricSummary summary = SampledMetric::summary();
    summary.extra.push_back({.name = "first_uses", .value = first_uses_});
    return summary;
  }

 private:
  std::uint64_t first_uses_ = 0;
};

}  // namespace dsasim
