#pragma once

#include <cstdint>

namespace dsasim {

/// Remainders by a number that is known once, without a division: the quotient by its reciprocal is right or one too
/// small.
class Modulo {
 public:
  explicit Modulo(std::uint32_t divisor) noexcept : divisor_(divisor), reciprocal_(~std::uint64_t{0} / divisor) {}

  std::uint32_t operator()(std::uint64_t number) const noexcept {
    __extension__ using Wide = unsigned __int128;
    const auto quotient = static_cast<std::uint64_t>(Wide{number} * reciprocal_ >> 64U);
    const std::uint64_t remainder = number - quotient * divisor_;
    return static_cast<std::uint32_t>(remainder >= divisor_ ? remainder - divisor_ : remainder);
  }

 private:
  std::uint64_t divisor_;
  std::uint64_t reciprocal_;  ///< 2^64 / divisor, rounded down or one less
};

}  // namespace dsasim
