#include "dsasim/report/report.hpp"

#include "config/config_value.hpp"
#include "config/json_text.hpp"
#include "dsasim/replay/measure.hpp"
#include "dsasim/version.hpp"
#include "replay/link_traffic.hpp"
#include "report/choice_name.hpp"
#include "report/config_json.hpp"
#include "report/energy_report.hpp"
#include "report/trace_json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

Json value_json(const MeasureValue& value) {
  const auto* count = std::get_if<std::uint64_t>(&value);
  const auto* number = std::get_if<double>(&value);
  return count != nullptr ? Json(*count) : number != nullptr ? Json(*number) : Json(nullptr);
}

/// What is not known is null, except the sectors of a cache that there is not.
void add_counters(Json& out, const Counters& counters, const EffectiveConfig& config) {
  for (const Measure& measure : measures()) {
    if (measure.of_rows && is_shown(measure, config)) {
      out[std::string(measure.name)] = value_json(measure.value({.counters = counters, .config = config}));
    }
  }
}

/// Of a layer: what a selection changes, and the rest.
Json layer_parts_json(const PartTimes& times) {
  const StepParts& kernels = times.kernels;
  return {{"indexer_ns", kernels[StepPart::indexer]},
          {"topk_ns", kernels[StepPart::topk]},
          {"gather_ns", times.gather_ns},
          {"stall_ns", times.stall_ns},
          {"attention_ns", kernels[StepPart::attention]},
          {"set_aside_ns", times.set_aside_ns},
          {"rest_ns", kernels.rest_ns()}};
}

Json parts_json(const PartTimes& times) {
  Json out;
  for (const auto& [name, part] : step_part_names) {
    out[fmt::format("{}_ns", name)] = times.kernels[part];
  }
  out["gather_ns"] = times.gather_ns;
  out["stall_ns"] = times.stall_ns;
  out["set_aside_ns"] = times.set_aside_ns;
  return out;
}

/// What no step was counted for is null.
Json slowdown(double value) {
  return value == 0 ? Json(nullptr) : Json(value);
}

Json step_times_json(const StepTimes& times, const EffectiveConfig& config, const LinkTraffic& traffic) {
  Json out;
  out["lower_bound"] = config.lower_bound;
  out["tpot_ns"] = tpot_json(times.tpot);
  if (times.accepted_tokens) {
    out["accepted_tokens_per_step"] = *times.accepted_tokens;
    out["ns_per_accepted_token"] =
        *times.accepted_tokens == 0 ? Json(nullptr) : Json(times.tpot.mean_ns / *times.accepted_tokens);
  }
  out["gain"] = gain_json(times.gain);
  out["perfect_gain"] = gain_json(times.perfect_gain);
  out["slowdown_all_hit"] = slowdown(times.slowdown_all_hit);
  out["slowdown_contiguous"] = slowdown(times.slowdown_contiguous);
  out["hidden_layers"] = traffic.hidden_layers;
  out["fetched_bytes_per_step"] = or_null(traffic.step_bytes);
  out["fetched_bytes_per_s"] = or_null(traffic.bytes_per_s);
  out["parts"] = parts_json(times.totals);
  if (times.energy) {
    out["energy"] = energy_json(*times.energy);
  }
  out["layers"] = Json::array();
  for (std::size_t layer = 0; layer < times.layers.size(); ++layer) {
    Json row = {{"layer", layer}, {"hidden_layers", times.hidden_layers[layer]}};
    row.update(layer_parts_json(times.layers[layer]));
    out["layers"].push_back(std::move(row));
  }
  return out;
}

/// What times decode steps, and the cache around the reservation: only if asked for.
void add_time_config(Json& out, const EffectiveConfig& config) {
  if (config.llc) {
    out["llc"] = to_string(*config.llc);
    out["set_aside_bytes"] = config.asked.set_aside_bytes;
    out["llc_stream_bytes"] = config.asked.llc_stream_bytes;
  }
  const StepSpec& step = config.asked.step;
  if (step.times_steps()) {
    out["model"] = config.model_name;
    out["model_parameters"] = config.model_config->value().json;
    out["gpu"] = config.gpu_name;
    out["gpu_parameters"] = config.gpu_config->value().json;
    out["kernels"] = config.kernels_name;
    if (config.kernels_config) {
      out["kernel_parameters"] = config.kernels_config->value().json;
    }
    add_deployment(out, step.deployment, config.kv);
    out["overlap"] = name_of(overlap_names, step.overlap);
    out["reservation_cost"] = name_of(reservation_cost_names, step.reservation_cost);
  }
}

Json config_json(const EffectiveConfig& config) {
  Json out;
  out["policy"] = to_string(config.asked.policy);
  out["scope"] = name_of(scope_names, config.asked.scope);
  const bool of_each = config.asked.capacity_list.empty() && !config.asked.capacity.is_budget();
  out["capacity"] = of_each ? Json(config.asked.capacity.text()) : Json(nullptr);
  if (config.asked.capacity.is_budget()) {
    out["budget"] = config.asked.capacity.text();
  }
  out["capacity_entries"] =
      config.capacity_entries.size() == 1 ? Json(config.capacity_entries.front()) : Json(config.capacity_entries);
  add_reservation(out, config.reservation);
  add_replay_config(out, config);
  return out;
}

Json numbered(const char* what, const std::vector<Counters>& rows, const EffectiveConfig& config) {
  Json out = Json::array();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Json row;
    row[what] = i;
    add_counters(row, rows[i], config);
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace

Json entry_bytes_json(const EffectiveConfig& config) {
  const auto& row_bytes = config.row_bytes;
  const bool alike = std::adjacent_find(row_bytes.begin(), row_bytes.end(), std::not_equal_to<>()) == row_bytes.end();
  return config.entry_bytes == 0 ? Json(nullptr) : alike ? Json(config.entry_bytes) : Json(row_bytes);
}

void add_replay_config(Json& out, const EffectiveConfig& config) {
  out["entry_bytes"] = entry_bytes_json(config);
  out["page_tokens"] = config.page_tokens;
  out["order"] = name_of(order_names, config.asked.order);
  out["warm"] = name_of(warm_names, config.asked.warm);
  out["new_token"] = name_of(new_token_names, config.asked.new_token);
  if (config.asked.resident_blocks > 0) {
    out["resident_blocks"] = config.asked.resident_blocks;
  }
  add_beside_policy(out, config.asked);
  out["steps"] = {config.steps.first, config.steps.last};
  out["warmup_steps"] = config.asked.warmup_steps;
  out["memory"] = config.memory_model;
  if (config.memory_config) {
    out["memory_parameters"] = config.memory_config->value().json;
    add_memory_overrides(out, config.memory);
  } else {
    out["miss_ns"] = config.asked.memory.serial_miss_ns();
  }
  add_time_config(out, config);
}

bool is_shown(const Measure& measure, const EffectiveConfig& config) {
  return measure.is_known(config) || measure.name == "fetched_bytes";  // which is null where it is not known
}

void add_beside_policy(Json& out, const ReplayConfig& config) {
  if (config.pins.any()) {
    out["pin"] = to_string(config.pins);
  }
  if (config.prefetch.any()) {
    out["prefetch"] = to_string(config.prefetch);
  }
  if (config.retention_steps > 0) {
    out["retention_steps"] = config.retention_steps;
  }
  if (!config.granularity.is_entry()) {
    out["granularity"] = config.granularity.tokens ? Json("tokens") : Json(config.granularity.block_entries);
  }
}

void add_capacities(Json& out, std::span<const Capacity> capacities) {
  const bool budgets = !capacities.empty() && capacities.front().is_budget();
  out["capacities"] = nullptr;
  for (const Capacity& capacity : capacities) {
    out[budgets ? "budgets" : "capacities"].push_back(capacity.text());
  }
}

void add_reservation(Json& out, const Reservation& reservation) {
  out["caches"] = reservation.caches;
  out["reserved_entries"] = reservation.entries;
  out["reserved_bytes"] = or_null(reservation.bytes);
}

void add_memory_overrides(Json& out, const MemorySpec& memory) {
  for (const auto& [key, value] : memory.parameters) {
    out["memory_overrides"][key] = value;
  }
}

Json tpot_json(const Tpot& tpot) {
  const auto value = [&](auto number) { return tpot.steps == 0 ? Json(nullptr) : Json(number); };
  return {{"mean", value(tpot.mean_ns)},
          {"p50", value(tpot.p50_ns)},
          {"p95", value(tpot.p95_ns)},
          {"p99", value(tpot.p99_ns)},
          {"max", value(tpot.max_ns)}};
}

Json gain_json(const std::optional<NetGain>& gain) {
  if (!gain) {
    return nullptr;
  }
  return {{"ns", gain->ns}, {"error_ns", or_null(gain->error_ns)}};
}

std::string report_json(const TraceReader& trace, const ReplayResult& result) {
  Json out;
  out["schema"] = report_schema;
  out["tool"] = {{"version", version()}};
  out["config"] = config_json(result.config);
  out["trace"] = trace_json(trace);
  add_counters(out["totals"], result.totals, result.config);
  out["layers"] = numbered("layer", result.layers, result.config);
  out["requests"] = numbered("request", result.requests, result.config);
  if (result.step_times) {
    out["step_time"] = step_times_json(*result.step_times, result.config, link_traffic(result));
  }
  return json_text(out);
}

}  // namespace dsasim
