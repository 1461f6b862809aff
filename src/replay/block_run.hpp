#pragma once

#include "dsasim/cache/cache.hpp"
#include "dsasim/replay/replay.hpp"
#include "replay/access_order.hpp"
#include "replay/directory_layout.hpp"
#include "trace/selection_block.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// Steps in which the same requests decode.
struct ReplayBlock {
  StepRange steps;
  std::vector<std::uint32_t> active;                   ///< requests that decode, ascending
  std::vector<std::uint32_t> ended;                    ///< see BatchCursor::ended()
  std::vector<std::vector<std::uint32_t>> first_rows;  ///< of each active request: see first_rows()
};

/// A part of a block that shares no cache with the others: layers [first, last) and active requests [first, last).
struct ReplayPart {
  std::uint32_t first_layer, last_layer;
  std::size_t first_active, last_active;
};

/// Something that a trace is replayed through, block by block: see drive().
class BlockRun {
 public:
  BlockRun() = default;
  virtual ~BlockRun() = default;
  BlockRun(const BlockRun&) = delete;
  BlockRun& operator=(const BlockRun&) = delete;

  virtual const ReplayConfig& config() const noexcept = 0;
  virtual const DirectoryLayout& layout() const noexcept = 0;
  /// In which forms selections are wanted.
  virtual trace::SelectionForms forms() const noexcept = 0;

  /// True if streams without a cache in common share nothing else: they may then be different parts.
  virtual bool counts_streams_apart() const noexcept = 0;

  /// Before the first block: makes room for the work of so many threads.
  virtual void begin(std::size_t workers) = 0;
  /// Before the parts of a block.
  virtual void begin_block(const ReplayBlock& block) = 0;
  /// Parts may be replayed at the same time, by workers of different numbers. `lanes` are the part's, by layer and
  /// request. If the policy needs the future, the part is the whole block, and `next_uses` are the block's.
  virtual void replay_part(const ReplayBlock& block, const ReplayPart& part,
                           std::span<const trace::SelectionBlock* const> lanes, std::span<const NextUse> next_uses,
                           std::size_t worker) = 0;
  /// After the parts of a block in which some request decodes.
  virtual void end_block(const ReplayBlock& block) = 0;

 protected:
  /// Goes through a part in the order of a replay. Calls select(step, layer, active, rows) for each step of a stream,
  /// with the step of the batch and the request's place in block.active; and, where requests share a cache,
  /// release(layer, request) for those that ended, in their turns of the block's first step: they select nothing. After
  /// all layers of a step, end_step(step).
  template <class Select, class Release, class EndStep>
  void walk_part(const ReplayBlock& block, const ReplayPart& part, std::span<const trace::SelectionBlock* const> lanes,
                 Select&& select, Release&& release, EndStep&& end_step) const {
    const bool share = config().scope == Scope::shared || config().scope == Scope::layer;
    const std::size_t width = part.last_active - part.first_active;
    for (std::uint64_t step = 0; step < block.steps.last - block.steps.first; ++step) {
      for (std::uint32_t layer = part.first_layer; layer < part.last_layer; ++layer) {
        std::size_t ended = step == 0 && share ? 0 : block.ended.size();
        for (std::size_t i = part.first_active; i < part.last_active; ++i) {
          for (; ended < block.ended.size() && block.ended[ended] < block.active[i]; ++ended) {
            release(layer, block.ended[ended]);
          }
          const auto& lane = *lanes[(layer - part.first_layer) * width + (i - part.first_active)];
          select(block.steps.first + step, layer, i, rows_at(lane, block.first_rows[i], step));
        }
        for (; ended < block.ended.size(); ++ended) {
          release(layer, block.ended[ended]);
        }
      }
      end_step(block.steps.first + step);
    }
  }
};

}  // namespace dsasim
