#pragma once

#include "dsasim/analysis/analysis.hpp"
#include "dsasim/trace/reader.hpp"

#include <span>
#include <string>
#include <string_view>

namespace dsasim {

inline constexpr std::string_view analysis_schema = "dsasim-analysis/1";
inline constexpr std::string_view comparison_schema = "dsasim-analysis-comparison/1";

/// A trace and what was measured on it.
struct Analysed {
  const TraceReader& trace;
  const AnalysisResult& result;
};

/// The analysis as JSON (docs/report.md): schema dsasim-analysis/1 for one trace. For two, schema
/// dsasim-analysis-comparison/1: both analyses, and the second's numbers divided by the first's. Ends with a newline.
std::string analysis_json(const Analysed& analysed);
std::string comparison_json(const Analysed& first, const Analysed& second);

/// For a person: every metric, and the means of the paper's in each layer. For two traces, side by side.
std::string analysis_table(const Analysed& analysed);
std::string comparison_table(const Analysed& first, const Analysed& second);

/// Tidy tables, a row for each number, with their heads: `trace` counts the analyses from 0, `layer` is "all" or a
/// number.
std::string metrics_csv(std::span<const Analysed> analyses);
std::string histograms_csv(std::span<const Analysed> analyses);

}  // namespace dsasim
