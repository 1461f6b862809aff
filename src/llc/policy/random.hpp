#pragma once

#include "llc/numbered_draws.hpp"
#include "llc/set_policy.hpp"

#include <cstdint>

namespace dsasim {

/// Each candidate goes with the same chance.
class RandomSets {
 public:
  explicit RandomSets(const SetShape& shape) : draws_(shape.sets, shape.seed) {}

  void on_hit(std::uint32_t /*set*/, std::uint32_t /*way*/) noexcept {}
  void on_fill(std::uint32_t /*set*/, std::uint32_t /*way*/) noexcept {}
  std::uint32_t victim(std::uint32_t set, WayMask candidates) noexcept { return draws_.draw(set, candidates); }
  std::uint32_t min_sweep(WayMask /*candidates*/) const noexcept { return 1; }
  Swept sweep(std::uint32_t set, std::uint64_t fills, WayMask candidates) noexcept {
    return draws_.sweep(set, fills, candidates);
  }

 private:
  NumberedDraws draws_;
};

}  // namespace dsasim
