#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace dsasim {

/// How many entries were last selected at which step, with sums over the latest steps: a Fenwick tree over slots, one
/// for each step. When the slots are used up, those of steps that no entry is left at are dropped, so that there are
/// never many more than entries.
class RecencyCounts {
 public:
  void reset() {
    steps_.clear();
    counts_.clear();
    total_ = 0;
    rebuild();
  }

  /// `count` entries were last selected at `step`, a later one than any before.
  void append(std::uint32_t step, std::uint32_t count) {
    if (steps_.size() == tree_.size() - 1) {
      drop_empty();
    }
    steps_.push_back(step);
    counts_.push_back(0);
    change(steps_.size() - 1, count);
  }

  /// One of the entries of a step that was appended is no longer there.
  void remove(std::uint32_t step) { change(slot_of(step), std::uint64_t{0} - 1); }

  /// Entries last selected at `step`, which was appended, or later.
  std::uint64_t since(std::uint32_t step) const noexcept {
    std::uint64_t before = 0;
    for (std::size_t at = slot_of(step); at > 0; at &= at - 1) {
      before += tree_[at];
    }
    return total_ - before;
  }

 private:
  static constexpr std::size_t least_slots = 1024;

  /// Of late steps every slot is there, so that the place follows from the distance; earlier ones are searched for.
  std::size_t slot_of(std::uint32_t step) const noexcept {
    const std::size_t back = steps_.back() - step;
    if (back < steps_.size() && steps_[steps_.size() - 1 - back] == step) {
      return steps_.size() - 1 - back;
    }
    return static_cast<std::size_t>(std::lower_bound(steps_.begin(), steps_.end(), step) - steps_.begin());
  }

  void change(std::size_t slot, std::uint64_t by) noexcept {
    counts_[slot] += by;
    total_ += by;
    for (std::size_t at = slot + 1; at < tree_.size(); at += at & (~at + 1)) {
      tree_[at] += by;
    }
  }

  void drop_empty() {
    std::size_t kept = 0;
    for (std::size_t slot = 0; slot < steps_.size(); ++slot) {
      if (counts_[slot] > 0) {
        steps_[kept] = steps_[slot];
        counts_[kept++] = counts_[slot];
      }
    }
    steps_.resize(kept);
    counts_.resize(kept);
    rebuild();
  }

  /// With at least as many free slots as used ones.
  void rebuild() {
    tree_.assign(std::max(least_slots, std::bit_ceil(2 * steps_.size())) + 1, 0);
    for (std::size_t slot = 0; slot < counts_.size(); ++slot) {
      for (std::size_t at = slot + 1; at < tree_.size(); at += at & (~at + 1)) {
        tree_[at] += counts_[slot];
      }
    }
  }

  std::vector<std::uint32_t> steps_;   ///< by slot, ascending
  std::vector<std::uint64_t> counts_;  ///< by slot
  std::vector<std::uint64_t> tree_;    ///< from 1
  std::uint64_t total_ = 0;
};

}  // namespace dsasim
