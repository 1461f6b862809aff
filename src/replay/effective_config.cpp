#include "dsasim/checked.hpp"
#include "dsasim/error.hpp"
#include "dsasim/model/gpu.hpp"
#include "dsasim/model/model.hpp"
#include "dsasim/replay/replay.hpp"
#include "step/decode_step.hpp"

#include <algorithm>
#include <functional>
#include <optional>

namespace dsasim {
namespace {

constexpr const char* capacities_option = "--capacities-from";

void check_positions(const TraceReader& trace, const ReplayConfig& config) {
  if (trace.header().ids == IdKind::logical) {
    return;
  }
  if (config.warm != Warm::none) {
    throw ConfigError("--warm", "needs positions, and {} holds physical slots; expected none", trace.name());
  }
  if (config.new_token != NewToken::demand) {
    throw ConfigError("--new-token", "needs positions, and {} holds physical slots; expected demand", trace.name());
  }
}

std::uint32_t effective_page_tokens(const TraceReader& trace, const ReplayConfig& config) {
  const std::uint32_t asked = config.page_tokens.value_or(default_page_tokens);
  const std::uint32_t page_tokens = asked == 0 ? trace.header().page_tokens : asked;
  if (page_tokens == 0) {
    throw ConfigError("--page-tokens", "{} does not give its page size; expected a number of tokens", trace.name());
  }
  return page_tokens;
}

StepRange effective_steps(const TraceReader& trace, const ReplayConfig& config) {
  const StepRange steps = config.steps.value_or(StepRange{.first = 0, .last = trace.batch_steps()});
  if (steps.first > steps.last || steps.last > trace.batch_steps()) {
    throw ConfigError("--steps", "expected A:B with A <= B <= {} (the steps of {}), found {}:{}", trace.batch_steps(),
                      trace.name(), steps.first, steps.last);
  }
  if (config.warmup_steps > steps.last - steps.first) {
    throw ConfigError("--warmup-steps", "{} is more than the {} steps replayed", config.warmup_steps,
                      steps.last - steps.first);
  }
  return steps;
}

/// A trace of fewer layers than the model's is stretched over them: its groups stand for equal shares of what selects.
std::vector<std::uint64_t> entry_cost_bytes(const TraceReader& trace, std::uint64_t entry_bytes,
                                            const std::optional<DecodeStep>& step) {
  std::uint64_t traced = 0;
  for (const LayerInfo& layer : trace.header().layers) {
    traced += layer.group_size;
  }
  const std::uint64_t layers = step ? step->selecting_layers() : traced;
  constexpr std::string_view entry_cost = "the bytes of an entry in the layers of its group";
  std::vector<std::uint64_t> bytes;
  bytes.reserve(trace.layer_count());
  for (const LayerInfo& layer : trace.header().layers) {
    __extension__ using Wide = unsigned __int128;
    bytes.push_back(
        checked_narrow(Wide{checked_product(entry_bytes, layer.group_size, entry_cost)} * layers / traced, entry_cost));
  }
  return bytes;
}

/// By layer: numbers differ only for bytes and groups of different sizes.
std::vector<std::uint64_t> capacity_by_layer(const TraceReader& trace, const ReplayConfig& config,
                                             const std::vector<std::uint64_t>& cost_bytes) {
  std::vector<std::uint64_t> entries;
  entries.reserve(cost_bytes.size());
  for (const std::uint64_t bytes : cost_bytes) {
    entries.push_back(config.capacity.entries(trace, bytes));
  }
  if ((config.scope == Scope::shared || config.scope == Scope::request) &&
      std::adjacent_find(entries.begin(), entries.end(), std::not_equal_to<>()) != entries.end()) {
    throw ConfigError("--capacity",
                      "{} over layers whose groups differ in size is not a number of entries; give entries, or --scope "
                      "layer or stream",
                      config.capacity.text());
  }
  return entries;
}

std::vector<std::uint64_t> capacity_one_by_one(const TraceReader& trace, const ReplayConfig& config) {
  const std::size_t layers = trace.layer_count();
  const std::size_t streams = layers * trace.request_count();
  const std::size_t count = config.capacity_list.size();
  if (config.scope != Scope::layer && config.scope != Scope::stream) {
    throw ConfigError(capacities_option, "capacities one by one need --scope layer or stream");
  }
  if (count != layers && (count != streams || config.scope != Scope::stream)) {
    throw ConfigError(capacities_option, "expected {} capacities, one for each layer{}, found {}", layers,
                      config.scope == Scope::stream ? fmt::format(", or {}, one for each stream", streams) : "", count);
  }
  return config.capacity_list;
}

std::vector<std::uint64_t> effective_capacity(const TraceReader& trace, const ReplayConfig& config,
                                              const std::vector<std::uint64_t>& cost_bytes) {
  const bool listed = !config.capacity_list.empty();
  std::vector<std::uint64_t> entries =
      listed ? capacity_one_by_one(trace, config) : capacity_by_layer(trace, config, cost_bytes);
  if (std::adjacent_find(entries.begin(), entries.end(), std::not_equal_to<>()) == entries.end()) {
    entries.resize(1);
  }
  const auto too_small = std::find_if(entries.begin(), entries.end(), [&](std::uint64_t capacity) {
    return capacity > 0 && capacity < trace.longest_selection();
  });
  if (policy_needs(config.policy).whole_selection && too_small != entries.end()) {
    throw ConfigError(listed ? capacities_option : "--capacity",
                      "{} keeps a whole selection: expected 0 or at least {} entries, found {}",
                      to_string(config.policy), trace.longest_selection(), *too_small);
  }
  return entries;
}

void check_step(const StepSpec& step) {
  if (step.model.empty() != step.gpu.empty()) {
    throw ConfigError(step.model.empty() ? "--model" : "--gpu", "expected one: a model and a GPU go together");
  }
  if (!step.times_steps() && step.tensor_parallel != 1) {
    throw ConfigError("--tp", "expected --model and --gpu with it");
  }
  if (!step.times_steps() && step.overlap != StepSpec{}.overlap) {
    throw ConfigError("--overlap", "expected --model and --gpu with it");
  }
}

void check_llc(const EffectiveConfig& effective) {
  const ReplayConfig& config = effective.asked;
  if (!effective.llc && config.set_aside_bytes > 0) {
    throw ConfigError("--set-aside", "expected --llc with it: it is a part of that cache");
  }
  if (!effective.llc && config.llc_stream_bytes > 0) {
    throw ConfigError("--llc-stream", "expected --llc with it: it passes through that cache");
  }
}

/// The memory, the last-level cache, and what they need to know.
void add_time(const TraceReader& trace, EffectiveConfig& effective) {
  const ReplayConfig& config = effective.asked;
  effective.memory = config.memory;
  effective.llc = config.llc;
  if (config.step.times_steps()) {
    const Gpu gpu = load_gpu(config.step.gpu);
    effective.gpu_name = config_title(gpu.name);
    effective.gpu_config = named_config("--gpu", "gpus", config.step.gpu);
    effective.model_name = config_title(config.step.model);
    effective.model_config = named_config("--model", "models", config.step.model);
    if (config.memory.name.empty()) {
      effective.memory.name = gpu.memory;
    }
    if (config.llc_of_gpu) {
      effective.llc = parse_llc(gpu.llc);
    }
  } else if (config.llc_of_gpu) {
    throw ConfigError("--llc", "expected --gpu with \"gpu\", or the cache itself");
  }
  check_llc(effective);
  const Memory memory = make_memory(effective.memory);
  if ((memory.model->needs().row_bytes || memory.model->needs().lines || effective.llc) && effective.entry_bytes == 0) {
    throw ConfigError("--entry-bytes", "{} does not give its entries' bytes, which --{} needs", trace.name(),
                      effective.llc ? "llc" : "memory");
  }
  effective.memory_model = memory.model_name;
  effective.memory_config = memory.config;
}

}  // namespace

EffectiveConfig effective_config(const TraceReader& trace, const ReplayConfig& config) {
  check_positions(trace, config);
  EffectiveConfig effective;
  effective.asked = config;
  effective.asked.policy = complete_policy(config.policy);
  check_step(config.step);
  std::optional<DecodeStep> step;
  if (config.step.times_steps()) {
    step.emplace(config.step, trace.header());
  }
  effective.entry_bytes = config.entry_bytes.value_or(step ? step->entry_bytes() : trace.header().entry_bytes);
  effective.entry_cost_bytes = entry_cost_bytes(trace, effective.entry_bytes, step);
  effective.page_tokens = effective_page_tokens(trace, config);
  effective.steps = effective_steps(trace, config);
  effective.counted_steps =
      trace.busy_steps({.first = effective.steps.first + config.warmup_steps, .last = effective.steps.last});
  effective.capacity_entries = effective_capacity(trace, config, effective.entry_cost_bytes);
  add_time(trace, effective);
  return effective;
}

}  // namespace dsasim
