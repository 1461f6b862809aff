#pragma once

#include "dsasim/replay/measure.hpp"
#include "dsasim/replay/replay.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <span>

namespace dsasim {

/// Adds what determined a replay, but its policy, its scope and its capacities, to the object "config" of a report.
/// Null if unknown; a list by layer where KV stores differ.
nlohmann::ordered_json entry_bytes_json(const EffectiveConfig& config);
void add_replay_config(nlohmann::ordered_json& out, const EffectiveConfig& config);

/// `pin` and `prefetch`, where they are.
void add_beside_policy(nlohmann::ordered_json& out, const ReplayConfig& config);

/// Whether documents of a replay have the field.
bool is_shown(const Measure& measure, const EffectiveConfig& config);

/// `capacities`, or `budgets`, as they were named; null if none were.
void add_capacities(nlohmann::ordered_json& out, std::span<const Capacity> capacities);

/// `caches`, and what they hold together.
void add_reservation(nlohmann::ordered_json& out, const Reservation& reservation);

/// What `--memory NAME,key=value` changed of the configuration NAME; nothing if nothing was.
void add_memory_overrides(nlohmann::ordered_json& out, const MemorySpec& memory);

/// How a model is served; `kv` is null without latent attention.
void add_deployment(nlohmann::ordered_json& out, const Deployment& deployment, std::optional<KvType> kv);

/// Nulls where no step was counted.
nlohmann::ordered_json tpot_json(const Tpot& tpot);

/// Null where there is none.
nlohmann::ordered_json gain_json(const std::optional<NetGain>& gain);

}  // namespace dsasim
