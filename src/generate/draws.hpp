#pragma once

#include "dsasim/xoshiro.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

// Random draws that come out the same on every machine: integers, and doubles in a fixed order. No libm, whose last
// bits differ.

namespace dsasim::synthesis {

/// log2 of a positive, normal number to about 1e-9: the exponent, and the series of atanh for the rest.
inline double log2_of(double value) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  constexpr std::uint64_t mantissa = (std::uint64_t{1} << 52U) - 1;
  const auto exponent = static_cast<double>(static_cast<std::int64_t>(bits >> 52U) - 1023);
  const auto in_1_2 = std::bit_cast<double>((bits & mantissa) | (std::uint64_t{1023} << 52U));
  constexpr double root_2 = 1.4142135623730951;
  const double s = (in_1_2 - root_2) / (in_1_2 + root_2);  // below 0.172 in size
  const double q = s * s;
  const double series = s * (1 + q * (1.0 / 3 + q * (1.0 / 5 + q * (1.0 / 7 + q * (1.0 / 9 + q * (1.0 / 11))))));
  constexpr double two_by_ln_2 = 2.8853900817779268;
  return exponent + 0.5 + two_by_ln_2 * series;
}

/// 2 to the power of a number above -1000 and below 1000.
inline double exp2_of(double value) noexcept {
  auto whole = static_cast<std::int64_t>(value);
  whole -= static_cast<std::int64_t>(static_cast<double>(whole) > value);
  constexpr double ln_2 = 0.6931471805599453;
  const double x = (value - static_cast<double>(whole)) * ln_2;
  double term = 1;
  double sum = 1;
  for (int i = 1; i < 14; ++i) {
    term = term * x / i;
    sum += term;
  }
  return sum * std::bit_cast<double>(static_cast<std::uint64_t>(whole + 1023) << 52U);
}

/// `base` above 0.
inline double power(double base, double exponent) noexcept {
  return exp2_of(exponent * log2_of(base));
}

class Draws {
 public:
  /// Independent sequences for different names (a request, a layer, ...) under one seed.
  Draws(std::uint64_t seed, std::uint64_t name) noexcept : words_(Xoshiro256::numbered(seed, name)) {}

  std::uint64_t bits64() noexcept { return words_.next(); }
  std::uint32_t bits32() noexcept { return static_cast<std::uint32_t>(words_.next() >> 32U); }
  std::uint32_t below(std::uint32_t bound) noexcept { return words_.below(bound); }

  /// Above 0 and below 1.
  double unit() noexcept { return (static_cast<double>(words_.next() >> 12U) + 0.5) * 0x1p-52; }

 private:
  Xoshiro256 words_;
};

/// A probability as a number that bits32() is below with that probability (in 2^-32ths; 1 is a 2^-32th short of it).
inline std::uint32_t threshold(double probability) noexcept {
  constexpr double most = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::min(probability * 0x1p32, most));
}

/// 64 bits, each of them 1 with a probability of `sixteenth` / 2^16, which is below 1: the binary digits of the
/// probability from the last on, each deciding between "or" and "and" with a random word.
inline std::uint64_t random_mask(Draws& draws, std::uint32_t sixteenth) noexcept {
  std::uint64_t mask = 0;
  for (auto bit = static_cast<unsigned>(std::countr_zero(sixteenth)); bit < 16; ++bit) {
    const std::uint64_t word = draws.bits64();
    mask = ((sixteenth >> bit) & 1U) != 0 ? mask | word : mask & word;
  }
  return mask;
}

/// Visits each of 0 .. count - 1 with a probability that is not small, to 2^-17.
template <class Visit>
void visit_many(Draws& draws, std::uint64_t count, double probability, Visit&& visit) {
  constexpr std::uint32_t one = 1U << 16U;
  const auto sixteenth = static_cast<std::uint32_t>(std::lround(std::min(probability, 1.0) * one));
  for (std::uint64_t first = 0; first < count; first += 64) {
    std::uint64_t mask = sixteenth >= one ? ~std::uint64_t{0} : random_mask(draws, sixteenth);
    if (count - first < 64) {
      mask &= (std::uint64_t{1} << (count - first)) - 1;
    }
    for (; mask != 0; mask &= mask - 1) {
      visit(first + static_cast<std::uint64_t>(std::countr_zero(mask)));
    }
  }
}

/// Visits each of 0 .. count - 1 with the same probability. A small one: by drawing the distances between those
/// visited, which takes time for each of them. Otherwise by masks, which take time for all.
template <class Visit>
void visit_some(Draws& draws, std::uint64_t count, double probability, Visit&& visit) {
  constexpr double small = 0.03;
  if (probability >= small && count > 8) {
    visit_many(draws, count, probability, visit);
    return;
  }
  if (!(probability > 0x1p-40) || count == 0) {
    return;
  }
  const double scale = probability < 1 ? 1 / log2_of(1 - probability) : 0;
  const auto limit = static_cast<double>(count);
  std::uint64_t at = 0;
  for (;;) {
    const double skipped = log2_of(draws.unit()) * scale;
    if (!(skipped < limit)) {
      return;
    }
    at += static_cast<std::uint64_t>(skipped);
    if (at >= count) {
      return;
    }
    visit(at);
    ++at;
  }
}

}  // namespace dsasim::synthesis
