#pragma once

#include "dsasim/error.hpp"

#include <cmath>
#include <cstdint>
#include <string_view>

// Counts, bytes and times are unsigned integers of 64 bits. What a trace may hold keeps counts of accesses and rows
// well below 2^64 (docs/trace-format.md, "Limits"); bytes and times are products with what a user configures, and are
// computed with these: an overflow is an error that names the quantity, never a smaller number.

namespace dsasim {

[[noreturn]] inline void refuse_overflow(std::string_view quantity) {
  throw Error(fmt::format("{}: comes to 2^64 or more; expected less", quantity));
}

inline std::uint64_t checked_sum(std::uint64_t a, std::uint64_t b, std::string_view quantity) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) {
    refuse_overflow(quantity);
  }
  return sum;
}

inline std::uint64_t checked_product(std::uint64_t a, std::uint64_t b, std::string_view quantity) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) {
    refuse_overflow(quantity);
  }
  return product;
}

/// What was computed in 128 bits.
__extension__ inline std::uint64_t checked_narrow(unsigned __int128 value, std::string_view quantity) {
  if (value > ~std::uint64_t{0}) {
    refuse_overflow(quantity);
  }
  return static_cast<std::uint64_t>(value);
}

/// Half up, as reports round: to whole nanoseconds, bytes, rows. `value` is not negative.
inline std::uint64_t rounded(double value, std::string_view quantity) {
  constexpr double beyond = 18446744073709551616.0;  // 2^64
  const double whole = std::floor(value + 0.5);
  if (!(whole < beyond)) {  // infinity and NaN, too
    refuse_overflow(quantity);
  }
  return static_cast<std::uint64_t>(whole);
}

}  // namespace dsasim
