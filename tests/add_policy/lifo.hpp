#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"

#include <array>
#include <string_view>

namespace dsasim {

/// Last in, first out. An example of a policy: no cache of entries wants it.
class Lifo {
 public:
  static constexpr std::string_view name = "lifo";
  static constexpr std::string_view sentence = "Evicts the entry that came in last; hits change nothing.";
  static constexpr std::string_view source = "an example of tests/add_policy";
  static constexpr std::array<PolicyParameter, 0> parameters{};
  static constexpr Replacement replacement = Replacement::per_access;
  static constexpr bool needs_future = false;
  static constexpr double slot_bytes = 0;

  explicit Lifo(const PolicySetup& /*setup*/) {}

  void on_hit(SlotId /*slot*/) noexcept {}
  bool admits() noexcept { return true; }
  SlotId victim() noexcept { return last_; }
  void on_fill(SlotId slot) noexcept { last_ = slot; }
  bool invariant() const { return true; }

 private:
  SlotId last_{};  ///< that was filled
};

}  // namespace dsasim
