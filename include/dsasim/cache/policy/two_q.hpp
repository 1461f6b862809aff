#pragma once

#include "dsasim/cache/linked_lists.hpp"
#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dsasim {

/// 2Q, the full version: a FIFO of new entries (A1in), ghosts of those that left it (A1out), and an LRU list (Am) of
/// entries that came in again while they were ghosts. A hit in A1in changes nothing. A1in is evicted from while it has
/// more than its share.
///
/// Where all of the list to take from is spared, the other one is taken from.
class TwoQ {
 public:
  static constexpr std::string_view name = "2q";
  static constexpr std::string_view sentence =
      "New entries pass a FIFO queue; those missed again soon after they left it live in an LRU list.";
  static constexpr std::string_view source = "Johnson and Shasha, VLDB 1994";
  static constexpr std::array parameters{
      atomic_parameter, PolicyParameter{"in", "0.25", "0.0..1.0", "the FIFO queue's share of the capacity (Kin)"},
      PolicyParameter{"out", "0.5", "0.0..1.0", "ghosts, as a share of the capacity (Kout)"}};
  static constexpr double access_ns = 8;
  static constexpr double slot_bytes = LinkedLists::node_bytes;
  static constexpr double place_bytes = LinkedLists::node_bytes;

  explicit TwoQ(const PolicySetup& setup)
      : most_in_(share_of(setup.capacity_entries, decimal_value(setup.spec, "in"))),
        most_out_(share_of(setup.capacity_entries, decimal_value(setup.spec, "out"))),
        queues_(setup.capacity_entries, 2),
        ghosts_(setup.directory_entries, 1) {}

  void on_hit(Access access) noexcept {
    if (queues_.contains(often, value(access.slot))) {
      queues_.move(often, value(access.slot));
    }
  }

  template <class Spared>
  std::uint32_t victim(std::uint32_t key, const Spared& spared) noexcept {
    came_back_ = ghosts_.take(0, key);  // before a key that becomes a ghost drives it out
    const bool from_in = queues_.size(in) > most_in_;
    const std::uint32_t slot = queues_.oldest(from_in ? in : often, spared);
    return slot != LinkedLists::none ? slot : queues_.oldest(from_in ? often : in, spared);
  }

  void on_evict(Access access) noexcept {
    const bool from_in = queues_.contains(in, value(access.slot));
    queues_.remove(value(access.slot));
    if (from_in && most_out_ > 0) {
      if (ghosts_.size(0) == most_out_) {
        ghosts_.remove(ghosts_.oldest(0));
      }
      ghosts_.push(0, access.key);
    }
  }

  void on_forget(Access access) noexcept { queues_.remove(value(access.slot)); }
  void on_forget_departed(std::uint32_t key) noexcept { ghosts_.take(0, key); }

  void on_fill(Access access) noexcept {
    // Where entries were forgotten there may be room, and no victim() before this.
    came_back_ = ghosts_.take(0, access.key) || came_back_;
    queues_.push(came_back_ ? often : in, value(access.slot));
    came_back_ = false;
  }

  void on_end() noexcept {}

  bool invariant() const { return queues_.invariant() && ghosts_.invariant() && ghosts_.size(0) <= most_out_; }

 private:
  static constexpr std::uint32_t in = 0;     ///< A1in
  static constexpr std::uint32_t often = 1;  ///< Am

  std::size_t most_in_;
  std::size_t most_out_;
  LinkedLists queues_;
  LinkedLists ghosts_;      ///< by key: A1out
  bool came_back_ = false;  ///< the entry that comes in was a ghost
};

}  // namespace dsasim
