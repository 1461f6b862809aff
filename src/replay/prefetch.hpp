#pragma once

#include "dsasim/cache/cache.hpp"
#include "dsasim/replay/replay.hpp"
#include "predict/predictor.hpp"
#include "replay/access_order.hpp"
#include "trace/machine_memory.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace dsasim {

/// Throws ConfigError for a prefetch that is not defined on the trace, or not beside the rest of the configuration.
void check_prefetch(const TraceReader& trace, const ReplayConfig& config);

/// True if a layer's guess depends on what the layer before selects at the same step.
bool guesses_by_layer_before(const ReplayConfig& config);

/// A selection of one stream, and the cache that serves it.
struct Upcoming {
  std::uint32_t layer;
  std::uint32_t request;
  DecodeStep at;
  std::uint64_t own_step;  ///< of the request
  Cache& cache;
  std::uint32_t base;
  bool reserves;  ///< whether the cache holds anything; where not, nothing is issued, but the next layer guesses by it
};

/// What one thread has fetched for the selection that is next.
struct FetchedAhead {
  Ranking ranking;
  std::vector<EntryId> issued;  ///< ascending
};

/// Fetches rows ahead of selections, by a predictor of each stream.
class Prefetcher {
 public:
  Prefetcher(const TraceReader& trace, const ReplayConfig& config);

  /// What its constructor takes.
  static void add_to(trace::MemoryPlan& plan, const TraceReader& trace, const ReplayConfig& config);

  /// Before the accesses of a selection, and after what is put in before it.
  void issue(const Upcoming& next, const EntriesApart& apart, FetchedAhead& ahead, PrefetchCounts& counts);
  /// After them. Takes the misses that a side area answered out of `missed`, the others stay in their order.
  void settle(const Upcoming& next, const SelectionView& selection, FetchedAhead& ahead, std::vector<EntryId>& missed,
              PrefetchCounts& counts);

 private:
  std::size_t number(const Upcoming& next) const noexcept;
  Moment moment(const Upcoming& next) const noexcept;

  const TraceReader& trace_;
  const ReplayConfig& config_;
  bool by_layer_before_;
  std::vector<Past> pasts_;                             ///< by stream: layer * requests + request
  std::vector<std::unique_ptr<Predictor>> predictors_;  ///< likewise
};

}  // namespace dsasim
