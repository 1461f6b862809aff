#pragma once

#include "dsasim/cache/cache.hpp"
#include "dsasim/memory/memory_model.hpp"
#include "dsasim/replay/replay.hpp"
#include "replay/access_order.hpp"
#include "replay/directory_layout.hpp"
#include "replay/future.hpp"
#include "replay/page_counter.hpp"
#include "trace/selection_block.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace dsasim {

/// Steps in which the same requests decode.
struct ReplayBlock {
  StepRange steps;
  std::vector<std::uint32_t> active;  ///< requests that decode, ascending
  std::vector<std::uint32_t> ended;   ///< requests whose last step was the one before, ascending
};

/// A part of a block that shares no cache with the others: layers [first, last) and active requests [first, last).
struct ReplayPart {
  std::uint32_t first_layer, last_layer;
  std::size_t first_active, last_active;
};

/// What one thread works with.
struct ReplayScratch {
  ReplayScratch(const TraceHeader& header, const ReplayConfig& config, std::uint32_t page_tokens)
      : order(header, config), pages(page_tokens, header.unit_tokens) {}
  AccessOrder order;
  PageCounter pages;
  std::vector<EntryId> missed;
};

/// One configuration being replayed: its caches and its counters. The blocks of the trace come from outside, so that
/// many configurations share one decoding.
class CacheRun {
 public:
  /// `sets`: every selection comes with its set. See replay() for what is thrown.
  CacheRun(const TraceReader& trace, const ReplayConfig& config, bool sets);

  const ReplayConfig& config() const noexcept { return config_; }
  const EffectiveConfig& effective() const noexcept { return effective_; }
  const DirectoryLayout& layout() const noexcept { return layout_; }
  bool needs_future() const noexcept { return needs_future_; }
  /// In which forms its caches take selections.
  trace::SelectionForms forms() const noexcept;
  ReplayScratch make_scratch() const { return {trace_.header(), config_, effective_.page_tokens}; }

  /// Before the first block. `future` is null unless it is needed.
  void preload(Future* future);

  /// Before the parts of a block.
  void begin_block(const ReplayBlock& block);
  /// Parts may be replayed at the same time. `lanes` are the part's, by layer and request. If the future is needed, the
  /// part is the whole block, and `next_uses` are the block's.
  void replay_part(const ReplayBlock& block, const ReplayPart& part, const trace::SelectionBlock* const* lanes,
                   std::span<const NextUse> next_uses, ReplayScratch& scratch);
  /// Prices and adds up what the parts counted.
  void count_block(const ReplayBlock& block, const ReplayHooks& hooks);

  /// After the last block. Throws std::logic_error if a cache has lost its way.
  ReplayResult finish();

 private:
  void make_caches();
  void release_ended(const ReplayBlock& block, std::uint32_t layer, std::uint32_t before_request, std::size_t& ended);
  Counters select(std::uint64_t step, std::uint32_t layer, std::uint32_t request, const SelectionView& selection,
                  std::span<const NextUse>& next_uses, ReplayScratch& scratch);
  std::span<StepRow> rows_of(std::uint64_t step, std::uint32_t layer, std::size_t active);
  void price(std::uint32_t layer, std::span<StepRow> rows);

  const TraceReader& trace_;
  ReplayConfig config_;
  EffectiveConfig effective_;
  std::unique_ptr<const MemoryModel> memory_;
  bool sets_;
  bool needs_future_;
  DirectoryLayout layout_;
  std::vector<std::unique_ptr<Cache>> caches_;
  std::vector<StepRow> rows_;  ///< of the current block: by step, layer and active request
  ReplayResult result_;
};

}  // namespace dsasim
