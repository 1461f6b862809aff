#pragma once

#include "analysis/metric.hpp"

#include <cstddef>

namespace dsasim {

/// Ids that two requests of the batch both select, in the same step of the batch and the same layer: one sample for
/// each pair. Physical ids that are equal are one entry; logical ones are the same position of two texts.
class RequestOverlap final : public SampledMetric {
 public:
  static void list(const MetricSetup& setup, MetricList& metrics) {
    if (setup.config.all) {
      metrics.add<RequestOverlap>({.name = "request_overlap", .unit = "k"}, setup.top_k);
      metrics.entries.back().across_requests = true;
    }
  }

  using SampledMetric::SampledMetric;

  void observe(const Observation& /*now*/) override {}

  void observe_batch(std::span<const std::span<const EntryId>> selections, EntrySet& scratch) override {
    for (std::size_t a = 0; a + 1 < selections.size(); ++a) {
      scratch.insert(selections[a]);
      for (std::size_t b = a + 1; b < selections.size(); ++b) {
        sample(scratch.count(selections[b]));
      }
      scratch.clear(selections[a]);
    }
  }
};

}  // namespace dsasim
