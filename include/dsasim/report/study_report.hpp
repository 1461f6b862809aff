#pragma once

#include "dsasim/study/study.hpp"

#include <string>
#include <string_view>

namespace dsasim {

inline constexpr std::string_view study_schema = "dsasim-study/1";

/// The study as JSON (docs/study.md). Ends with a newline.
std::string study_json(const TraceReader& trace, const StudyConfig& config, const StudyResult& result);

/// The short answer in words, and one table.
std::string study_text(const TraceReader& trace, const StudyResult& result);

}  // namespace dsasim
