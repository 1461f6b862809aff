#pragma once

#include "dsasim/analysis/analysis.hpp"

#include <algorithm>
#include <stdexcept>
#include <string_view>

namespace dsasim::testing {

/// What `analyze` finds in a trace, over all layers and requests.
class Metrics {
 public:
  explicit Metrics(const TraceReader& trace) : result_(analyze(trace, {})) {}

  const MetricSummary& operator[](std::string_view name) const {
    const auto found = std::ranges::find(result_.metrics, name, &MetricInfo::name);
    if (found == result_.metrics.end()) {
      throw std::logic_error("there is no such metric");
    }
    return result_.pooled[static_cast<std::size_t>(found - result_.metrics.begin())];
  }

 private:
  AnalysisResult result_;
};

}  // namespace dsasim::testing
