#pragma once

#include "llc/set_policy.hpp"
#include "llc/way_bytes.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace dsasim {

/// Static re-reference interval prediction, 2 bits, hit priority: Jaleel, Theobald, Steely, Emer: High performance
/// cache replacement using RRIP, ISCA 2010. A line comes in at 2 and goes to 0 when it is hit; the first way at 3 goes,
/// after all have been raised until there is one. Ways that may not go are not raised.
class SrripSets {
 public:
  explicit SrripSets(const SetShape& shape)
      : row_ways_(shape.row_ways()), intervals_(std::size_t{shape.sets} * row_ways_, distant) {}

  void on_hit(std::uint32_t set, std::uint32_t way) noexcept { intervals_of(set)[way] = 0; }
  void on_fill(std::uint32_t set, std::uint32_t way) noexcept { intervals_of(set)[way] = on_insertion; }

  std::uint32_t victim(std::uint32_t set, WayMask candidates) noexcept {
    std::uint8_t* intervals = intervals_of(set);
    std::uint8_t largest = distant;
    WayMask found = 0;
    for (; (found = ways_equal(intervals, row_ways_, largest) & candidates) == 0; --largest) {
    }
    if (largest != distant) {
      for_each(candidates, [&](std::uint32_t way) {
        intervals[way] = static_cast<std::uint8_t>(intervals[way] + (distant - largest));
      });
    }
    return static_cast<std::uint32_t>(std::countr_zero(found));
  }

  /// Every candidate has been replaced in a whole round: transient_fills and one round more.
  std::uint32_t min_sweep(WayMask candidates) const noexcept {
    return (distant + 1) * static_cast<std::uint32_t>(std::popcount(candidates));
  }

  /// Once every candidate is at 2, they are raised together and filled in ascending order, round after round.
  Swept sweep(std::uint32_t set, std::uint64_t fills, WayMask candidates) noexcept {
    std::uint8_t* intervals = intervals_of(set);
    const auto count = static_cast<std::uint32_t>(std::popcount(candidates));
    const auto filled_in_round = static_cast<std::uint32_t>((fills - transient_fills(intervals, candidates)) % count);
    Swept swept;
    swept.replaced = candidates;
    std::uint32_t place = 0;
    for_each(candidates, [&](std::uint32_t way) {
      const bool this_round = place < filled_in_round;
      swept.age[way] = filled_in_round - 1 - place + (this_round ? 0 : count);
      intervals[way] = this_round || filled_in_round == 0 ? on_insertion : distant;
      ++place;
    });
    return swept;
  }

 private:
  static constexpr std::uint8_t distant = 3;
  static constexpr std::uint8_t on_insertion = 2;

  template <class F>
  static void for_each(WayMask ways, F&& visit) {
    for (; ways != 0; ways &= ways - 1) {
      visit(static_cast<std::uint32_t>(std::countr_zero(ways)));
    }
  }

  /// Fills until every candidate is at 2: round r, of three, takes those that were at 3 - r or above, and those alone.
  static std::uint32_t transient_fills(const std::uint8_t* intervals, WayMask candidates) noexcept {
    std::uint32_t fills = 0;
    for_each(candidates, [&](std::uint32_t way) { fills += intervals[way]; });
    return fills;
  }

  std::uint8_t* intervals_of(std::uint32_t set) noexcept { return &intervals_[std::size_t{set} * row_ways_]; }

  std::uint32_t row_ways_;
  std::vector<std::uint8_t> intervals_;
};

}  // namespace dsasim
