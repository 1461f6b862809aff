#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"

#include <array>
#include <cstdint>
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
  static constexpr double access_ns = 3;
  static constexpr PolicyNeeds needs{};
  static constexpr double slot_bytes = 0;
  static constexpr double place_bytes = 0;

  explicit Lifo(const PolicySetup& /*setup*/) {}

  void on_hit(Access /*access*/) noexcept {}
  bool admits() noexcept { return true; }
  SlotId victim(std::uint32_t /*key*/) noexcept { return last_; }
  void on_evict(Access /*access*/) noexcept {}
  void on_fill(Access access) noexcept { last_ = access.slot; }
  bool invariant() const { return true; }

 private:
  SlotId last_{};  ///< that was filled
};

}  // namespace dsasim
