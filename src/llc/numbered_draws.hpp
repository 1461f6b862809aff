#pragma once

#include "dsasim/xoshiro.hpp"
#include "llc/set_policy.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace dsasim {

/// Ways drawn at random. Draw j in set s is the j-th number of a SplitMix64 of that set, whatever was drawn before: so
/// the outcome of a long run of draws is known from its end. (A way's chance differs from the others' by at most
/// 2^-27.)
class NumberedDraws {
 public:
  NumberedDraws(std::uint32_t sets, std::uint64_t seed) : seed_(seed), drawn_(sets, 0) {}

  std::uint32_t draw(std::uint32_t set, WayMask candidates) noexcept {
    std::uint32_t place = place_of(seed_of(set), drawn_[set]++, static_cast<std::uint32_t>(std::popcount(candidates)));
    for (; place > 0; --place) {
      candidates &= candidates - 1;
    }
    return static_cast<std::uint32_t>(std::countr_zero(candidates));
  }

  /// So many draws at once, looked at from the last one backwards until every candidate has come up.
  Sweep sweep(std::uint32_t set, std::uint64_t draws, WayMask candidates) noexcept {
    std::array<std::uint8_t, max_llc_ways> ways{};
    std::uint32_t count = 0;
    for (WayMask rest = candidates; rest != 0; rest &= rest - 1) {
      ways[count++] = static_cast<std::uint8_t>(std::countr_zero(rest));
    }
    const std::uint64_t seed = seed_of(set);
    drawn_[set] += draws;
    Sweep swept;
    for (std::uint32_t age = 0; age < draws && swept.replaced != candidates; ++age) {
      const std::uint32_t way = ways[place_of(seed, drawn_[set] - 1 - age, count)];
      if ((swept.replaced >> way & 1U) == 0) {
        swept.replaced |= 1U << way;
        swept.age[way] = age;
      }
    }
    return swept;
  }

 private:
  std::uint64_t seed_of(std::uint32_t set) const noexcept { return SplitMix64::after(seed_, set); }

  static std::uint32_t place_of(std::uint64_t seed, std::uint64_t number, std::uint32_t count) noexcept {
    return static_cast<std::uint32_t>((SplitMix64::after(seed, number) >> 32U) * count >> 32U);
  }

  std::uint64_t seed_;
  std::vector<std::uint64_t> drawn_;
};

}  // namespace dsasim
