#pragma once

#include "dsasim/plan/plan.hpp"
#include "plan/memory_account.hpp"
#include "plan/step_timeline.hpp"
#include "replay/small_traces.hpp"
#include "replay/written_trace.hpp"

#include <array>
#include <optional>
#include <utility>

namespace dsasim::test {

/// A model on GPUs, with what is asked of it.
struct Deployed {
  explicit Deployed(const char* name, PlanConfig asked = {}, std::uint64_t context_tokens = 32'768)
      : config(std::move(asked)), model(load_model(name)), gpu(load_gpu("h200")), table(KernelTable::load("", gpu)) {
    config.context_tokens = context_tokens;
    config.replay.step.model = name;
    config.replay.step.gpu = "h200";
    config.replay.step.deployment.tensor_parallel = 8;
    kernels.emplace(model, gpu, table, config.replay.step.deployment);
  }
  MemoryAccount memory() const { return {model, gpu, *kernels, config}; }

  PlanConfig config;
  Model model;
  Gpu gpu;
  KernelTable table;
  std::optional<StepKernels> kernels;
};

/// A link whose rows take a time each, one after the other.
class RowLink final : public MemoryModel {
 public:
  explicit RowLink(double row_ns) : row_ns_(row_ns) {}
  double gather_ns(const Gather& gather) override { return row_ns_ * static_cast<double>(gather.missed_rows); }

 private:
  double row_ns_;
};

inline TraceReader small_trace(const TraceShape& shape = {.requests = 3, .layers = 3, .top_k = 8, .kept_of_8 = 6}) {
  return written(random_trace(shape, 7));
}

/// Of GLM-5.1, whose selections are 256 times as long as the small trace's.
inline PlanConfig small_plan(const char* policy, const char* slots) {
  PlanConfig config = Deployed("glm-5.1").config;
  config.replay.policy = parse_policy(policy);
  config.slots = parse_buffer_sizes("--slots", slots);
  config.extrapolation = Extrapolation::scale;
  return config;
}

inline PlanResult plan_of(const TraceReader& trace, const PlanConfig& config, std::uint32_t jobs = 1) {
  const std::array traces = {&trace};
  return plan(traces, config, jobs);
}

}  // namespace dsasim::test
