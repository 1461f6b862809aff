#pragma once

#include "dsasim/xoshiro.hpp"
#include "llc/set_policy.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace dsasim {

/// Ways drawn at random. Draw j in set s is the j-th number of a generator of that set, which is seeded with the s-th
/// number of another, whatever came of the draws before: so the outcome of a long run of draws is known from its end.
/// (A way's chance differs from the others' by at most 2^-27.)
class NumberedDraws {
 public:
  NumberedDraws(std::uint32_t sets, std::uint64_t seed) {
    SplitMix64 seeds(seed);
    generators_.reserve(sets);
    for (std::uint32_t set = 0; set < sets; ++set) {
      generators_.emplace_back(seeds.next());
    }
  }

  std::uint32_t draw(std::uint32_t set, WayMask candidates) noexcept {
    std::uint32_t place = place_of(generators_[set].next(), static_cast<std::uint32_t>(std::popcount(candidates)));
    if ((candidates & (candidates + 1)) == 0) {  // the first ways
      return place;
    }
    for (; place > 0; --place) {
      candidates &= candidates - 1;
    }
    return static_cast<std::uint32_t>(std::countr_zero(candidates));
  }

  /// So many draws at once, looked at from the last one backwards until every candidate has come up.
  Swept sweep(std::uint32_t set, std::uint64_t draws, WayMask candidates) noexcept {
    std::array<std::uint8_t, max_llc_ways> ways{};
    std::uint32_t count = 0;
    for (WayMask rest = candidates; rest != 0; rest &= rest - 1) {
      ways[count++] = static_cast<std::uint8_t>(std::countr_zero(rest));
    }
    generators_[set].skip(draws);
    Swept swept;
    for (std::uint32_t age = 0; age < draws && swept.replaced != candidates; ++age) {
      SplitMix64 earlier = generators_[set];
      earlier.skip(~std::uint64_t{age});  // 0 - (age + 1)
      const std::uint32_t way = ways[place_of(earlier.next(), count)];
      const bool later_too = (swept.replaced >> way & 1U) != 0;
      swept.age[way] = later_too ? swept.age[way] : age;
      swept.replaced |= 1U << way;
    }
    return swept;
  }

 private:
  static std::uint32_t place_of(std::uint64_t drawn, std::uint32_t count) noexcept {
    return static_cast<std::uint32_t>((drawn >> 32U) * count >> 32U);
  }

  std::vector<SplitMix64> generators_;
};

}  // namespace dsasim
