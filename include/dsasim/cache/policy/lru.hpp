#pragma once

#include "dsasim/cache/policy.hpp"

#include <array>
#include <string_view>

namespace dsasim {

/// Least recently used: a queue that each access joins again.
///
/// Mattson, Gecsei, Slutz, Traiger: Evaluation techniques for storage hierarchies, IBM Systems Journal 9(2), 1970.
class Lru {
 public:
  static constexpr std::string_view name = "lru";
  static constexpr std::string_view sentence = "Evicts the entry whose last access is longest ago.";
  static constexpr std::string_view source = "Mattson et al., IBM Systems Journal 9(2), 1970";
  static constexpr std::array<PolicyParameter, 0> parameters{};
  static constexpr Replacement replacement = Replacement::per_access;
  static constexpr double access_ns = 2;
  static constexpr bool evicts_least_recent = true;
};

}  // namespace dsasim
