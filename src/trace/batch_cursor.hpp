#pragma once

#include "dsasim/trace/reader.hpp"
#include "trace/block_cursor.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace dsasim::trace {

/// What decoding the steps takes at once, at most: of all requests that decode at the same time.
inline double decoding_bytes(const TraceReader& trace, StepRange steps) {
  std::vector<std::pair<std::uint64_t, double>> changes;  // at a step, by so many bytes
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    const std::uint64_t start = trace.header().requests[request].start_step;
    const std::uint64_t end = start + trace.extent(request).steps;
    if (end > start && start < steps.last && end > steps.first) {
      const double bytes = BlockCursor::bytes(trace, request);
      changes.insert(changes.end(), {{std::max(start, steps.first), bytes}, {end, -bytes}});
    }
  }
  std::sort(changes.begin(), changes.end());  // where one ends as another starts, the one that ends comes first
  double now = 0;
  double most = 0;
  for (const auto& [step, bytes] : changes) {
    now += bytes;
    most = std::max(most, now);
  }
  return most;
}

/// Walks steps of the batch in blocks, in each of which the same requests decode: each from its start step until it
/// ends. A request's cursor, and the memory that it decodes from, exist only while the request decodes; a block costs
/// what its own requests cost, however many others the trace has.
class BatchCursor {
 public:
  BatchCursor(const TraceReader& trace, StepRange steps)
      : trace_(trace), last_(steps.last), block_{steps.first, steps.first}, cursors_(trace.request_count()) {
    for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
      const std::uint64_t own_steps = trace.extent(request).steps;
      if (own_steps > 0 && start_of(request) < steps.last && start_of(request) + own_steps > steps.first) {
        waiting_.push_back(request);
      }
    }
    std::stable_sort(waiting_.begin(), waiting_.end(),
                     [this](std::uint32_t a, std::uint32_t b) { return start_of(a) < start_of(b); });
  }

  /// Moves on to the next block: so many steps that a lane's selections take about `lane_bytes`, and all selections of
  /// the block are at most `most_selections` (but those of one step). False at the end. All lanes of the block before
  /// must have been decoded. A gap in which no request decodes is a block of its own.
  bool next_block(std::size_t lane_bytes, std::uint64_t most_selections = default_selections) {
    end_requests();
    block_.first = block_.last;
    if (block_.first == last_) {
      return false;
    }
    start_requests();
    std::uint64_t steps = last_ - block_.first;
    if (next_waiting_ < waiting_.size()) {
      steps = std::min(steps, start_of(waiting_[next_waiting_]) - block_.first);
    }
    if (!active_.empty()) {
      const std::uint64_t selections = std::uint64_t{trace_.layer_count()} * active_.size();
      steps = std::min(steps, std::max<std::uint64_t>(most_selections / selections, 1));
    }
    for (const std::uint32_t request : active_) {
      // In this order: available steps are those of a chunk, which is loaded then.
      steps = std::min(steps, cursors_[request]->steps_available());
      steps = std::min(steps, cursors_[request]->steps_for(lane_bytes));
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
  /// What is kept of each takes some 100 bytes.
  static constexpr std::uint64_t default_selections = std::uint64_t{1} << 18U;

  std::uint64_t start_of(std::uint32_t request) const noexcept { return trace_.header().requests[request].start_step; }

  /// Also after the last block: a cursor checks a chunk once it is asked for what comes next.
  void end_requests() {
    if (!active_.empty()) {  // nothing is replayed in a gap: those that ended before it are still to be told of
      ended_.clear();
    }
    std::erase_if(active_, [this](std::uint32_t request) {
      if (cursors_[request]->steps_available() > 0) {
        return false;
      }
      cursors_[request].reset();
      ended_.push_back(request);
      return true;
    });
  }

  void start_requests() {
    const auto running = static_cast<std::ptrdiff_t>(active_.size());
    for (; next_waiting_ < waiting_.size() && start_of(waiting_[next_waiting_]) <= block_.first; ++next_waiting_) {
      const std::uint32_t request = waiting_[next_waiting_];
      const std::uint64_t start = start_of(request);
      cursors_[request] = std::make_unique<BlockCursor>(trace_, request, block_.first - start,
                                                        std::min(trace_.extent(request).steps, last_ - start));
      active_.push_back(request);
    }
    std::sort(active_.begin() + running, active_.end());
    std::inplace_merge(active_.begin(), active_.begin() + running, active_.end());
  }

  const TraceReader& trace_;
  std::uint64_t last_;
  StepRange block_;
  std::vector<std::unique_ptr<BlockCursor>> cursors_;  ///< by request
  std::vector<std::uint32_t> waiting_;                 ///< requests with steps in the range, by their start
  std::size_t next_waiting_ = 0;                       ///< the first in waiting_ that has not begun
  std::vector<std::uint32_t> active_;
  std::vector<std::uint32_t> ended_;
};

}  // namespace dsasim::trace
