#include "dsasim/error.hpp"
#include "dsasim/replay/replay.hpp"

#include <algorithm>
#include <functional>

namespace dsasim {
namespace {

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

/// By layer, or one number if they are all equal. They differ only for bytes and groups of different sizes.
std::vector<std::uint64_t> effective_capacity(const TraceReader& trace, const ReplayConfig& config,
                                              std::uint64_t entry_bytes) {
  std::vector<std::uint64_t> entries;
  for (const LayerInfo& layer : trace.header().layers) {
    entries.push_back(config.capacity.entries(trace, entry_bytes * layer.group_size));
  }
  if (std::adjacent_find(entries.begin(), entries.end(), std::not_equal_to<>()) == entries.end()) {
    entries.resize(1);
  } else if (config.scope == Scope::shared || config.scope == Scope::request) {
    throw ConfigError("--capacity",
                      "{} over layers whose groups differ in size is not a number of entries; give entries, or --scope "
                      "layer or stream",
                      config.capacity.text());
  }
  const auto too_small = std::find_if(entries.begin(), entries.end(), [&](std::uint64_t capacity) {
    return capacity > 0 && capacity < trace.longest_selection();
  });
  if (policy_needs(config.policy).whole_selection && too_small != entries.end()) {
    throw ConfigError("--capacity", "{} keeps a whole selection: expected 0 or at least {} entries, found {}",
                      to_string(config.policy), trace.longest_selection(), *too_small);
  }
  return entries;
}

}  // namespace

EffectiveConfig effective_config(const TraceReader& trace, const ReplayConfig& config) {
  check_positions(trace, config);
  EffectiveConfig effective;
  effective.asked = config;
  effective.asked.policy = complete_policy(config.policy);
  effective.entry_bytes = config.entry_bytes.value_or(trace.header().entry_bytes);
  effective.page_tokens = effective_page_tokens(trace, config);
  effective.steps = effective_steps(trace, config);
  effective.capacity_entries = effective_capacity(trace, config, effective.entry_bytes);
  const Memory memory = make_memory(config.memory);
  if (memory.model->needs().row_bytes && effective.entry_bytes == 0) {
    throw ConfigError("--entry-bytes", "{} does not give its entries' bytes, which --memory {} needs", trace.name(),
                      config.memory.name);
  }
  effective.memory_model = memory.model_name;
  effective.memory_config = memory.config;
  return effective;
}

}  // namespace dsasim
