#pragma once

#include "analysis/metrics/page_occupancy.hpp"

#include <fmt/format.h>

#include <numeric>

namespace dsasim {

/// Blocks of which a selection selects something: what a kernel fetches that loads whole blocks.
class BlocksTouched final : public SampledMetric {
 public:
  static void list(const MetricSetup& setup, MetricList& metrics) {
    for (const std::uint32_t tokens : setup.config.block_tokens) {
      metrics.add<BlocksTouched>({.name = fmt::format("blocks_touched_{}", tokens),
                                  .parameter_name = "block_tokens",
                                  .parameter = tokens,
                                  .unit = "blocks",
                                  .unavailable = PageOccupancy::unavailable(setup, tokens)},
                                 std::max(1U, tokens / setup.unit_tokens));
    }
  }

  explicit BlocksTouched(std::uint32_t block_entries) : SampledMetric(1), blocks_(block_entries) {}

  std::uint64_t state_bytes(const StreamShape& shape) const override { return blocks_.state_bytes(shape); }
  void begin(const StreamShape& shape) override { blocks_.begin(shape); }

  void observe(const Observation& now) override {
    blocks_.observe(now);
    const auto touched = blocks_.pages_with().subspan(1);
    sample(std::accumulate(touched.begin(), touched.end(), std::uint64_t{0}));
  }

 private:
  PageOccupancy blocks_;
};

}  // namespace dsasim
