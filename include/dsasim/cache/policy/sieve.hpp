#pragma once

#include "dsasim/cache/linked_lists.hpp"
#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace dsasim {

/// SIEVE: a queue in the order of insertion, and a hand that goes from the oldest to the newest, spares what was hit
/// since it last came by, without moving it, and evicts the first that was not. Unlike CLOCK's, new entries join at the
/// queue's end and not behind the hand.
class Sieve {
 public:
  static constexpr std::string_view name = "sieve";
  static constexpr std::string_view sentence =
      "A hand passes a queue from oldest to newest, spares what was hit without moving it, evicts the first not hit.";
  static constexpr std::string_view source = "Zhang et al., NSDI 2024";
  static constexpr std::array parameters{atomic_parameter};
  static constexpr double access_ns = 8;
  static constexpr double slot_bytes = LinkedLists::node_bytes + 1;
  static constexpr double place_bytes = 0;

  explicit Sieve(const PolicySetup& setup) : queue_(setup.capacity_entries, 1), visited_(setup.capacity_entries) {}

  void on_hit(Access access) noexcept { visited_[value(access.slot)] = 1; }

  template <class Spared>
  std::uint32_t victim(std::uint32_t /*key*/, const Spared& spared) noexcept {
    std::uint32_t at = hand_ == LinkedLists::none ? queue_.oldest(0) : hand_;
    while (visited_[at] != 0 || spared(at)) {
      visited_[at] = 0;
      at = queue_.newer(at) == LinkedLists::none ? queue_.oldest(0) : queue_.newer(at);
    }
    hand_ = queue_.newer(at);
    return at;
  }

  void on_evict(Access access) noexcept { queue_.remove(value(access.slot)); }

  /// A hand that is at the entry goes on as if it had evicted it.
  void on_forget(Access access) noexcept {
    hand_ = hand_ == value(access.slot) ? queue_.newer(hand_) : hand_;
    queue_.remove(value(access.slot));
  }

  void on_fill(Access access) noexcept {
    visited_[value(access.slot)] = 0;
    queue_.push(0, value(access.slot));
  }

  void on_end() noexcept {}

  bool invariant() const { return queue_.invariant(); }

 private:
  LinkedLists queue_;
  std::vector<std::uint8_t> visited_;  ///< by slot
  std::uint32_t hand_ = LinkedLists::none;
};

}  // namespace dsasim
