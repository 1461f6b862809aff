#pragma once

#include "dsasim/replay/replay.hpp"

#include <string>
#include <string_view>

namespace dsasim {

inline constexpr std::string_view report_schema = "dsasim-report/1";

/// The report as JSON, schema dsasim-report/1 (docs/report.md): a function of the trace's content and the
/// configuration alone. Ends with a newline.
std::string report_json(const TraceReader& trace, const ReplayResult& result);

/// The report for a person: the totals, and the layers that missed least and most.
std::string report_table(const TraceReader& trace, const ReplayResult& result);

/// Rows of --per-step: its measures in their order. What is not known is empty.
std::string step_csv_header(const EffectiveConfig& config);
void append_step_csv(std::string& out, const StepRow& row, const EffectiveConfig& config);

/// Rows of --step-times.
inline constexpr std::string_view step_times_csv_header =
    "step,layer,indexer_ns,topk_ns,gather_ns,stall_ns,attention_ns,set_aside_ns,rest_ns,total_ns\n";
void append_step_times_csv(std::string& out, const StepTimeRow& row);

}  // namespace dsasim
