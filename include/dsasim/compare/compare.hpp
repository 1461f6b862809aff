#pragma once

#include "dsasim/replay/replay.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace dsasim {

/// Policies beside each other: misses of each, over traces and capacities, with the bound that none can beat.
struct CompareConfig {
  ReplayConfig replay;               ///< all but its policy and capacity
  std::vector<PolicySpec> policies;  ///< at least one; gaps are measured from the first
  std::vector<Capacity> capacities;  ///< at least one
};

/// What one policy misses at one capacity.
struct CompareCell {
  std::uint64_t capacity_entries = 0;  ///< of a cache, the largest
  std::uint64_t accesses = 0;
  std::uint64_t misses = 0;

  CompareCell& operator+=(const CompareCell& more);
};

/// By policy (those that were asked for, then the bounds), then by capacity.
using CompareCells = std::vector<std::vector<CompareCell>>;

struct CompareResult {
  EffectiveConfig config;  ///< of the first trace; its policy and its capacity are of no meaning
  std::vector<PolicySpec> policies;
  std::size_t asked = 0;  ///< policies before the bounds
  std::vector<Capacity> capacities;
  std::vector<std::string> traces;  ///< names
  std::vector<CompareCells> cells;  ///< by trace
  CompareCells together;            ///< all traces' accesses and misses added up; capacities are the largest

  /// Of the gap between the first policy and its bound in `of` (the cells of a trace, or those of all together): the
  /// share that a policy closes. None for the bounds, for a policy that has another bound, and without a gap.
  std::optional<double> gap_closed(const CompareCells& of, std::size_t policy, std::size_t capacity) const;
};

/// Throws as replay() does, and ConfigError without policies, capacities or traces. `on_share` is told how much is
/// done.
CompareResult compare(std::span<const TraceReader* const> traces, const CompareConfig& config, std::uint32_t jobs,
                      const std::function<void(double share)>& on_share = {});

}  // namespace dsasim
