#pragma once

#include "dsasim/replay/replay.hpp"

#include <nlohmann/json.hpp>

namespace dsasim {

/// Adds what determined a replay, but its policy, its scope and its capacities, to the object "config" of a report.
void add_replay_config(nlohmann::ordered_json& out, const EffectiveConfig& config);

}  // namespace dsasim
