#pragma once

#include "analysis/metrics/page_occupancy.hpp"

#include <fmt/format.h>

namespace dsasim {

/// Of each page that a selection touches, the part that is selected. The last page of a context counts as a full one.
class PageUtilisation final : public SampledMetric {
 public:
  static constexpr std::uint32_t contract_page_tokens = 16;

  static void list(const MetricSetup& setup, MetricList& metrics) {
    for (const std::uint32_t tokens : setup.config.page_tokens) {
      metrics.add<PageUtilisation>(
          {.name = tokens == contract_page_tokens ? "page_utilisation" : fmt::format("page_utilisation_{}", tokens),
           .parameter_name = "page_tokens",
           .parameter = tokens,
           .unit = "page",
           .unavailable = PageOccupancy::unavailable(setup, tokens)},
          std::max(1U, tokens / setup.unit_tokens));
    }
  }

  explicit PageUtilisation(std::uint32_t page_entries) : SampledMetric(page_entries), pages_(page_entries) {}

  std::uint64_t state_bytes(const StreamShape& shape) const override { return pages_.state_bytes(shape); }
  void begin(const StreamShape& shape) override { pages_.begin(shape); }

  void observe(const Observation& now) override {
    pages_.observe(now);
    const auto pages_with = pages_.pages_with();
    for (std::size_t entries = 1; entries < pages_with.size(); ++entries) {
      sample(entries, pages_with[entries]);
    }
  }

 private:
  PageOccupancy pages_;
};

}  // namespace dsasim
