#pragma once

#include <cstdint>

namespace dsasim {

/// The float16 nearest to a number, ties to even; what is too large is infinite. NaN stays one.
std::uint16_t float16_from(double value) noexcept;
double double_from_float16(std::uint16_t bits) noexcept;

}  // namespace dsasim
