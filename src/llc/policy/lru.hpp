#pragma once

#include "llc/set_policy.hpp"
#include "llc/way_bytes.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace dsasim {

/// The least recently used way goes. Each way has its rank in the set: 0 was used last.
class LruSets {
 public:
  explicit LruSets(const SetShape& shape)
      : all_ways_(shape.all_ways()),
        ways_(shape.ways),
        row_ways_(shape.row_ways()),
        last_rank_(static_cast<std::uint8_t>(shape.ways - 1)),
        ranks_(std::size_t{shape.sets} * row_ways_) {
    for (std::uint32_t set = 0; set < shape.sets; ++set) {
      refilled(set);
    }
  }

  /// All ways have new lines: way 0 the one that was used last, and so on.
  void refilled(std::uint32_t set) noexcept {
    std::uint8_t* ranks = ranks_of(set);
    std::iota(ranks, ranks + row_ways_, std::uint8_t{0});
  }

  void on_hit(std::uint32_t set, std::uint32_t way) noexcept { make_first(ranks_of(set), way); }
  void on_fill(std::uint32_t set, std::uint32_t way) noexcept { make_first(ranks_of(set), way); }

  std::uint32_t victim(std::uint32_t set, WayMask candidates) noexcept {
    const std::uint8_t* ranks = ranks_of(set);
    return candidates == all_ways_
               ? static_cast<std::uint32_t>(std::countr_zero(ways_equal(ranks, row_ways_, last_rank_)))
               : last_of(ranks, candidates);
  }

  std::uint32_t min_sweep(WayMask candidates) const noexcept {
    return static_cast<std::uint32_t>(std::popcount(candidates));
  }

  /// The candidates go in turns, the last of them first; ranks are turned by as many as that leaves over.
  Swept sweep(std::uint32_t set, std::uint64_t fills, WayMask candidates) noexcept {
    std::uint8_t* ranks = ranks_of(set);
    const auto turn = static_cast<std::uint32_t>(fills % min_sweep(candidates));
    return candidates == all_ways_ ? turn_all(ranks, turn) : turn_some(ranks, turn, candidates);
  }

 private:
  std::uint8_t* ranks_of(std::uint32_t set) noexcept { return &ranks_[std::size_t{set} * row_ways_]; }

  Swept turn_all(std::uint8_t* ranks, std::uint32_t turn) const noexcept {
    Swept swept;
    swept.replaced = all_ways_;
    const std::uint32_t ways = ways_;
    for (std::uint32_t way = 0; way < ways; ++way) {
      const std::uint32_t rank = ranks[way] + turn;
      swept.age[way] = rank < ways ? rank : rank - ways;
      ranks[way] = static_cast<std::uint8_t>(swept.age[way]);
    }
    return swept;
  }

  /// The others keep their order and come after the candidates.
  Swept turn_some(std::uint8_t* ranks, std::uint32_t turn, WayMask candidates) const noexcept {
    std::array<std::uint8_t, max_llc_ways> way_at{};  // by rank
    for (std::uint32_t way = 0; way < ways_; ++way) {
      way_at[ranks[way]] = static_cast<std::uint8_t>(way);
    }
    const std::uint32_t count = min_sweep(candidates);
    Swept swept;
    swept.replaced = candidates;
    std::uint32_t next_rank = turn;
    std::uint32_t next_other_rank = count;
    for (std::uint32_t rank = 0; rank < ways_; ++rank) {
      const std::uint32_t way = way_at[rank];
      if ((candidates >> way & 1U) != 0) {
        swept.age[way] = next_rank;
        ranks[way] = static_cast<std::uint8_t>(next_rank);
        next_rank = next_rank + 1 == count ? 0 : next_rank + 1;
      } else {
        ranks[way] = static_cast<std::uint8_t>(next_other_rank++);
      }
    }
    return swept;
  }

  void make_first(std::uint8_t* ranks, std::uint32_t way) const noexcept {
    if (ranks[way] != 0) {
      raise_below(ranks, row_ways_, ranks[way]);
    }
    ranks[way] = 0;
  }

  static std::uint32_t last_of(const std::uint8_t* ranks, WayMask candidates) noexcept {
    auto last = static_cast<std::uint32_t>(std::countr_zero(candidates));
    for (WayMask rest = candidates & (candidates - 1); rest != 0; rest &= rest - 1) {
      const auto way = static_cast<std::uint32_t>(std::countr_zero(rest));
      last = ranks[way] > ranks[last] ? way : last;
    }
    return last;
  }

  WayMask all_ways_;
  std::uint32_t ways_;
  std::uint32_t row_ways_;
  std::uint8_t last_rank_;
  std::vector<std::uint8_t> ranks_;
};

}  // namespace dsasim
