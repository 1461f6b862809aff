#pragma once

#include "dsasim/cache/cache.hpp"
#include "dsasim/cache/policy.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace dsasim {

/// What foresee() told a cache, as numbers of its accesses.
class Foresight {
 public:
  /// The next uses of the entries that come next, one each.
  template <SeesFuture P>
  void foresee(std::span<const NextUse> next_uses, P& policy) {
    next_uses_.resize(next_uses.size());
    AccessNumber last = 0;
    for (std::size_t i = 0; i < next_uses.size(); ++i) {
      next_uses_[i] = next_uses[i] == never_again ? never_accessed : accesses_ + i + next_uses[i];
      last = std::max(last, next_uses[i] == never_again ? 0 : next_uses_[i]);
    }
    policy.on_foresee(last);
  }

  std::span<const AccessNumber> next_uses() const noexcept { return next_uses_; }

  /// So many accesses were made.
  void pass(std::size_t accesses) noexcept { accesses_ += accesses; }

 private:
  std::vector<AccessNumber> next_uses_;
  AccessNumber accesses_ = 0;
};

}  // namespace dsasim
