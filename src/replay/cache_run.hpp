#pragma once

#include "dsasim/cache/cache.hpp"
#include "dsasim/replay/replay.hpp"
#include "replay/access_order.hpp"
#include "replay/block_run.hpp"
#include "replay/directory_layout.hpp"
#include "replay/future.hpp"
#include "replay/page_counter.hpp"
#include "replay/prefetch.hpp"
#include "replay/retention.hpp"
#include "replay/step_timing.hpp"
#include "trace/machine_memory.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace dsasim {

/// What one thread works with.
struct ReplayScratch {
  ReplayScratch(const TraceReader& trace, const ReplayConfig& config, std::uint32_t page_tokens);
  AccessOrder order;
  std::vector<PageCounter> pages;            ///< of each unit that a layer has
  std::vector<std::uint32_t> page_counters;  ///< by layer: which of them
  std::vector<EntryId> missed;
  FetchedAhead ahead;
};

/// One configuration being replayed: its caches and its counters.
class CacheRun final : public BlockRun {
 public:
  /// `sets`: every selection comes with its set. Of the hooks, on_row and on_missed are called, with rows of `number`.
  /// See replay() for what is thrown.
  CacheRun(const TraceReader& trace, const ReplayConfig& config, bool sets, const ReplayHooks& hooks,
           std::uint32_t number);

  const ReplayConfig& config() const noexcept override { return config_; }
  const DirectoryLayout& layout() const noexcept override { return layout_; }
  const EffectiveConfig& effective() const noexcept { return effective_; }
  /// Where nothing is reserved there is nothing to foresee.
  bool needs_future() const noexcept;
  trace::SelectionForms forms() const noexcept override;
  bool counts_streams_apart() const noexcept override { return true; }

  /// What make_caches() and a replay will take.
  void add_to(trace::MemoryPlan& plan) const;
  /// Before anything else is called.
  void make_caches();

  /// Fills the caches as --warm says, before the first block. `future` is null unless it is needed.
  void preload(Future* future);

  void begin(std::size_t workers) override;
  void begin_block(const ReplayBlock& block) override;
  void replay_part(const ReplayBlock& block, const ReplayPart& part,
                   std::span<const trace::SelectionBlock* const> lanes, std::span<const NextUse> next_uses,
                   std::size_t worker) override;
  /// Prices and adds up what the parts counted.
  void end_block(const ReplayBlock& block) override;

  /// After the last block.
  ReplayResult finish();

 private:
  Counters select(std::uint64_t step, std::uint32_t layer, std::uint32_t request, const SelectionRows& rows,
                  std::span<const NextUse>& next_uses, ReplayScratch& scratch);
  void foresee(Cache& cache, std::size_t count, std::span<const NextUse>& next_uses) const;
  std::uint64_t put_in(const DirectoryLayout::Stream& stream, std::uint64_t step, IdRange ids,
                       std::span<const NextUse>& next_uses);
  std::uint64_t query_of(std::uint64_t tokens, std::uint32_t layer) const noexcept;
  /// After the step, what it rejected, of a part's layers and of requests that decode.
  void forget(std::uint64_t step, const ReplayPart& part, std::span<const std::uint32_t> active);
  /// Of a (step, layer), `step` counted from the block's first.
  std::size_t first_row(std::uint64_t step, std::uint32_t layer, std::size_t active) const noexcept;
  void count(const StepRow& row);
  /// Walks all directories.
  bool invariant() const;

  const TraceReader& trace_;
  ReplayConfig config_;
  const ReplayHooks& hooks_;
  EffectiveConfig effective_;
  StepTiming timing_;
  bool sets_;
  std::uint32_t number_;
  bool lists_missed_;
  bool foresees_ = false;
  bool needs_scores_ = false;
  DirectoryLayout layout_;
  std::vector<std::unique_ptr<Cache>> caches_;
  std::optional<Prefetcher> prefetcher_;
  std::optional<Retention> retention_;
  std::vector<ReplayScratch> scratch_;        ///< by worker
  std::vector<StepRow> rows_;                 ///< of the current block: by step, layer and active request
  std::vector<std::vector<EntryId>> missed_;  ///< by row, if its ids are needed
  ReplayResult result_;
};

}  // namespace dsasim
