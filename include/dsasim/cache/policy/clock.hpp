#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace dsasim {

/// CLOCK: a hand goes round the slots, spares those used since it last passed, and evicts the first that was not. New
/// entries come in with their bit at 0, behind the hand.
///
/// Corbato: A paging experiment with the Multics system, MIT Project MAC, 1968.
class Clock {
 public:
  static constexpr std::string_view name = "clock";
  static constexpr std::string_view sentence =
      "Goes round the slots, spares entries hit since the last round, evicts the first that was not.";
  static constexpr std::string_view source = "Corbato, MIT Project MAC, 1968";
  static constexpr std::array<PolicyParameter, 0> parameters{};
  static constexpr Replacement replacement = Replacement::per_access;
  static constexpr bool needs_future = false;

  explicit Clock(const PolicySetup& setup) : used_(setup.capacity_entries, 0) {}

  void on_hit(SlotId slot) noexcept { used_[value(slot)] = 1; }
  bool admits() noexcept { return true; }

  SlotId victim() noexcept {
    while (used_[hand_] != 0) {
      used_[hand_] = 0;
      hand_ = after(hand_);
    }
    return SlotId{static_cast<std::uint32_t>(hand_)};
  }

  /// With a full cache this steps past the victim; before that, the slots fill in order and the hand goes with them.
  void on_fill(SlotId slot) noexcept {
    used_[value(slot)] = 0;
    hand_ = after(value(slot));
  }

  bool invariant() const { return hand_ < used_.size(); }

 private:
  std::size_t after(std::size_t slot) const noexcept { return slot + 1 == used_.size() ? 0 : slot + 1; }

  std::vector<std::uint8_t> used_;  ///< by slot; a byte each, so that a hit is one store
  std::size_t hand_ = 0;
};

}  // namespace dsasim
