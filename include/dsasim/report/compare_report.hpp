#pragma once

#include "dsasim/compare/compare.hpp"

#include <string>
#include <string_view>

namespace dsasim {

inline constexpr std::string_view compare_schema = "dsasim-compare/1";

/// The comparison as JSON, schema dsasim-compare/1 (docs/report.md). Ends with a newline.
std::string compare_json(const CompareResult& result);

/// For a person: miss ratios of all traces together, the best of each column marked, and the share of the gap to the
/// bound that each policy closes.
std::string compare_table(const CompareResult& result);

/// The miss ratios as a chart for a terminal of so many columns (text_plot.hpp).
std::string compare_plot(const CompareResult& result, unsigned columns);

}  // namespace dsasim
