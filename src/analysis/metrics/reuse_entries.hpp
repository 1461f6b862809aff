#pragma once

#include "analysis/metric.hpp"
#include "analysis/metrics/recency_counts.hpp"

#include <cstdint>

namespace dsasim {

/// Of each access but an entry's first, the entries selected from the step that last selected it on, up to this step
/// and without it: what a buffer that keeps whole selections must hold to have the entry still.
class ReuseEntries final : public SampledMetric {
 public:
  static void list(const MetricSetup& setup, MetricList& metrics) {
    if (setup.config.all) {
      metrics.add<ReuseEntries>({.name = "reuse_entries", .unit = "entries"});
    }
  }

  ReuseEntries() : SampledMetric(1) {}

  std::uint64_t state_bytes(const StreamShape& shape) const override {
    constexpr std::uint64_t bytes_a_step = 80;  // a quarter of the slots or more are in use
    return std::min(shape.id_limit, shape.steps) * bytes_a_step;
  }

  void begin(const StreamShape& /*shape*/) override { left_.reset(); }

  void observe(const Observation& now) override {
    const std::uint64_t entries_before = now.kept() + now.ended.size();
    sample(entries_before, now.kept());
    for (const Started& entry : now.started) {
      if (entry.age != Started::never) {
        sample(entries_before + left_.since(now.step - entry.age));
      }
    }
    for (const Started& entry : now.started) {
      if (entry.age != Started::never) {
        left_.remove(now.step - entry.age);
      }
    }
    if (now.step > 0) {
      left_.append(now.step - 1, static_cast<std::uint32_t>(now.ended.size()));
    }
  }

 private:
  RecencyCounts left_;  ///< entries that the step before does not select, by the step that last did
};

}  // namespace dsasim
