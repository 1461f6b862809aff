#pragma once

#include "dsasim/cache/policy.hpp"

#include <array>
#include <string_view>

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
  static constexpr double access_ns = 4;
  static constexpr bool spares_used = true;
};

}  // namespace dsasim
