#pragma once

#include "analysis/metric.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace dsasim {

/// How many entries of the current selection lie in each page, and how many pages hold how many: kept up to date from
/// what starts and what ends.
class PageOccupancy {
 public:
  explicit PageOccupancy(std::uint32_t page_entries) : page_entries_(page_entries) {}

  std::uint64_t state_bytes(const StreamShape& shape) const {
    return (shape.id_limit / page_entries_ + 1) * sizeof(std::uint32_t);
  }

  void begin(const StreamShape& shape) {
    entries_.assign(shape.id_limit / page_entries_ + 1, 0);
    // A page may hold both what is about to end and what has started.
    pages_with_.assign(std::min<std::uint64_t>(page_entries_, 2 * std::uint64_t{shape.longest_selection}) + 1, 0);
  }

  void observe(const Observation& now) {
    for (const Started& entry : now.started) {
      std::uint32_t& entries = entries_[value(entry.id) / page_entries_];
      --pages_with_[entries];
      ++pages_with_[++entries];
    }
    for (const Ended& entry : now.ended) {
      std::uint32_t& entries = entries_[value(entry.id) / page_entries_];
      --pages_with_[entries];
      ++pages_with_[--entries];
    }
  }

  /// Pages that hold so many entries of the selection, by that number. That of 0 is not counted: it is meaningless.
  std::span<const std::uint64_t> pages_with() const noexcept { return pages_with_; }

  /// Why the trace has no pages of so many tokens; empty if it has.
  static std::string unavailable(const MetricSetup& setup, std::uint32_t page_tokens) {
    const std::string reason = setup.without_positions();
    return reason.empty() && page_tokens % setup.unit_tokens != 0
               ? fmt::format("{} tokens are no whole number of entries of {} tokens", page_tokens, setup.unit_tokens)
               : reason;
  }

 private:
  std::uint32_t page_entries_;
  std::vector<std::uint32_t> entries_;     ///< by page
  std::vector<std::uint64_t> pages_with_;  ///< by number of entries
};

}  // namespace dsasim
