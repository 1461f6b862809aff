#pragma once

#include "dsasim/replay/replay.hpp"
#include "dsasim/zeroed_array.hpp"
#include "replay/directory_layout.hpp"

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// Refreshes that residents need between their uses. A use writes a row anew, as putting it in does: one that is used
/// every g steps needs ceil(g / retention) - 1 refreshes between two uses.
class Retention {
 public:
  Retention(const DirectoryLayout& layout, double retention_steps, std::uint64_t first_step)
      : retention_steps_(retention_steps), first_step_(first_step) {
    last_use_.reserve(layout.caches.size());
    for (const auto& cache : layout.caches) {
      last_use_.emplace_back(cache.directory_entries);
    }
  }

  /// Puts an entry in without an access. What was there before the first step was put in at that.
  void insert(const DirectoryLayout::Stream& stream, std::uint64_t step, EntryId entry) noexcept {
    last_use_[stream.cache][stream.base + value(entry)] = since_first(step);
  }

  /// A selection, or the union of a step's, and those of its entries that were missed.
  void select(const DirectoryLayout::Stream& stream, std::uint64_t step, std::span<const EntryId> ids,
              std::span<const EntryId> missed, RetentionCounts& counts) noexcept {
    ZeroedArray<std::uint32_t>& last_use = last_use_[stream.cache];
    const std::uint32_t now = since_first(step);
    counts.hits += ids.size() - missed.size();
    counts.retained += ids.size() - missed.size();
    for (const EntryId entry : missed) {
      last_use[stream.base + value(entry)] = now;
    }
    for (const EntryId entry : ids) {
      std::uint32_t& last = last_use[stream.base + value(entry)];
      const std::uint32_t idle = now - last;  // 0 of those that were missed
      last = now;
      const std::uint64_t refreshes = refreshes_of(idle);
      counts.idle_steps += idle;
      counts.refreshes += refreshes;
      counts.retained -= refreshes == 0 ? 0 : 1;
    }
  }

 private:
  std::uint32_t since_first(std::uint64_t step) const noexcept {
    return static_cast<std::uint32_t>(step - first_step_);
  }
  std::uint64_t refreshes_of(std::uint32_t idle_steps) const noexcept {
    return static_cast<double>(idle_steps) <= retention_steps_
               ? 0
               : static_cast<std::uint64_t>(std::ceil(static_cast<double>(idle_steps) / retention_steps_)) - 1;
  }

  double retention_steps_;
  std::uint64_t first_step_;
  std::vector<ZeroedArray<std::uint32_t>> last_use_;  ///< by cache and place in its directory, in steps from the first
};

}  // namespace dsasim
