#pragma once

#include "dsasim/analysis/analysis.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

namespace dsasim {

/// The metric of that name over all layers, if the trace has it and it has samples.
inline const MetricSummary* find_samples(const AnalysisResult& result, std::string_view name) {
  for (std::size_t i = 0; i < result.metrics.size(); ++i) {
    if (result.metrics[i].name == name && result.pooled[i].count > 0) {
      return &result.pooled[i];
    }
  }
  return nullptr;
}

/// The metrics of both: the first's, then those that only the second has.
inline std::vector<MetricInfo> all_metrics(const AnalysisResult& first, const AnalysisResult& second) {
  std::vector<MetricInfo> all = first.metrics;
  for (const MetricInfo& info : second.metrics) {
    if (std::none_of(all.begin(), all.end(), [&](const MetricInfo& other) { return other.name == info.name; })) {
      all.push_back(info);
    }
  }
  return all;
}

/// second / first; nothing where one is missing or the first is 0.
inline std::optional<double> ratio(const MetricSummary* first, const MetricSummary* second,
                                   double MetricSummary::*number) {
  if (first == nullptr || second == nullptr || first->*number == 0) {
    return std::nullopt;
  }
  return second->*number / first->*number;
}

}  // namespace dsasim
