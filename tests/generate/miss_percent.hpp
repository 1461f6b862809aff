#pragma once

#include "dsasim/replay/replay.hpp"

namespace dsasim::testing {

/// Of all accesses, with a cache for each stream.
inline double miss_percent(const TraceReader& trace, const char* policy, const char* capacity, Warm warm = Warm::none) {
  ReplayConfig config;
  config.warm = warm;
  config.policy = parse_policy(policy);
  config.capacity = Capacity::parse(capacity);
  const Counters totals = replay(trace, config).totals;
  return 100 * static_cast<double>(totals.misses()) / static_cast<double>(totals.accesses);
}

}  // namespace dsasim::testing
