#pragma once

#include <cmath>
#include <cstdint>

namespace dsasim {

/// Half up, as reports round: to whole nanoseconds, bytes, rows. `value` is not negative.
inline std::uint64_t rounded(double value) noexcept {
  return static_cast<std::uint64_t>(std::floor(value + 0.5));
}

}  // namespace dsasim
