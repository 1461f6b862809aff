#pragma once

#include "dsasim/types.hpp"
#include "dsasim/zeroed_array.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace dsasim {

/// What one layer of a request has selected so far: when each entry was selected last, and which were lately.
class Past {
 public:
  /// An entry that was not selected for more steps is no candidate any more.
  static constexpr std::uint64_t horizon_steps = 256;
  static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
  static constexpr double place_bytes = sizeof(std::uint64_t);  ///< for each id, where ids are selected

  /// Nothing is selected yet; every id is below the limit.
  void begin(std::uint64_t id_limit) {
    selected_at_.reset(id_limit);
    candidates_.clear();
    latest_.clear();
    steps_before_.clear();
    latest_step_ = never;
    kept_from_ = 0;
  }

  /// Steps only grow.
  void select(std::uint64_t step, std::span<const EntryId> ids) {
    if (step > kept_from_ + 2 * horizon_steps) {  // not at each step: most candidates stay
      drop_before(step - horizon_steps);
    }
    steps_before_.clear();
    for (const EntryId id : ids) {
      std::uint64_t& at = selected_at_[value(id)];
      steps_before_.push_back(at - 1);
      if (at == 0 || at - 1 < kept_from_) {
        candidates_.push_back(id);
      }
      at = step + 1;
    }
    latest_.assign(ids.begin(), ids.end());
    latest_step_ = step;
  }

  bool empty() const noexcept { return latest_step_ == never; }
  /// The last selection, in logged order, and its step.
  std::span<const EntryId> latest() const noexcept { return latest_; }
  std::uint64_t latest_step() const noexcept { return latest_step_; }

  /// At which they were selected last before that, in the same order, or `never`.
  std::span<const std::uint64_t> steps_before() const noexcept { return steps_before_; }

  /// At which the entry was selected last, or `never`.
  std::uint64_t last_step(EntryId id) const noexcept { return selected_at_[value(id)] - 1; }

  /// Where the horizon begins, once something is selected.
  std::uint64_t candidates_from() const noexcept { return latest_step_ - std::min(latest_step_, horizon_steps); }

  /// Calls f(id, step) for each entry that was selected within the horizon, with the step at which it was last.
  template <class F>
  void for_each_candidate(F&& f) const {
    const std::uint64_t from = candidates_from();
    for (const EntryId id : candidates_) {
      const std::uint64_t step = last_step(id);
      if (step >= from) {
        f(id, step);
      }
    }
  }

 private:
  void drop_before(std::uint64_t step) {
    kept_from_ = step;
    std::erase_if(candidates_, [this](EntryId id) { return last_step(id) < kept_from_; });
  }

  ZeroedArray<std::uint64_t> selected_at_;  ///< by id: one more than the step, 0 if it never was
  std::vector<EntryId> candidates_;         ///< those selected since kept_from_
  std::vector<EntryId> latest_;
  std::vector<std::uint64_t> steps_before_;  ///< by entry of the latest
  std::uint64_t latest_step_ = never;
  std::uint64_t kept_from_ = 0;  ///< step
};

}  // namespace dsasim
