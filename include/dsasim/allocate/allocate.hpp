#pragma once

#include "dsasim/replay/replay.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace dsasim {

/// Between whom a budget is split.
enum class Over : std::uint8_t {
  layers,   ///< all caches of a layer get the same
  streams,  ///< each (request, layer) its own; at scope stream
};
/// What a split is to have least of.
enum class Minimise : std::uint8_t { misses, gather_ns };

inline constexpr std::array over_names = {ChoiceName<Over>{"layers", Over::layers},
                                          ChoiceName<Over>{"streams", Over::streams}};
inline constexpr std::array minimise_names = {ChoiceName<Minimise>{"misses", Minimise::misses},
                                              ChoiceName<Minimise>{"gather_ns", Minimise::gather_ns}};

struct AllocateConfig {
  ReplayConfig replay;  ///< all but its capacities; of scope layer or stream
  Over over = Over::layers;
  Minimise minimise = Minimise::misses;
  Capacity budget;                           ///< one that parse_budget() made
  Capacity least = Capacity::parse("1x");    ///< of each cache, rounded up to the granularity
  std::optional<Capacity> most;              ///< of each cache, rounded down; otherwise the contexts of its requests
  std::optional<std::uint64_t> granularity;  ///< entries, which capacities are multiples of; otherwise see allocate()
  bool verify = true;                        ///< replay the splits
};

/// One way to split the budget.
struct Allocation {
  std::vector<std::uint64_t> capacity_entries;  ///< of each part's caches: by layer, or layer * requests + request
  std::uint64_t cost = 0;                       ///< in the unit of the budget, of which it leaves the rest unspent
  std::vector<std::uint64_t> predicted;         ///< misses or nanoseconds, by part
  std::uint64_t predicted_total = 0;
  std::optional<Counters> replayed;
};

struct AllocateResult {
  EffectiveConfig config;  ///< its capacity is of no meaning
  Over over = Over::layers;
  Minimise minimise = Minimise::misses;
  Capacity budget, least;
  std::optional<Capacity> most;
  bool budget_in_bytes = false;
  std::uint64_t budget_cost = 0;  ///< the budget, in bytes or entries of all caches
  std::uint64_t granularity = 0;
  std::uint64_t context_entries = 0;         ///< the longest
  std::uint64_t caches = 0;                  ///< that share the budget
  std::vector<std::uint64_t> part_accesses;  ///< by part
  std::uint64_t accesses = 0;
  /// The even share: what a replay with this budget gives each cache, as far as the bounds let it. In entries, whatever
  /// the granularity.
  Allocation uniform;
  Allocation greedy;   ///< down the convex hulls of the parts' curves, in multiples of the granularity
  Allocation optimal;  ///< of all splits in multiples, and the uniform one, the best

  /// The three with their names.
  std::array<std::pair<std::string_view, const Allocation*>, 3> splits() const noexcept {
    return {{{"uniform", &uniform}, {"greedy", &greedy}, {"optimal", &optimal}}};
  }
};

/// Splits a budget so that the trace misses least, or gathers in the least time: exactly (docs/allocate.md says how),
/// and greedily for comparison.
///
/// For lru without preloads and misses, the curves come from one pass, and the default granularity is 16 entries. All
/// else is replayed at each capacity in question, at most 256 of them, in one pass, over layers alone; there the
/// default granularity is the least multiple of 16 that gives at most 64.
///
/// Throws as replay() does; ConfigError for a budget below what the bounds need, bounds with nothing in between, and
/// scopes or policies that cannot be split; std::logic_error if a replay does not confirm a prediction.
AllocateResult allocate(const TraceReader& trace, const AllocateConfig& config, const ReplayHooks& hooks = {},
                        std::uint32_t jobs = 1);

}  // namespace dsasim
