#pragma once

#include "dsasim/trace/reader.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace dsasim {

/// The most that a number of steps or of tokens in AnalysisConfig may be; the least is 1.
inline constexpr std::uint32_t most_analysis_number = 1U << 20U;

/// What to measure; docs/metrics.md defines the metrics. The paper's are always measured.
struct AnalysisConfig {
  std::vector<std::uint32_t> windows = {50};  ///< working sets: steps N
  bool inclusive_windows = false;             ///< a window holds N + 1 sets, as in the paper's formula, instead of N
  std::vector<std::uint32_t> page_tokens = {16};  ///< page utilisation; 0 is the trace's own page size

  bool all = false;  ///< every metric there is; lists and numbers below that are empty then get their defaults
  std::vector<std::uint32_t> overlap_steps = {};    ///< overlap with the selection so many steps before
  std::vector<std::uint32_t> union_steps = {};      ///< size of the union of so many consecutive selections
  std::vector<std::uint32_t> block_tokens = {};     ///< blocks touched, for blocks of so many tokens
  std::optional<std::uint32_t> sink_tokens = {};    ///< share of the first so many positions
  std::optional<std::uint32_t> recent_tokens = {};  ///< share of the last so many positions, the query's own included

  std::optional<StepRange> steps = {};  ///< analysed as if the trace had no others; otherwise all
  std::uint32_t jobs = 1;               ///< threads; each analyses a request. No result depends on it.
};

/// The names and limits of a metric, the same for every layer.
struct MetricInfo {
  std::string name = {};            ///< "working_set", "step_overlap_4": unique in a result
  std::string parameter_name = {};  ///< "window_sets"; empty if it has none
  std::uint64_t parameter = 0;
  std::string unit = {};  ///< of mean, p95, stddev and the histogram's edges: "k" is the trace's longest selection
  std::string unavailable = {};  ///< why this trace has no such metric; empty if it has
};

/// Values from `low` up to, not including, `high`.
struct HistogramBin {
  double low = 0;
  double high = 0;
  std::uint64_t count = 0;
};

/// What a metric adds to its distribution: a count, a number, or nothing where there is none.
struct ExtraField {
  std::string name;
  std::variant<std::monostate, std::uint64_t, double> value;
};

/// The distribution of a metric over all its samples, exact. Without samples the numbers mean nothing.
struct MetricSummary {
  std::uint64_t count = 0;  ///< samples
  double mean = 0;
  double p95 = 0;                       ///< the smallest value that at least 95% of the samples do not exceed
  double stddev = 0;                    ///< of the population
  std::vector<HistogramBin> histogram;  ///< adjacent bins, from the least sample's to the largest's
  std::vector<ExtraField> extra;
};

struct AnalysisResult {
  AnalysisConfig config;                           ///< nothing left to default
  std::vector<MetricInfo> metrics;                 ///< the paper's first
  std::vector<MetricSummary> pooled;               ///< by metric, over layers and requests
  std::vector<std::vector<MetricSummary>> layers;  ///< by layer and metric, over requests
};

struct AnalysisHooks {
  std::function<void(std::uint64_t done, std::uint64_t total)> on_step;  ///< for progress; one thread at a time
};

/// Measures a trace in one pass over each request, exactly: no sampling. Overlap between requests, with `all`, takes
/// another pass, over all requests side by side.
///
/// Memory, for each layer and job: four bytes and a few bits for each id below the request's largest, eight for each
/// token of the context (lookback), counts for each page, the selections of the longest distance of `overlap_steps`,
/// and the histograms. Nothing grows with the number of steps, except by the run lengths and reuse distances above
/// 4,096 steps that occur.
///
/// Throws ConfigError for a configuration that does not fit the trace, before anything is read; SystemError if the
/// machine has not the memory; TraceError for damage.
AnalysisResult analyze(const TraceReader& trace, const AnalysisConfig& config, const AnalysisHooks& hooks = {});

/// The checks of analyze() alone, and the configuration that it would apply.
AnalysisConfig effective_analysis(const TraceReader& trace, const AnalysisConfig& config);

}  // namespace dsasim
