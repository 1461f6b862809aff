#pragma once

#include "analysis/metric.hpp"

#include <cstdint>

namespace dsasim {

/// Entries at the first positions, which attention models are known to fall back on. An entry counts if its first token
/// lies there.
class SinkShare final : public SampledMetric {
 public:
  static void list(const MetricSetup& setup, MetricList& metrics) {
    if (setup.config.sink_tokens) {
      metrics.add<SinkShare>({.name = "sink_share",
                              .parameter_name = "sink_tokens",
                              .parameter = *setup.config.sink_tokens,
                              .unit = "k",
                              .unavailable = setup.without_positions()},
                             *setup.config.sink_tokens, setup.top_k, setup.unit_tokens);
    }
  }

  SinkShare(std::uint64_t sink_tokens, double top_k, std::uint64_t unit_tokens)
      : SampledMetric(top_k), first_other_((sink_tokens + unit_tokens - 1) / unit_tokens) {}

  void observe(const Observation& now) override {
    std::uint32_t sinks = 0;
    for (const EntryId id : now.ids) {
      sinks += value(id) < first_other_ ? 1U : 0U;
    }
    sample(sinks);
  }

 private:
  std::uint64_t first_other_;
};

/// Entries at the last positions, up to the query's own. An entry counts if its last token lies there.
class RecentShare final : public SampledMetric {
 public:
  static void list(const MetricSetup& setup, MetricList& metrics) {
    if (setup.config.recent_tokens) {
      metrics.add<RecentShare>({.name = "recent_share",
                                .parameter_name = "recent_tokens",
                                .parameter = *setup.config.recent_tokens,
                                .unit = "k",
                                .unavailable = setup.without_positions()},
                               *setup.config.recent_tokens, setup.top_k, setup.unit_tokens);
    }
  }

  RecentShare(std::uint64_t recent_tokens, double top_k, std::uint64_t unit_tokens)
      : SampledMetric(top_k), recent_tokens_(recent_tokens), unit_tokens_(unit_tokens) {}

  void observe(const Observation& now) override {
    const std::uint64_t context = now.query_token + 1;
    const std::uint64_t older = context <= recent_tokens_ ? 0 : context - recent_tokens_;
    const std::uint64_t first_recent = older / unit_tokens_;  // its last token is no older
    std::uint32_t recent = 0;
    for (const EntryId id : now.ids) {
      recent += value(id) >= first_recent ? 1U : 0U;
    }
    sample(recent);
  }

 private:
  std::uint64_t recent_tokens_;
  std::uint64_t unit_tokens_;
};

}  // namespace dsasim
