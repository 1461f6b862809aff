#include "dsasim/replay/fields.hpp"

#include "dsasim/config/values.hpp"
#include "dsasim/error.hpp"
#include "dsasim/llc/llc.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace dsasim {
namespace {

constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 44U;

bool times_steps(const ReplaySpec& spec) {
  return spec.config.step.times_steps();
}
constexpr std::string_view step_needs = "`model` and `gpu` with it";

Deployment& deployment(ReplaySpec& spec) {
  return spec.config.step.deployment;
}
bool gathers_inside(const ReplaySpec& spec) {
  return is_gpu_memory(spec.config.step, spec.config.memory);
}

bool has_llc(const ReplaySpec& spec) {
  return spec.config.llc || spec.config.llc_of_gpu;
}
constexpr std::string_view llc_needs = "`llc` with it: it is about that cache";

std::vector<ReplayField> cache_fields() {
  using Spec = ReplaySpec;
  using Text = std::string_view;
  constexpr FieldGroup group = FieldGroup::cache;
  return {
      {.name = "policy",
       .group = group,
       .values = "NAME[,key=value...]",
       .sentence = "Replacement policy; `dsasim policies` lists them [lru]",
       .set = [](Spec& spec, Text text) { spec.config.policy = parse_policy(text); }},
      {.name = "scope",
       .group = group,
       .values = choices_text(scope_names),
       .sentence = "Who shares a cache [stream]",
       .set = [](Spec& spec, Text text) { spec.config.scope = parse_choice("`scope`", text, scope_names); }},
      {.name = "capacity",
       .group = group,
       .values = "CAP",
       .sentence = "Of each cache: 4096 (entries), 20MB, 20MiB, 2x (times the longest selection), 0.2ctx (of the "
                   "context); 0 reserves nothing [2x]",
       .set = [](Spec& spec, Text text) { spec.config.capacity = Capacity::parse(text); }},
      {.name = "budget",
       .group = group,
       .values = "CAP",
       .sentence = "Instead of `capacity`: of all caches together, shared out evenly, in entries or bytes (65536, "
                   "20MiB)",
       .set = [](Spec& spec, Text text) { spec.config.capacity = Capacity::parse_budget(text); },
       .instead_of = "capacity"},
      {.name = "entry-bytes",
       .group = group,
       .values = "N",
       .sentence = "Bytes of an entry in one layer [the model's; without `model` the trace's]",
       .set =
           [](Spec& spec, Text text) {
             spec.config.entry_bytes =
                 parse_number<std::uint64_t>("`entry_bytes`", text, 1, TraceHeader::max_entry_bytes);
           }},
      {.name = "order",
       .group = group,
       .values = choices_text(order_names),
       .sentence = "Order of the accesses of a selection [logged]",
       .set = [](Spec& spec, Text text) { spec.config.order = parse_choice("`order`", text, order_names); }},
      {.name = "warm",
       .group = group,
       .values = choices_text(warm_names),
       .sentence = "What caches hold before the first step [none]",
       .set = [](Spec& spec, Text text) { spec.config.warm = parse_choice("`warm`", text, warm_names); }},
      {.name = "new-token",
       .group = group,
       .values = choices_text(new_token_names),
       .sentence = "When the entry that a step appends enters the cache [demand]",
       .set = [](Spec& spec,
                 Text text) { spec.config.new_token = parse_choice("`new_token`", text, new_token_names); }},
      {.name = "resident-blocks",
       .group = group,
       .values = "N",
       .sentence =
           "The newest N blocks of 64 entries stay resident outside the capacity, as vLLM's newest pages do [0]",
       .set =
           [](Spec& spec, Text text) {
             spec.config.resident_blocks = parse_number<std::uint32_t>("`resident_blocks`", text, 0, 1U << 25U);
           }},
      {.name = "pin",
       .group = group,
       .values = "sink=N,recent=M",
       .sentence = "The first N and the newest M entries of each stream keep slots of the capacity that the policy "
                   "does not choose over [none]",
       .set = [](Spec& spec, Text text) { spec.config.pins = parse_pins(text); }},
      {.name = "prefetch",
       .group = group,
       .values = "NAME,rows=N[,into=buffer|side]|none",
       .sentence = "Before each selection fetch N entries that a predictor of `dsasim predict` guesses and that are "
                   "not resident, into the cache or beside it [none]",
       .set = [](Spec& spec, Text text) { spec.config.prefetch = parse_prefetch(text); }},
      {.name = "granularity",
       .group = group,
       .values = "N|tokens",
       .sentence = "What a cache holds and a miss fetches: blocks of N entries, or single tokens where an entry stands "
                   "for several [1]",
       .set = [](Spec& spec, Text text) { spec.config.granularity = parse_granularity(text); }},
  };
}

std::vector<ReplayField> workload_fields() {
  using Spec = ReplaySpec;
  using Text = std::string_view;
  constexpr FieldGroup group = FieldGroup::workload;
  return {
      {.name = "steps",
       .group = group,
       .values = "A:B",
       .sentence = "Replay steps A up to B only, caches empty at A [all]",
       .set = [](Spec& spec, Text text) { spec.config.steps = parse_steps("`steps`", text); }},
      {.name = "warmup-steps",
       .group = group,
       .values = "N",
       .sentence = "Replay the first N steps without counting them [0]",
       .set =
           [](Spec& spec, Text text) {
             spec.config.warmup_steps = parse_number<std::uint64_t>("`warmup_steps`", text, 0, most);
           }},
      {.name = "allow-truncated",
       .group = group,
       .values = "",
       .sentence = "Replay the whole chunks of a trace that was cut off",
       .set = [](Spec& spec, Text text) { spec.allow_truncated = parse_flag("`allow_truncated`", text); }},
  };
}

std::vector<ReplayField> memory_fields() {
  using Spec = ReplaySpec;
  using Text = std::string_view;
  constexpr FieldGroup group = FieldGroup::memory;
  return {
      {.name = "page-tokens",
       .group = group,
       .values = "N|trace",
       .sentence = "Tokens of a page; `trace` takes the trace's [16]",
       .set =
           [](Spec& spec, Text text) {
             spec.config.page_tokens =
                 text == "trace" ? 0 : parse_number<std::uint32_t>("`page_tokens`", text, 1, 1U << 20U);
           }},
      {.name = "memory",
       .group = group,
       .values = "NAME|FILE.json[,key=value...]",
       .sentence = "Memory model or configuration; `dsasim memories` lists them [the GPU's, or serial]",
       .set =
           [](Spec& spec, Text text) {
             const std::optional<double> miss_ns = spec.config.memory.miss_ns;
             spec.config.memory = parse_memory(text);
             spec.config.memory.miss_ns = miss_ns;
           }},
      {.name = "retention-steps",
       .group = group,
       .values = "N",
       .sentence =
           "Steps for which a row stays in the cache's memory, eDRAM: count the refreshes that hits need [none]",
       .set =
           [](Spec& spec, Text text) {
             constexpr double most_steps = 1e9;
             spec.config.retention_steps =
                 parse_number<double>("`retention_steps`", text, least_retention_steps, most_steps);
           }},
      {.name = "miss-ns",
       .group = group,
       .values = "N",
       .sentence = "serial: nanoseconds of a missed page [200]",
       .set = [](Spec& spec,
                 Text text) { spec.config.memory.miss_ns = parse_number<double>("`miss_ns`", text, 0, 1e9); }},
  };
}

std::vector<ReplayField> llc_fields() {
  using Spec = ReplaySpec;
  using Text = std::string_view;
  constexpr FieldGroup group = FieldGroup::llc;
  return {
      {.name = "llc",
       .group = group,
       .values = "BYTES[,key=value...]|gpu",
       .sentence = "Last-level cache around the reservation; the rest of it caches lines. gpu: that of "
                   "`gpu` [none]",
       .set =
           [](Spec& spec, Text text) {
             spec.config.llc_of_gpu = text == "gpu";
             spec.config.llc = spec.config.llc_of_gpu ? std::nullopt : std::make_optional(parse_llc(text));
           }},
      {.name = "set-aside",
       .group = group,
       .values = "BYTES",
       .sentence = "Part of `llc` where rows that are not reserved are kept, in no order (evict_last) [0]",
       .set = [](Spec& spec, Text text) { spec.config.set_aside_bytes = parse_bytes("`set_aside`", text, most_bytes); },
       .has_effect = has_llc,
       .needs = llc_needs},
      {.name = "llc-stream",
       .group = group,
       .values = "BYTES",
       .sentence = "Other data that passes through `llc` before each layer's gather, besides the model's [0]",
       .set = [](Spec& spec,
                 Text text) { spec.config.llc_stream_bytes = parse_bytes("`llc_stream`", text, most_bytes); },
       .has_effect = has_llc,
       .needs = llc_needs},
  };
}

std::vector<ReplayField> step_fields() {
  using Spec = ReplaySpec;
  using Text = std::string_view;
  constexpr FieldGroup group = FieldGroup::step;
  return {
      {.name = "model",
       .group = group,
       .values = "NAME|FILE.json",
       .sentence = "Time decode steps of this model; `dsasim models` lists them",
       .set = [](Spec& spec, Text text) { spec.config.step.model = text; }},
      {.name = "gpu",
       .group = group,
       .values = "NAME|FILE.json",
       .sentence = "On this GPU; `dsasim gpus` lists them",
       .set = [](Spec& spec, Text text) { spec.config.step.gpu = text; }},
      {.name = "kernels",
       .group = group,
       .values = "NAME|FILE.json",
       .sentence = "Times of its kernels: measured ones that `dsasim kernels` lists, a file that tools/fit-kernels "
                   "wrote, or roofline, a lower bound from the data sheet [the GPU's]",
       .set = [](Spec& spec, Text text) { spec.config.step.kernels = text; },
       .has_effect = times_steps,
       .needs = step_needs},
      {.name = "tp",
       .group = group,
       .values = "N",
       .sentence = "GPUs of one node: 1, 2, 4 or 8 [1]",
       .set = [](Spec& spec,
                 Text text) { deployment(spec).tensor_parallel = parse_number<std::uint64_t>("`tp`", text, 1, most); },
       .has_effect = times_steps,
       .needs = step_needs},
      {.name = "ep",
       .group = group,
       .values = "N",
       .sentence = "Expert-parallel groups of these GPUs; each holds whole experts [1]",
       .set = [](Spec& spec,
                 Text text) { deployment(spec).expert_parallel = parse_number<std::uint64_t>("`ep`", text, 1, most); },
       .has_effect = times_steps,
       .needs = step_needs},
      {.name = "dp-attention",
       .group = group,
       .values = "",
       .sentence = "Each GPU attends for its share of the requests, with all heads",
       .set = [](Spec& spec, Text text) { deployment(spec).dp_attention = parse_flag("`dp_attention`", text); },
       .has_effect = times_steps,
       .needs = step_needs},
      {.name = "kv-dtype",
       .group = group,
       .values = choices_text(kv_type_names),
       .sentence = "How KV entries are kept [fp8 where the model has it]",
       .set = [](Spec& spec, Text text) { deployment(spec).kv = parse_choice("`kv_dtype`", text, kv_type_names); },
       .has_effect = times_steps,
       .needs = step_needs},
      {.name = "expert-spread",
       .group = group,
       .values = choices_text(expert_spread_names),
       .sentence = "How tokens spread over experts [power-law]",
       .set = [](Spec& spec,
                 Text text) { deployment(spec).spread = parse_choice("`expert_spread`", text, expert_spread_names); },
       .has_effect = times_steps,
       .needs = step_needs},
      {.name = "host-ns",
       .group = group,
       .values = "N",
       .sentence = "Nanoseconds of each step in which the GPUs wait for the host, as you measured it [0]",
       .set =
           [](Spec& spec, Text text) {
             constexpr std::uint64_t second_ns = 1'000'000'000;
             deployment(spec).host_ns = parse_number<std::uint64_t>("`host_ns`", text, 0, second_ns);
           },
       .has_effect = times_steps,
       .needs = step_needs},
      {.name = "energy",
       .group = group,
       .values = "",
       .sentence = "Also count the energy of a token, as far as sources say what bits and flops take",
       .set = [](Spec& spec, Text text) { spec.config.step.energy = parse_flag("`energy`", text); },
       .has_effect = times_steps,
       .needs = step_needs},
      {.name = "overlap",
       .group = group,
       .values = choices_text(overlap_names),
       .sentence = "What a gather from another memory than the GPU's shares its time with [none]",
       .set = [](Spec& spec, Text text) { spec.config.step.overlap = parse_choice("`overlap`", text, overlap_names); },
       .has_effect = [](const Spec& spec) { return times_steps(spec) && !gathers_inside(spec); },
       .needs =
           "`model` and `gpu`, and another `memory` than the GPU's, whose gathers are inside the attention kernel"},
      {.name = "reservation-cost",
       .group = group,
       .values = choices_text(reservation_cost_names),
       .sentence = "What reserving costs attention: the GPU's set-aside, as measured, or nothing [set-aside]",
       .set =
           [](Spec& spec, Text text) {
             spec.config.step.reservation_cost = parse_choice("`reservation_cost`", text, reservation_cost_names);
           },
       .has_effect = [](const Spec& spec) { return times_steps(spec) && gathers_inside(spec); },
       .needs = "`model` and `gpu` with it, and the GPU's own memory"},
  };
}

}  // namespace

Pins parse_pins(std::string_view text) {
  constexpr std::string_view option = "`pin`";
  constexpr std::uint32_t most_pinned = 1U << 25U;
  Pins pins;
  std::vector<std::string_view> known;
  for (const std::string_view item : list_items(text)) {
    const std::size_t equals = std::min(item.find('='), item.size());
    const std::string_view key = item.substr(0, equals);
    std::uint32_t* const entries = key == "sink"     ? &pins.sink_entries
                                   : key == "recent" ? &pins.recent_entries
                                                     : nullptr;
    if (entries == nullptr || equals == item.size() || std::find(known.begin(), known.end(), key) != known.end()) {
      throw ConfigError(option, "expected sink=N, recent=M or both with a comma between, found \"{}\"", text);
    }
    known.push_back(key);
    *entries = parse_number<std::uint32_t>(option, item.substr(equals + 1), 0, most_pinned);
  }
  return pins;
}

std::string to_string(const Pins& pins) {
  return fmt::format("sink={},recent={}", pins.sink_entries, pins.recent_entries);
}

Granularity parse_granularity(std::string_view text) {
  constexpr std::uint32_t most_entries = 1U << 16U;
  if (text == "tokens") {
    return {.block_entries = 1, .tokens = true};
  }
  return {.block_entries = parse_number<std::uint32_t>("`granularity`", text, 1, most_entries), .tokens = false};
}

std::string to_string(const Granularity& granularity) {
  return granularity.tokens ? "tokens" : std::to_string(granularity.block_entries);
}

std::span<const ReplayField> replay_fields() {
  static const std::vector<ReplayField> fields = [] {
    std::vector<ReplayField> all;
    for (auto rows : {cache_fields(), workload_fields(), memory_fields(), llc_fields(), step_fields()}) {
      all.insert(all.end(), rows.begin(), rows.end());
    }
    return all;
  }();
  return fields;
}

const ReplayField* find_replay_field(std::string_view name) noexcept {
  const auto fields = replay_fields();
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const ReplayField& f) { return f.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

ReplaySpec with_setting(ReplaySpec base, const Setting& setting) {
  if (setting.field == trace_field) {
    base.trace = setting.text;
    return base;
  }
  const ReplayField* field = find_replay_field(setting.field);
  if (field == nullptr) {
    throw ConfigError(setting.where, "unknown key \"{}\"", setting.field);
  }
  try {
    field->set(base, setting.text);
  } catch (const ConfigError& error) {
    throw ConfigError(setting.where, "{}", error.what());
  }
  return base;
}

ReplaySpec with_settings(ReplaySpec base, std::span<const Setting> settings) {
  for (const Setting& setting : settings) {
    base = with_setting(std::move(base), setting);
  }
  const auto is_set = [&](std::string_view name) {
    return std::any_of(settings.begin(), settings.end(), [&](const Setting& s) { return s.field == name; });
  };
  for (const Setting& setting : settings) {
    const ReplayField* field = find_replay_field(setting.field);
    if (field == nullptr) {
      continue;
    }
    if (is_set(field->instead_of)) {
      throw ConfigError(setting.where, "/{}: goes in the place of {}, found both", field->name, field->instead_of);
    }
    if (field->has_effect != nullptr && !field->has_effect(base)) {
      throw ConfigError(setting.where, "/{}: has no effect here; expected {}", field->name, field->needs);
    }
  }
  return base;
}

bool prices_pages(const ReplayConfig& config) {
  return config.memory.name == "serial" || (config.memory.name.empty() && !config.step.times_steps());
}

}  // namespace dsasim
