#pragma once

#include "dsasim/replay/measure.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// `FIELD=NUMBER`: a measure of the totals is at most this.
struct Target {
  const Measure* measure = nullptr;
  std::string name;  ///< as it was asked for
  double at_most = 0;
};

/// Takes `--target`'s text apart; `miss-ratio` is `miss_ratio`, and `tpot_ns` the mean. Throws ConfigError, naming the
/// fields there are.
Target parse_target(std::string_view text);

struct KneeConfig {
  ReplayConfig replay;  ///< all but its policy and its capacities
  std::vector<PolicySpec> policies;
  Target target;
  std::vector<Capacity> capacities;  ///< to try; none: see knees()
};

/// A capacity of each cache, and what the target's field comes to there.
struct KneePoint {
  std::uint64_t capacity_entries = 0;  ///< the largest, where a capacity in bytes differs by layer
  double value = 0;
  Reservation reservation = {};  ///< of all caches together
};

struct Knee {
  PolicySpec policy;
  bool exact = false;               ///< no smaller capacity reaches the target; otherwise none of those tried
  std::uint64_t tried = 0;          ///< capacities; 0 if they are all known
  std::optional<KneePoint> point;   ///< the smallest that reaches the target; none if none does
  std::optional<KneePoint> before;  ///< the next smaller one that was looked at
  KneePoint best;                   ///< the least value of those looked at, at the smallest capacity that has it
};

struct KneeResult {
  EffectiveConfig config;  ///< its policy and its capacity are of no meaning
  Target target;
  std::vector<Capacity> capacities;
  std::vector<Knee> knees;  ///< by policy
};

/// The smallest capacity at which each policy reaches a target.
///
/// Where misses never rise with the capacity and the target is a function of them, the answer is exact: for lru without
/// preloads from its curve, in one pass; for belady by narrowing down, 15 capacities a pass. Otherwise a larger cache
/// may miss more (fifo: Belady's anomaly), and a bisection would find just any place where the target begins to be
/// reached. So a grid is replayed, in one pass, and the answer is its smallest capacity that reaches the target:
/// `capacities`, or 0 and eight to an octave from the longest selection up to everything.
///
/// Throws as replay() does, and ConfigError without a policy.
KneeResult knees(const TraceReader& trace, const KneeConfig& config, const ReplayHooks& hooks = {},
                 std::uint32_t jobs = 1);

}  // namespace dsasim
