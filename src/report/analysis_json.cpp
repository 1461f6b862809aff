#include "config/json_text.hpp"
#include "dsasim/report/analysis_report.hpp"
#include "dsasim/version.hpp"
#include "report/analysis_pairs.hpp"
#include "report/trace_json.hpp"

#include <nlohmann/json.hpp>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

Json value_json(const std::variant<std::monostate, std::uint64_t, double>& value) {
  if (const auto* count = std::get_if<std::uint64_t>(&value)) {
    return *count;
  }
  const auto* number = std::get_if<double>(&value);
  return number == nullptr ? Json(nullptr) : Json(*number);
}

Json histogram_json(const std::vector<HistogramBin>& bins) {
  Json edges = Json::array();
  Json counts = Json::array();
  for (const HistogramBin& bin : bins) {
    edges.push_back(bin.low);
    counts.push_back(bin.count);
  }
  if (!bins.empty()) {
    edges.push_back(bins.back().high);
  }
  return {{"edges", edges}, {"counts", counts}};
}

Json summary_json(const MetricInfo& info, const MetricSummary& summary) {
  Json out;
  const bool any = summary.count > 0;
  out["mean"] = any ? Json(summary.mean) : Json(nullptr);
  out["p95"] = any ? Json(summary.p95) : Json(nullptr);
  out["stddev"] = any ? Json(summary.stddev) : Json(nullptr);
  out["unit"] = info.unit;
  if (!info.parameter_name.empty()) {
    out[info.parameter_name] = info.parameter;
  }
  if (!info.unavailable.empty()) {
    out["unavailable"] = info.unavailable;
    return out;
  }
  out["samples"] = summary.count;
  for (const ExtraField& field : summary.extra) {
    out[field.name] = value_json(field.value);
  }
  out["histogram"] = histogram_json(summary.histogram);
  return out;
}

Json summaries_json(const AnalysisResult& result, const std::vector<MetricSummary>& summaries) {
  Json out = Json::object();
  for (std::size_t i = 0; i < summaries.size(); ++i) {
    out[result.metrics[i].name] = summary_json(result.metrics[i], summaries[i]);
  }
  return out;
}

Json config_json(const AnalysisConfig& config) {
  Json out;
  out["windows"] = config.windows;
  out["inclusive_windows"] = config.inclusive_windows;
  out["page_tokens"] = config.page_tokens;
  out["all"] = config.all;
  out["overlap_steps"] = config.overlap_steps;
  out["union_steps"] = config.union_steps;
  out["block_tokens"] = config.block_tokens;
  out["sink_tokens"] = or_null(config.sink_tokens);
  out["recent_tokens"] = or_null(config.recent_tokens);
  out["steps"] = {config.steps->first, config.steps->last};
  return out;
}

Json document(const Analysed& analysed) {
  Json out;
  out["schema"] = analysis_schema;
  out["tool"] = {{"version", version()}};
  out["config"] = config_json(analysed.result.config);
  out["trace"] = trace_json(analysed.trace);
  out["metrics"] = summaries_json(analysed.result, analysed.result.pooled);
  out["layers"] = Json::array();
  for (std::size_t layer = 0; layer < analysed.result.layers.size(); ++layer) {
    Json row;
    row["layer"] = layer;
    row["metrics"] = summaries_json(analysed.result, analysed.result.layers[layer]);
    out["layers"].push_back(std::move(row));
  }
  return out;
}

}  // namespace

std::string analysis_json(const Analysed& analysed) {
  return json_text(document(analysed));
}

std::string comparison_json(const Analysed& first, const Analysed& second) {
  Json out;
  out["schema"] = comparison_schema;
  out["ratios"] = Json::object();
  for (const MetricInfo& info : all_metrics(first.result, second.result)) {
    const MetricSummary* a = find_samples(first.result, info.name);
    const MetricSummary* b = find_samples(second.result, info.name);
    out["ratios"][info.name] = {{"mean", or_null(ratio(a, b, &MetricSummary::mean))},
                                {"p95", or_null(ratio(a, b, &MetricSummary::p95))},
                                {"stddev", or_null(ratio(a, b, &MetricSummary::stddev))}};
  }
  out["analyses"] = {document(first), document(second)};
  return json_text(out);
}

}  // namespace dsasim
