#pragma once

#include "dsasim/model/gpu.hpp"
#include "dsasim/model/model.hpp"
#include "dsasim/step/kernel_table.hpp"
#include "dsasim/step/predict_step.hpp"

#include <span>
#include <string>
#include <string_view>

namespace dsasim {

inline constexpr std::string_view step_schema = "dsasim-step/1";

/// What a prediction was made of.
struct StepReport {
  const Model& model;
  const Gpu& gpu;
  const KernelTable& table;
};

/// As JSON, schema dsasim-step/1 (docs/report.md). Ends with a newline.
std::string step_json(const StepReport& of, const StepPrediction& step);
/// For a person: parts of a layer of each type and of the whole token.
std::string step_table(const StepReport& of, const StepPrediction& step);
/// A timeline of the step, layer after layer, for Perfetto and chrome://tracing.
std::string step_timeline_json(const StepReport& of, const StepPrediction& step);
/// A row for each prediction: what differs between them, the token, what one layer takes and every part of the token.
std::string step_csv(std::span<const StepPrediction> steps);
/// The same for a person, in fewer columns.
std::string step_sweep_table(const StepReport& of, std::span<const StepPrediction> steps);

}  // namespace dsasim
