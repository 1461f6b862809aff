#include "dsasim/report/analysis_report.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <iterator>

namespace dsasim {
namespace {

/// Calls f(columns, info, summary) for each metric of each layer and of all together; `columns` are the first of a row.
template <class F>
void for_each_summary(std::span<const Analysed> analyses, F&& f) {
  for (std::size_t trace = 0; trace < analyses.size(); ++trace) {
    const AnalysisResult& result = analyses[trace].result;
    const auto rows = [&](const std::string& layer, const std::vector<MetricSummary>& summaries) {
      for (std::size_t i = 0; i < summaries.size(); ++i) {
        const MetricInfo& info = result.metrics[i];
        f(fmt::format("{},{},{},{},{}", trace, layer, info.name,
                      info.parameter_name.empty() ? "" : std::to_string(info.parameter), info.unit),
          info, summaries[i]);
      }
    };
    rows("all", result.pooled);
    for (std::size_t layer = 0; layer < result.layers.size(); ++layer) {
      rows(std::to_string(layer), result.layers[layer]);
    }
  }
}

}  // namespace

std::string metrics_csv(std::span<const Analysed> analyses) {
  std::string out = "trace,layer,metric,parameter,unit,samples,mean,p95,stddev\n";
  for_each_summary(analyses, [&](const std::string& columns, const MetricInfo& info, const MetricSummary& summary) {
    const std::string samples = info.unavailable.empty() ? std::to_string(summary.count) : "";
    if (summary.count == 0) {
      fmt::format_to(std::back_inserter(out), "{},{},,,\n", columns, samples);
    } else {
      fmt::format_to(std::back_inserter(out), "{},{},{},{},{}\n", columns, samples, summary.mean, summary.p95,
                     summary.stddev);
    }
  });
  return out;
}

std::string histograms_csv(std::span<const Analysed> analyses) {
  std::string out = "trace,layer,metric,parameter,unit,low,high,samples\n";
  for_each_summary(analyses, [&](const std::string& columns, const MetricInfo& /*info*/, const MetricSummary& summary) {
    for (const HistogramBin& bin : summary.histogram) {
      fmt::format_to(std::back_inserter(out), "{},{},{},{}\n", columns, bin.low, bin.high, bin.count);
    }
  });
  return out;
}

}  // namespace dsasim
