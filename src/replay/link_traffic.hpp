#pragma once

#include "dsasim/replay/replay.hpp"

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>

namespace dsasim {

/// Rows that were fetched, in all the layers that they are fetched in: the model's if there is one, to which the
/// trace's counts are stretched, otherwise those of the trace's groups.
struct LinkTraffic {
  std::uint64_t hidden_layers = 0;
  std::optional<double> bytes;        ///< of all counted steps; none if those of an entry are unknown
  std::optional<double> step_bytes;   ///< mean of a counted step; none without steps
  std::optional<double> bytes_per_s;  ///< at the mean TPOT; an upper bound where that is a lower one
};

/// Layers that a layer of the trace stands for.
inline std::uint64_t hidden_layers(const ReplayResult& result, std::size_t layer) {
  return result.step_times ? result.step_times->hidden_layers[layer] : 0;
}

/// Bytes that a layer of the trace fetched, in the layers it stands for.
inline double layer_bytes(const ReplayResult& result, std::size_t layer) {
  const Counters& counters = result.layers[layer];
  if (!result.step_times) {
    return static_cast<double>(counters.fetched_bytes);
  }
  return static_cast<double>(counters.demand_misses()) * static_cast<double>(hidden_layers(result, layer)) *
         static_cast<double>(result.config.entry_bytes);
}

inline LinkTraffic link_traffic(const ReplayResult& result) {
  LinkTraffic traffic;
  double bytes = 0;
  for (std::size_t layer = 0; layer < result.layers.size(); ++layer) {
    traffic.hidden_layers += hidden_layers(result, layer);
    bytes += layer_bytes(result, layer);
  }
  if (result.config.entry_bytes == 0) {
    return traffic;
  }
  traffic.bytes = bytes;
  if (result.config.counted_steps == 0) {
    return traffic;
  }
  traffic.step_bytes = bytes / static_cast<double>(result.config.counted_steps);
  if (result.step_times) {
    constexpr double ns_per_s = 1e9;
    traffic.bytes_per_s = *traffic.step_bytes / result.step_times->tpot.mean_ns * ns_per_s;
  }
  return traffic;
}

}  // namespace dsasim
