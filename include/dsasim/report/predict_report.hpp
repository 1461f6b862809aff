#pragma once

#include "dsasim/predict/predict.hpp"

#include <string>
#include <string_view>

namespace dsasim {

inline constexpr std::string_view predict_schema = "dsasim-predict/1";

/// The prediction as JSON, schema dsasim-predict/1 (docs/report.md). Ends with a newline.
std::string predict_json(const PredictResult& result);

/// For a person: of all traces together, the share of the selections that guesses hold, and that of their new entries;
/// of one trace, the shares by layer too.
std::string predict_table(const PredictResult& result);

}  // namespace dsasim
