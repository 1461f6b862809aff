#pragma once

#include "llc/set_policy.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace dsasim {

/// A binary tree over the ways of a set, with a bit in each node that points to the half that was used less recently.
/// Node 1 is the root, 2n and 2n + 1 are the halves of n; bit n of a set's word is node n's, 1 for the upper half.
class TreePlruSets {
 public:
  explicit TreePlruSets(const SetShape& shape) : all_ways_(shape.all_ways()), ways_(shape.ways), bits_(shape.sets, 0) {
    for (std::uint32_t way = 0; way < ways_; ++way) {
      for (std::uint32_t node = ways_ + way; node > 1; node /= 2) {
        path_[way] |= 1U << (node / 2);
        away_[way] |= (node % 2 == 0 ? 1U : 0U) << (node / 2);
      }
    }
  }

  void on_hit(std::uint32_t set, std::uint32_t way) noexcept { bits_[set] = pointing_away(bits_[set], way); }
  void on_fill(std::uint32_t set, std::uint32_t way) noexcept { on_hit(set, way); }

  /// Follows the bits; where one half has no candidate, into the other.
  std::uint32_t victim(std::uint32_t set, WayMask candidates) noexcept { return leaf(bits_[set], candidates); }

  std::uint32_t min_sweep(WayMask candidates) const noexcept { return candidates == all_ways_ ? ways_ : 2 * ways_; }

  /// A node with candidates in both halves takes turns: one at depth d has a period of 2^(d+1) fills, and all together
  /// one of as many fills as there are ways, in which each candidate is filled. Whole periods are left out.
  Swept sweep(std::uint32_t set, std::uint64_t fills, WayMask candidates) noexcept {
    const auto rest = static_cast<std::uint32_t>(fills % ways_);
    return candidates == all_ways_ ? sweep_all(bits_[set], rest) : sweep_some(bits_[set], rest, candidates);
  }

 private:
  /// One period and `rest` fills.
  Swept sweep_all(std::uint32_t& bits, std::uint32_t rest) const noexcept {
    const std::uint32_t before = bits;
    Swept swept;
    swept.replaced = all_ways_;
    for (std::uint32_t fill = 0; fill < ways_; ++fill) {
      std::uint32_t node = 1;
      for (std::uint32_t turns = fill; node < ways_; turns /= 2) {
        node = 2 * node + ((before >> node ^ turns) & 1U);
      }
      const std::uint32_t way = node - ways_;
      const bool twice = fill < rest;
      bits = twice ? pointing_away(bits, way) : bits;
      swept.age[way] = rest - 1 - fill + (twice ? 0 : ways_);
    }
    return swept;
  }

  /// Two periods and `rest` fills, one by one: a node that is forced against its bit is so only in the first.
  Swept sweep_some(std::uint32_t& bits, std::uint32_t rest, WayMask candidates) const noexcept {
    Swept swept;
    for (std::uint32_t age = 2 * ways_ + rest; age-- > 0;) {
      const std::uint32_t way = leaf(bits, candidates);
      bits = pointing_away(bits, way);
      swept.replaced |= 1U << way;
      swept.age[way] = age;
    }
    return swept;
  }

  std::uint32_t pointing_away(std::uint32_t bits, std::uint32_t way) const noexcept {
    return (bits & ~path_[way]) | away_[way];
  }

  std::uint32_t leaf(std::uint32_t bits, WayMask candidates) const noexcept {
    std::uint32_t node = 1;
    if (candidates == all_ways_) {
      while (node < ways_) {
        node = 2 * node + (bits >> node & 1U);
      }
      return node - ways_;
    }
    std::uint32_t half = ways_ / 2;
    std::uint32_t first = 0;
    for (; half > 0; half /= 2) {
      const WayMask lower = ((1U << half) - 1) << first;
      const WayMask upper = lower << half;
      const bool go_up = (candidates & upper) != 0 && ((candidates & lower) == 0 || (bits >> node & 1U) != 0);
      node = 2 * node + (go_up ? 1 : 0);
      first += go_up ? half : 0;
    }
    return first;
  }

  WayMask all_ways_;
  std::uint32_t ways_;
  std::array<std::uint32_t, max_llc_ways> path_{};  ///< by way: the nodes above it
  std::array<std::uint32_t, max_llc_ways> away_{};  ///< and what their bits are when each points away from it
  std::vector<std::uint32_t> bits_;
};

}  // namespace dsasim
