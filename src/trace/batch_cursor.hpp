#pragma once

#include "dsasim/trace/reader.hpp"
#include "trace/block_cursor.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace dsasim::trace {

/// Walks steps of the batch in blocks, in each of which the same requests decode: each from its start step until it
/// ends. A request's cursor, and the memory that it decodes from, exist only while the request decodes.
class BatchCursor {
 public:
  BatchCursor(const TraceReader& trace, StepRange steps)
      : trace_(trace), last_(steps.last), block_{steps.first, steps.first}, cursors_(trace.request_count()) {}

  /// Moves on to the next block: so many steps that a lane's selections take about `lane_bytes`. False at the end. All
  /// lanes of the block before must have been decoded. A gap in which no request decodes is a block of its own.
  bool next_block(std::size_t lane_bytes) {
    block_.first = block_.last;
    if (block_.first == last_) {
      return false;
    }
    end_requests();
    start_requests();
    std::uint64_t steps = last_ - block_.first;
    for (std::uint32_t request = 0; request < cursors_.size(); ++request) {
      if (cursors_[request]) {
        // In this order: available steps are those of a chunk, which is loaded then.
        steps = std::min(steps, cursors_[request]->steps_available());
        steps = std::min(steps, cursors_[request]->steps_for(lane_bytes));
      } else if (start_of(request) > block_.first) {
        steps = std::min(steps, start_of(request) - block_.first);
      }
    }
    block_.last = block_.first + steps;
    for (const std::uint32_t request : active_) {
      cursors_[request]->begin_block(steps);
    }
    return true;
  }

  StepRange block() const noexcept { return block_; }
  /// Requests that decode in all steps of the block, ascending.
  std::span<const std::uint32_t> active() const noexcept { return active_; }
  /// Requests that ended where the block begins, or before the gap that comes before it; ascending.
  std::span<const std::uint32_t> ended() const noexcept { return ended_; }

  /// Decodes a lane of the block, once; different ones may be decoded at the same time. The request is active.
  void decode(std::uint32_t request, std::uint32_t layer, SelectionForms forms, SelectionBlock& block) {
    cursors_[request]->decode(layer, forms, block);
  }

 private:
  std::uint64_t start_of(std::uint32_t request) const noexcept { return trace_.header().requests[request].start_step; }

  void end_requests() {
    if (!active_.empty()) {  // nothing is replayed in a gap: those that ended before it are still to be told of
      ended_.clear();
    }
    for (const std::uint32_t request : active_) {
      if (cursors_[request]->steps_available() == 0) {
        cursors_[request].reset();
        ended_.push_back(request);
      }
    }
  }

  void start_requests() {
    active_.clear();
    for (std::uint32_t request = 0; request < cursors_.size(); ++request) {
      const std::uint64_t start = start_of(request);
      const std::uint64_t steps = trace_.extent(request).steps;
      if (!cursors_[request] && block_.first >= start && block_.first - start < steps) {
        cursors_[request].emplace(trace_, request, block_.first - start, std::min(steps, last_ - start));
      }
      if (cursors_[request]) {
        active_.push_back(request);
      }
    }
  }

  const TraceReader& trace_;
  std::uint64_t last_;
  StepRange block_;
  std::vector<std::optional<BlockCursor>> cursors_;  ///< by request
  std::vector<std::uint32_t> active_;
  std::vector<std::uint32_t> ended_;
};

}  // namespace dsasim::trace
