#pragma once

#include "dsasim/plan/plan.hpp"

#include <string>
#include <string_view>

namespace dsasim {

inline constexpr std::string_view plan_schema = "dsasim-plan/1";

/// The plan as JSON, schema dsasim-plan/1 (docs/report.md). Ends with a newline.
std::string plan_json(const PlanResult& result);

/// The answer in words, and one table; with arrivals, one of the batches over time, too.
std::string plan_text(const PlanResult& result);

/// Tokens a second and TPOT by slots, as text_plot() draws; `all` stands at the context. Empty if nothing runs.
std::string plan_plot(const PlanResult& result, unsigned columns);

/// Of a plan with arrivals: a row for each stretch of steps of each buffer size, with a header.
std::string over_time_csv(const PlanResult& result);

}  // namespace dsasim
