#include "dsasim/report/analysis_report.hpp"
#include "report/analysis_pairs.hpp"
#include "report/trace_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>

namespace dsasim {
namespace {

/// Four digits or more; "-" for a number that there is not.
std::string number_text(const MetricSummary* summary, double MetricSummary::*number) {
  if (summary == nullptr || summary->count == 0) {
    return "-";
  }
  const double value = summary->*number;
  return fmt::format("{:.{}f}", value, value < 10 ? 4 : (value < 100 ? 3 : 1));
}

std::string ratio_text(const std::optional<double>& ratio) {
  return ratio ? fmt::format("{:.3f}", *ratio) : "-";
}

/// "1.9311 (6)": the mean of the layer in which it is least or most.
std::string extreme_text(const AnalysisResult& result, std::size_t metric, bool most) {
  const std::vector<MetricSummary>* extreme = nullptr;
  for (const auto& layer : result.layers) {
    const bool further = extreme == nullptr || (most ? layer[metric].mean > (*extreme)[metric].mean
                                                     : layer[metric].mean < (*extreme)[metric].mean);
    if (layer[metric].count > 0 && further) {
      extreme = &layer;
    }
  }
  return extreme == nullptr ? "-"
                            : fmt::format("{} ({})", number_text(&(*extreme)[metric], &MetricSummary::mean),
                                          extreme - result.layers.data());
}

/// "persistence: 4,081 of 109,631 runs ..." and why a metric is unavailable, each reason once.
void append_notes(std::string& out, const AnalysisResult& result) {
  std::set<std::string> reasons;
  for (std::size_t i = 0; i < result.metrics.size(); ++i) {
    const MetricInfo& info = result.metrics[i];
    for (const ExtraField& field : result.pooled[i].extra) {
      const auto* count = std::get_if<std::uint64_t>(&field.value);
      const auto* number = std::get_if<double>(&field.value);
      if (count != nullptr || number != nullptr) {
        fmt::format_to(std::back_inserter(out), "{}: {} {}\n", info.name, field.name,
                       count != nullptr ? grouped(*count) : fmt::format("{:.4f}", *number));
      }
    }
    if (!info.unavailable.empty() && reasons.insert(info.unavailable).second) {
      fmt::format_to(std::back_inserter(out), "-: {}\n", info.unavailable);
    }
  }
}

/// Short heads for the metrics whose means are shown layer by layer; of several that begin so, the first.
constexpr std::array layer_columns = {std::pair{"working_set", "work. set"},
                                      std::pair{"persistence", "persist."},
                                      std::pair{"lookback", "lookback"},
                                      std::pair{"new_lookups", "new"},
                                      std::pair{"inter_layer_overlap", "layer ov."},
                                      std::pair{"page_utilisation", "page util."}};

void append_layers(std::string& out, const AnalysisResult& result) {
  auto line = std::back_inserter(out);
  fmt::format_to(line, "\n{:<10}", "mean");
  for (const auto& [name, head] : layer_columns) {
    fmt::format_to(line, " {:>11}", head);
  }
  out += '\n';
  for (std::size_t layer = 0; layer < result.layers.size(); ++layer) {
    fmt::format_to(line, "{:<10}", fmt::format("layer {}", layer));
    for (const auto& [name, head] : layer_columns) {
      const auto column =
          std::find_if(result.metrics.begin(), result.metrics.end(),
                       [&, wanted = name](const MetricInfo& info) { return info.name.starts_with(wanted); });
      const MetricSummary* summary =
          column == result.metrics.end()
              ? nullptr
              : &result.layers[layer][static_cast<std::size_t>(column - result.metrics.begin())];
      fmt::format_to(line, " {:>11}", number_text(summary, &MetricSummary::mean));
    }
    out += '\n';
  }
}

}  // namespace

std::string analysis_table(const Analysed& analysed) {
  const AnalysisResult& result = analysed.result;
  std::string out = trace_text(analysed.trace) + "\n\n";
  auto line = std::back_inserter(out);
  fmt::format_to(line, "{:<20} {:<8} {:>13} {:>10} {:>10} {:>10} {:>15} {:>15}\n", "", "unit", "samples", "mean", "P95",
                 "stddev", "least (layer)", "most (layer)");
  for (std::size_t i = 0; i < result.metrics.size(); ++i) {
    const MetricSummary& summary = result.pooled[i];
    fmt::format_to(line, "{:<20} {:<8} {:>13} {:>10} {:>10} {:>10} {:>15} {:>15}\n", result.metrics[i].name,
                   result.metrics[i].unit, result.metrics[i].unavailable.empty() ? grouped(summary.count) : "-",
                   number_text(&summary, &MetricSummary::mean), number_text(&summary, &MetricSummary::p95),
                   number_text(&summary, &MetricSummary::stddev), extreme_text(result, i, false),
                   extreme_text(result, i, true));
  }
  out += '\n';
  append_notes(out, result);
  append_layers(out, result);
  return out;
}

std::string comparison_table(const Analysed& first, const Analysed& second) {
  std::string out = fmt::format("A  {}\nB  {}\n\n", trace_text(first.trace), trace_text(second.trace));
  auto line = std::back_inserter(out);
  fmt::format_to(line, "{:<20} {:<8} {:>10} {:>10} {:>8} {:>10} {:>10} {:>8} {:>10} {:>10} {:>8}\n", "", "unit",
                 "mean A", "B", "B/A", "P95 A", "B", "B/A", "stddev A", "B", "B/A");
  for (const MetricInfo& info : all_metrics(first.result, second.result)) {
    const MetricSummary* a = find_samples(first.result, info.name);
    const MetricSummary* b = find_samples(second.result, info.name);
    fmt::format_to(line, "{:<20} {:<8}", info.name, info.unit);
    for (const auto number : {&MetricSummary::mean, &MetricSummary::p95, &MetricSummary::stddev}) {
      fmt::format_to(line, " {:>10} {:>10} {:>8}", number_text(a, number), number_text(b, number),
                     ratio_text(ratio(a, b, number)));
    }
    out += '\n';
  }
  return out;
}

}  // namespace dsasim
