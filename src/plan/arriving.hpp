#pragma once

#include "dsasim/plan/plan.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace dsasim {

/// A request that comes in.
struct Arriving {
  std::uint64_t at = 0;  ///< nanoseconds, or steps of the batch
  std::uint64_t prompt_tokens = 0;
  std::uint64_t output_tokens = 0;  ///< at least one
};

/// In the order in which they come in.
struct ArrivingRequests {
  bool in_steps = false;
  std::vector<Arriving> requests;
};

/// Of PlanConfig::arrivals: a file, whose requests without lengths have those of the traces, or the traces' own. Throws
/// as read_arrivals() does, and ConfigError for more than is simulated in a minute.
ArrivingRequests arriving_requests(std::span<const TraceReader* const> traces, const std::string& arrivals);

}  // namespace dsasim
