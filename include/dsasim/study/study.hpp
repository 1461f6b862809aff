#pragma once

#include "dsasim/replay/replay.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace dsasim {

struct StudyConfig {
  StepSpec step;                             ///< both a model and a GPU
  MemorySpec memory;                         ///< that of the GPU unless named
  std::optional<std::uint64_t> entry_bytes;  ///< otherwise the model's
  std::uint32_t parts = 8;                   ///< of the last-level cache: 0, 1, ... all of them are tried
};

/// A policy and a scope with a part of the cache reserved, all caches together.
struct StudyPoint {
  std::string policy;
  Scope scope = Scope::stream;
  std::uint64_t reserved_bytes = 0;
  std::uint64_t capacity_entries = 0;  ///< of one cache
  std::uint64_t accesses = 0;
  std::uint64_t misses = 0;
  Tpot tpot;
};

/// What to reserve of a GPU's last-level cache for KV rows, and what it gains. Weights and the indexer's keys are taken
/// to flush the rest (docs/llc.md), so nothing is hit that is not reserved.
struct StudyResult {
  EffectiveConfig config;  ///< of the replay without a reservation; the others differ in policy, scope, capacity
  std::uint64_t llc_bytes = 0;
  std::uint64_t entry_cost_bytes = 0;  ///< in all the layers that a layer of the trace stands for, on average
  StudyPoint nothing;                  ///< reserved
  double all_hit_tpot_ns = 0;          ///< if every row hit
  std::vector<StudyPoint> points;      ///< by policy, scope and bytes; without what a policy refuses
  /// Of the points: the shortest mean TPOT of a policy that can be built; the least reservation of the same policy and
  /// scope that has 90% of its gain; Belady's with the bytes and scope of the latter.
  std::optional<std::size_t> best, knee, belady;
};

/// Throws ConfigError as replay() does. `on_share` is told how much is done.
StudyResult study(const TraceReader& trace, const StudyConfig& config, std::uint32_t jobs,
                  const std::function<void(double share)>& on_share = {});

}  // namespace dsasim
