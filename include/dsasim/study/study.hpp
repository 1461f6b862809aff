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
  ReplayConfig replay;  ///< all but its policy, scope and capacity; with both a model and a GPU
  std::vector<PolicySpec> policies = {parse_policy("lru"), parse_policy("hisparse")};  ///< their bounds are added
  std::uint32_t parts = 8;  ///< of what can be reserved: 0, 1, ... all of them are tried
};

/// A policy and a scope with a part of the cache reserved, all caches together.
struct StudyPoint {
  PolicySpec policy;
  Scope scope = Scope::stream;
  std::uint64_t reserved_bytes = 0;
  std::uint64_t caches = 0;
  std::uint64_t capacity_entries = 0;  ///< of one cache, the largest
  std::uint64_t accesses = 0;
  std::uint64_t misses = 0;
  Tpot tpot;
  double set_aside_ns = 0;              ///< of the mean token, which includes it
  std::optional<double> gain_error_ns;  ///< of what it takes off the mean token: see NetGain
};

/// A point that cannot be: its caches are too small for the policy.
struct StudyGap {
  PolicySpec policy;
  Scope scope = Scope::stream;
  std::uint64_t reserved_bytes = 0;
  std::string reason;
  std::size_t before_point = 0;  ///< its place, by policy, scope and bytes
};

/// What to reserve of a GPU's last-level cache for KV rows, and what it gains. Weights and the indexer's keys are taken
/// to flush the rest (docs/llc.md), so nothing is hit that is not reserved.
struct StudyResult {
  EffectiveConfig config;  ///< of the replay without a reservation; the others differ in policy, scope, capacity
  std::uint64_t llc_bytes = 0;
  std::optional<std::uint64_t> set_aside_bytes;  ///< the most of it that the GPU sets aside, where that is known
  std::uint64_t reservable_bytes = 0;            ///< that, or the whole cache
  std::uint64_t hidden_layers = 0;               ///< of the model, that the trace's stand for
  std::uint64_t entry_cost_bytes = 0;            ///< in all the layers that a layer of the trace stands for, on average
  StudyPoint nothing;                            ///< reserved
  double all_hit_tpot_ns = 0;                    ///< if every row hit, and reserving cost nothing
  std::optional<NetGain> perfect_gain;           ///< of a reservation in which every row hits, with its cost
  std::vector<StudyPoint> points;                ///< by policy, scope and bytes
  std::vector<StudyGap> gaps;                    ///< what is not among them
  /// Of the points: the shortest mean TPOT of a policy that can be built; if it gains worth_while or more, the least
  /// reservation of the same policy and scope that has 90% of its gain; the policy's bound with the bytes and scope of
  /// the latter, or of the best.
  std::optional<std::size_t> best, knee, belady;
  /// The one that would be best if setting aside cost nothing, as in a cache that is made for it.
  std::optional<std::size_t> best_uncharged;

  /// Of a mean TPOT: the part that a reservation takes off, net of what it costs.
  double gain(const StudyPoint& point) const noexcept { return 1 - point.tpot.mean_ns / nothing.tpot.mean_ns; }
  static constexpr double worth_while = 0.01;  ///< below, a reservation is not worth its trouble
};

/// Throws ConfigError as replay() does, and for a trace that selects nothing. `on_share` is told how much is done.
StudyResult study(const TraceReader& trace, const StudyConfig& config, std::uint32_t jobs,
                  const std::function<void(double share)>& on_share = {});

}  // namespace dsasim
