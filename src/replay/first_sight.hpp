#pragma once

#include "dsasim/zeroed_array.hpp"

#include <algorithm>
#include <cstdint>

namespace dsasim {

/// Tells ids that come for the first time from others, time after time, without clearing anything between.
class FirstSight {
 public:
  /// Of ids below the limit.
  explicit FirstSight(std::uint64_t id_limit) : seen_in_(id_limit) {}

  /// Forgets all.
  void begin() {
    if (++now_ == 0) {
      std::fill(seen_in_.begin(), seen_in_.end(), 0);
      now_ = 1;
    }
  }
  bool is_first(std::uint64_t id) noexcept {
    const bool first = seen_in_[id] != now_;
    seen_in_[id] = now_;
    return first;
  }

 private:
  ZeroedArray<std::uint32_t> seen_in_;  ///< by id: when it last came
  std::uint32_t now_ = 0;
};

}  // namespace dsasim
