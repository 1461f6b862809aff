#pragma once

#include "curve/recency_stack.hpp"
#include "curve/reuse_counts.hpp"
#include "replay/access_order.hpp"
#include "replay/block_run.hpp"
#include "replay/directory_layout.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

struct StackCounting {
  bool histograms = false;
  bool streams = false;  ///< each stream apart
};

/// Counts the reuse distances of every access: a replay through LRU caches of all sizes at once.
class StackRun final : public BlockRun {
 public:
  /// `config` reserves something, and `capacities` are those of interest, in units of the cache, ascending; none if all
  /// are.
  StackRun(const TraceReader& trace, const ReplayConfig& config, StepRange steps, bool sets,
           const StackCounting& counting, std::span<const std::uint64_t> capacities);

  const ReplayConfig& config() const noexcept override { return config_; }
  const DirectoryLayout& layout() const noexcept override { return layout_; }
  trace::SelectionForms forms() const noexcept override { return {.ids = !sets_, .sets = sets_}; }
  bool counts_streams_apart() const noexcept override { return requests_apart_ || trace_.request_count() == 1; }

  void begin(std::size_t workers) override;
  void begin_block(const ReplayBlock& /*block*/) override {}
  void replay_part(const ReplayBlock& block, const ReplayPart& part,
                   std::span<const trace::SelectionBlock* const> lanes, std::span<const NextUse> next_uses,
                   std::size_t worker) override;
  void end_block(const ReplayBlock& /*block*/) override {}

  /// What a layer's accesses came to.
  ReuseCounts layer(std::uint32_t layer) const;
  /// What a stream's came to, if streams are counted apart.
  const ReuseCounts& stream(std::uint32_t layer, std::uint32_t request) const noexcept;

 private:
  void require_memory(std::size_t counts, bool histograms, std::span<const std::uint64_t> capacities) const;
  std::size_t counts_place(std::uint32_t layer, std::uint32_t request) const noexcept;
  void select(std::uint64_t step, std::uint32_t layer, std::uint32_t request, const SelectionView& selection,
              AccessOrder& order);

  const TraceReader& trace_;
  ReplayConfig config_;
  std::uint64_t counted_from_;
  bool sets_;
  bool requests_apart_;  ///< where asked for; and at scope request, so that threads share no counts
  DirectoryLayout layout_;
  std::vector<std::uint32_t> class_of_;  ///< see ReuseCounts; empty if all capacities are of interest
  std::vector<RecencyStack> stacks_;     ///< by cache
  std::vector<ReuseCounts> counts_;      ///< by layer, or by request and layer
  std::vector<AccessOrder> orders_;      ///< by worker
};

}  // namespace dsasim
