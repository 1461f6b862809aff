#pragma once

#include "dsasim/trace/reader.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace dsasim {

/// Walks steps of the batch: each request from its start step until it ends. A request's cursor, and the memory that it
/// decodes into, exist only while the request decodes.
class BatchCursor {
 public:
  /// Steps of the batch before `last`.
  BatchCursor(const TraceReader& trace, std::uint64_t last)
      : trace_(trace), last_(last), cursors_(trace.request_count()) {}

  /// Moves to `step`, the one after the last call's; any later one if idle() or at first.
  void advance(std::uint64_t step) {
    for (std::uint32_t request = 0; request < cursors_.size(); ++request) {
      auto& cursor = cursors_[request];
      const std::uint64_t start = start_of(request);
      const std::uint64_t steps = trace_.extent(request).steps;
      if (!cursor && step >= start && step - start < steps) {
        cursor.emplace(trace_, request, step - start, std::min(steps, last_ - start));
      }
      if (cursor && !cursor->next()) {
        cursor.reset();
      }
    }
  }

  /// The steps from `step`, the current one, on which all requests have decoded and in which the same ones decode.
  std::uint64_t steps_together(std::uint64_t step) const {
    std::uint64_t together = last_ - step;
    for (std::uint32_t request = 0; request < cursors_.size(); ++request) {
      if (cursors_[request]) {
        together = std::min(together, cursors_[request]->steps_ready());
      } else if (start_of(request) > step) {
        together = std::min(together, start_of(request) - step);
      }
    }
    return together;
  }

  /// True in a gap in which no request decodes.
  bool idle() const noexcept {
    return std::none_of(cursors_.begin(), cursors_.end(), [](const auto& cursor) { return cursor.has_value(); });
  }

  bool decodes(std::uint32_t request) const noexcept { return cursors_[request].has_value(); }

  /// Of a request that decodes; see RequestCursor.
  SelectionView selection(std::uint32_t request, std::uint32_t layer, std::uint64_t ahead = 0) const noexcept {
    return cursors_[request]->selection(layer, ahead);
  }

 private:
  std::uint64_t start_of(std::uint32_t request) const noexcept { return trace_.header().requests[request].start_step; }

  const TraceReader& trace_;
  std::uint64_t last_;
  std::vector<std::optional<RequestCursor>> cursors_;  ///< by request
};

}  // namespace dsasim
