#include "dsasim/report/step_report.hpp"
#include "report/choice_name.hpp"
#include "report/energy_report.hpp"
#include "report/trace_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>

namespace dsasim {
namespace {

std::string microseconds(std::uint64_t ns) {
  return ns == 0 ? "-" : fmt::format("{:.2f}", static_cast<double>(ns) / 1e3);
}

std::string milliseconds(std::uint64_t ns) {
  return fmt::format("{:.3f}", static_cast<double>(ns) / 1e6);
}

std::string deployment(const StepReport& of, const StepPrediction& step) {
  const Deployment& deployment = step.workload.deployment;
  std::string text = fmt::format("{} on {}, tp {}", of.model.name, of.gpu.name, deployment.tensor_parallel);
  text += deployment.expert_parallel == 1 ? "" : fmt::format(", ep {}", deployment.expert_parallel);
  text += deployment.dp_attention ? ", dp attention" : "";
  text += step.kv ? fmt::format(", KV in {}", name_of(kv_type_names, *step.kv)) : "";
  text += of.table.lower_bound() ? "; from the data sheet alone, a lower bound"
                                 : fmt::format("; kernels of {}", of.table.name());
  return text;
}

std::string type_name(const LayerTime& type) {
  const char* const selection = type.layer.owns_indexer ? "own index" : type.layer.top_k != 0 ? "shared" : "dense";
  return fmt::format("{} x {}, {}", type.layers, selection, type.layer.experts == 0 ? "FFN" : "MoE");
}

template <class Value>
void append_line(std::string& out, std::string_view name, const StepPrediction& step, const std::string& whole,
                 Value value_of) {
  fmt::format_to(std::back_inserter(out), "{:<14}", name);
  for (const LayerTime& type : step.layer_types) {
    fmt::format_to(std::back_inserter(out), " {:>20}", value_of(type));
  }
  fmt::format_to(std::back_inserter(out), " {:>11}\n", whole);
}

}  // namespace

std::string step_table(const StepReport& of, const StepPrediction& step) {
  std::string out = fmt::format("{}: batch {}, context {}{}\n\n", deployment(of, step), grouped(step.workload.batch),
                                grouped(step.workload.context_tokens),
                                step.kv ? fmt::format(", {} heads a GPU", step.heads_per_gpu) : "");
  append_line(out, "us of a layer", step, "ms of all", [](const LayerTime& type) { return type_name(type); });
  for (const auto& [name, part] : step_part_names) {
    if (step.parts[part] != 0) {
      append_line(out, name, step, milliseconds(step.parts[part]),
                  [part = part](const LayerTime& type) { return microseconds(type.parts[part]); });
    }
  }
  append_line(out, "all", step, milliseconds(step.tpot_ns()),
              [](const LayerTime& type) { return microseconds(type.parts.total_ns()); });
  const double seconds = static_cast<double>(step.tpot_ns()) / 1e9;
  fmt::format_to(std::back_inserter(out), "\n{} {} ms a token, {} {:.0f} tokens/s of all users\n",
                 of.table.lower_bound() ? "At least" : "About", milliseconds(step.tpot_ns()),
                 of.table.lower_bound() ? "at most" : "about", static_cast<double>(step.workload.batch) / seconds);
  return step.energy ? out + energy_table(*step.energy) : out;
}

std::string step_csv(std::span<const StepPrediction> steps) {
  std::string out = "batch,context,tpot_ns,attention_module_ns,attention_module_shared_ns,all_reduce_ns";
  for (const auto& [name, part] : step_part_names) {
    fmt::format_to(std::back_inserter(out), ",{}_ns", name);
  }
  const bool energy = std::any_of(steps.begin(), steps.end(), [](const auto& step) { return step.energy.has_value(); });
  out += energy ? ",known_joules_per_token\n" : "\n";
  const auto module = [](const LayerTime* type) {
    return type == nullptr ? std::string() : std::to_string(type->module_ns());
  };
  for (const StepPrediction& step : steps) {
    fmt::format_to(std::back_inserter(out), "{},{},{},{},{},{}", step.workload.batch, step.workload.context_tokens,
                   step.tpot_ns(), module(step.owner()), module(step.sharer()), step.all_reduce_ns);
    for (const auto& [name, part] : step_part_names) {
      fmt::format_to(std::back_inserter(out), ",{}", step.parts[part]);
    }
    out += step.energy ? fmt::format(",{:.9g}\n", step.energy->known_joules()) : "\n";
  }
  return out;
}

std::string step_sweep_table(const StepReport& of, std::span<const StepPrediction> steps) {
  const bool is_known = std::all_of(steps.begin(), steps.end(),
                                    [](const auto& step) { return !step.energy || step.energy->is_complete(); });
  std::string out =
      fmt::format("{}\n\n{:>8} {:>11} {:>9} {:>10} {:>10} {:>9} {:>9} {:>12} {:>9}{}\n", deployment(of, steps.front()),
                  "batch", "context", "ms", "tokens/s", "attention", "indexer", "top-k", "experts", "other",
                  steps.front().energy ? fmt::format(" {:>9}", is_known ? "mJ/token" : "known mJ") : "");
  for (const StepPrediction& step : steps) {
    const StepParts& parts = step.parts;
    const std::uint64_t shown =
        parts[StepPart::attention] + parts[StepPart::indexer] + parts[StepPart::topk] + parts[StepPart::experts];
    fmt::format_to(std::back_inserter(out), "{:>8} {:>11} {:>9} {:>10.0f} {:>10} {:>9} {:>9} {:>12} {:>9}{}\n",
                   grouped(step.workload.batch), grouped(step.workload.context_tokens), milliseconds(step.tpot_ns()),
                   static_cast<double>(step.workload.batch) / (static_cast<double>(step.tpot_ns()) / 1e9),
                   milliseconds(parts[StepPart::attention]), milliseconds(parts[StepPart::indexer]),
                   milliseconds(parts[StepPart::topk]), milliseconds(parts[StepPart::experts]),
                   milliseconds(step.tpot_ns() - shown),
                   step.energy ? fmt::format(" {:>9.1f}", 1000 * step.energy->known_joules()) : "");
  }
  return out;
}

}  // namespace dsasim
