#include "float16.hpp"

#include <bit>
#include <cmath>
#include <limits>

namespace dsasim {
namespace {

constexpr std::uint16_t sign_bit = 0x8000;
constexpr std::uint16_t infinity_bits = 0x7c00;
constexpr std::uint16_t nan_bits = 0x7e00;
constexpr int smallest_exponent = -14;  // of a normal float16; below, steps have the same size
constexpr int fraction_bits = 10;

}  // namespace

std::uint16_t float16_from(double value) noexcept {
  const std::uint16_t sign = std::signbit(value) ? sign_bit : std::uint16_t{0};
  const double size = std::fabs(value);
  const auto with_sign = [sign](unsigned bits) { return static_cast<std::uint16_t>(sign | bits); };
  if (std::isnan(value)) {
    return with_sign(nan_bits);
  }
  if (size >= 65520) {  // half a step above the largest, 65504
    return with_sign(infinity_bits);
  }
  if (size == 0) {
    return sign;
  }
  const int exponent = std::max(std::ilogb(size), smallest_exponent);
  // In steps of this exponent: exact, and below 2^11, so that nearbyint rounds ties to even. A carry into the next
  // exponent is the next number in the bits as well.
  const auto steps = static_cast<unsigned>(std::nearbyint(std::ldexp(size, fraction_bits - exponent)));
  const auto above_smallest = static_cast<unsigned>(exponent - smallest_exponent);
  return with_sign((above_smallest << unsigned{fraction_bits}) + steps);
}

double double_from_float16(std::uint16_t bits) noexcept {
  const auto exponent = static_cast<int>((bits >> unsigned{fraction_bits}) & 0x1fU);
  const auto fraction = static_cast<int>(bits & 0x3ffU);
  double size = 0;
  if (exponent == 0x1f) {
    size = fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
  } else if (exponent == 0) {
    size = std::ldexp(fraction, smallest_exponent - fraction_bits);
  } else {
    size = std::ldexp(fraction + 1024, exponent - 1 + smallest_exponent - fraction_bits);
  }
  return (bits & sign_bit) != 0 ? -size : size;
}

}  // namespace dsasim
