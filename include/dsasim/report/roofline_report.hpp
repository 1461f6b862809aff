#pragma once

#include "dsasim/model/roofline.hpp"

#include <string>
#include <string_view>

namespace dsasim {

inline constexpr std::string_view roofline_schema = "dsasim-roofline/1";

/// As JSON, schema dsasim-roofline/1 (docs/report.md). Ends with a newline.
std::string roofline_json(const Roofline& roofline);

/// For a person: what a step reads and computes, and what that takes of the GPUs.
std::string roofline_table(const Roofline& roofline);

}  // namespace dsasim
