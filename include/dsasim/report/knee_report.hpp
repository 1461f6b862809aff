#pragma once

#include "dsasim/curve/knee.hpp"

#include <string>
#include <string_view>

namespace dsasim {

inline constexpr std::string_view knee_schema = "dsasim-knee/1";

/// The knees as JSON, schema dsasim-knee/1 (docs/report.md): a function of the trace's content and the configuration
/// alone. Ends with a newline.
std::string knee_json(const TraceReader& trace, const KneeResult& result);

/// For a person: a row for each policy.
std::string knee_table(const TraceReader& trace, const KneeResult& result);

}  // namespace dsasim
