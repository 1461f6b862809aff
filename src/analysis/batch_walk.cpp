#include "analysis/batch_walk.hpp"

#include <algorithm>

namespace dsasim {

BatchWalk::BatchWalk(const TraceReader& trace, AnalysedSteps steps)
    : trace_(trace), steps_(steps), cursors_(trace.request_count()) {}

bool BatchWalk::next() {
  do {
    if (decoding_ == 0) {
      steps_.first = next_start();  // a gap between two requests may be of any length
    }
    if (steps_.first >= steps_.last) {
      return false;
    }
    advance();
    ++steps_.first;
  } while (decoding_ < 2);
  return true;
}

void BatchWalk::advance() {
  decoding_ = 0;
  for (std::uint32_t request = 0; request < cursors_.size(); ++request) {
    auto& cursor = cursors_[request];
    const std::uint64_t start = trace_.header().requests[request].start_step;
    const std::uint64_t own_steps = trace_.extent(request).steps;
    if (!cursor && steps_.first >= start && steps_.first - start < own_steps) {
      cursor.emplace(trace_, request, steps_.first - start, std::min(own_steps, steps_.last - start));
    }
    if (cursor && !cursor->next()) {
      cursor.reset();
    }
    decoding_ += cursor ? 1U : 0U;
  }
}

/// The first step from the next one on at which a request decodes that does not now.
std::uint64_t BatchWalk::next_start() const {
  std::uint64_t earliest = steps_.last;
  for (std::uint32_t request = 0; request < cursors_.size(); ++request) {
    const std::uint64_t start = trace_.header().requests[request].start_step;
    if (start + trace_.extent(request).steps > steps_.first) {
      earliest = std::min(earliest, std::max(start, steps_.first));
    }
  }
  return earliest;
}

std::span<const std::span<const EntryId>> BatchWalk::selections(std::uint32_t layer) {
  selections_.clear();
  for (const auto& cursor : cursors_) {
    if (cursor) {
      const SelectionView selection = cursor->selection(layer);
      selections_.emplace_back(selection.ids, selection.size);
    }
  }
  return selections_;
}

}  // namespace dsasim
