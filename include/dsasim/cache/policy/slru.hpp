#pragma once

#include "dsasim/cache/linked_lists.hpp"
#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dsasim {

/// Segmented LRU: an entry comes into a probationary segment and moves to a protected one when it is hit. What the
/// protected segment has no room for goes back to the probationary one as its newest. The oldest of the probationary
/// segment is evicted; if there is none, that of the protected one.
class Slru {
 public:
  static constexpr std::string_view name = "slru";
  static constexpr std::string_view sentence =
      "LRU in two segments: an entry that is hit is protected, the oldest that is not protected is evicted.";
  static constexpr std::string_view source = "Karedla, Love, Wherry, IEEE Computer 27(3), 1994";
  static constexpr std::array parameters{
      atomic_parameter, PolicyParameter{"share", "0.8", "0.0..1.0", "the protected segment's share of the capacity"}};
  static constexpr double access_ns = 8;
  static constexpr double slot_bytes = LinkedLists::node_bytes;
  static constexpr double place_bytes = 0;

  explicit Slru(const PolicySetup& setup)
      : most_protected_(share_of(setup.capacity_entries, decimal_value(setup.spec, "share"))),
        queues_(setup.capacity_entries, 2) {}

  void on_hit(Access access) noexcept {
    queues_.move(protected_segment, value(access.slot));
    if (queues_.size(protected_segment) > most_protected_) {
      queues_.move(probation, queues_.oldest(protected_segment));
    }
  }

  template <class Spared>
  std::uint32_t victim(std::uint32_t /*key*/, const Spared& spared) noexcept {
    const std::uint32_t slot = queues_.oldest(probation, spared);
    return slot != LinkedLists::none ? slot : queues_.oldest(protected_segment, spared);
  }

  void on_evict(Access access) noexcept { queues_.remove(value(access.slot)); }
  void on_forget(Access access) noexcept { queues_.remove(value(access.slot)); }
  void on_fill(Access access) noexcept { queues_.push(probation, value(access.slot)); }
  void on_end() noexcept {}
  bool invariant() const { return queues_.invariant() && queues_.size(protected_segment) <= most_protected_; }

 private:
  static constexpr std::uint32_t probation = 0;
  static constexpr std::uint32_t protected_segment = 1;

  std::size_t most_protected_;
  LinkedLists queues_;
};

}  // namespace dsasim
