#pragma once

#include "dsasim/curve/curve.hpp"

#include <string>
#include <string_view>

namespace dsasim {

inline constexpr std::string_view curve_schema = "dsasim-curve/1";

/// The curve as JSON, schema dsasim-curve/1 (docs/report.md): a function of the trace's content and the configuration
/// alone. Ends with a newline.
std::string curve_json(const TraceReader& trace, const CurveResult& result);

/// The curve for a person: all layers together, and the layers that miss least and most. Of many points, some.
std::string curve_table(const TraceReader& trace, const CurveResult& result);

/// Its miss ratios as a chart for a terminal of so many columns (text_plot.hpp).
std::string curve_plot(const CurveResult& result, unsigned columns);

}  // namespace dsasim
