#pragma once

#include "dsasim/cache/linked_lists.hpp"
#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dsasim {

/// ARC: LRU lists of what was accessed once and more often, T1 and T2, and ghosts of what left them, B1 and B2. A miss
/// that hits a ghost moves the target size of T1 towards the list that it would have needed.
///
/// Names are the paper's. Where all of the list to take from is spared, the other one is taken from.
class Arc {
 public:
  static constexpr std::string_view name = "arc";
  static constexpr std::string_view sentence =
      "Two LRU lists, of entries accessed once and more often, whose sizes follow misses that a longer list had "
      "spared.";
  static constexpr std::string_view source = "Megiddo and Modha, FAST 2003";
  static constexpr std::array parameters{atomic_parameter};
  static constexpr double access_ns = 10;
  static constexpr double slot_bytes = LinkedLists::node_bytes;
  static constexpr double place_bytes = LinkedLists::node_bytes;

  explicit Arc(const PolicySetup& setup)
      : capacity_entries_(setup.capacity_entries),
        lists_(setup.capacity_entries, 2),
        ghosts_(setup.directory_entries, 2) {}

  void on_hit(Access access) noexcept { lists_.move(t2, value(access.slot)); }

  template <class Spared>
  std::uint32_t victim(std::uint32_t key, const Spared& spared) noexcept {
    is_announced_ = true;
    becomes_ghost_ = lists_.size(t1) < capacity_entries_ || ghosts_.contains(b2, key);  // B1 has no room then
    if (!becomes_ghost_) {
      return first_of(t1, t2, spared);
    }
    announce(key);
    const auto once = static_cast<double>(lists_.size(t1));
    const bool from_t1 = lists_.size(t1) > 0 && (once > target_ || (ghosts_.contains(b2, key) && once >= target_));
    return first_of(from_t1 ? t1 : t2, from_t1 ? t2 : t1, spared);
  }

  void on_evict(Access access) noexcept {
    const std::uint32_t ghosts = lists_.contains(t1, value(access.slot)) ? b1 : b2;
    lists_.remove(value(access.slot));
    if (becomes_ghost_) {
      ghosts_.push(ghosts, access.key);
    }
  }

  void on_forget(Access access) noexcept { lists_.remove(value(access.slot)); }
  void on_forget_departed(std::uint32_t key) noexcept {
    ghosts_.take(b1, key);
    ghosts_.take(b2, key);
  }

  void on_fill(Access access) noexcept {
    if (!is_announced_) {  // there is room
      announce(access.key);
    }
    is_announced_ = false;
    const bool is_ghost = ghosts_.contains(b1, access.key) || ghosts_.contains(b2, access.key);
    if (is_ghost) {
      ghosts_.remove(access.key);
    }
    lists_.push(is_ghost ? t2 : t1, value(access.slot));
  }

  void on_end() noexcept {}

  bool invariant() const {
    return lists_.invariant() && ghosts_.invariant() && ghosts_.size(b1) + ghosts_.size(b2) <= capacity_entries_ &&
           target_ >= 0 && target_ <= static_cast<double>(capacity_entries_);
  }

 private:
  static constexpr std::uint32_t t1 = 0;
  static constexpr std::uint32_t t2 = 1;
  static constexpr std::uint32_t b1 = 0;
  static constexpr std::uint32_t b2 = 1;

  /// A miss, before anything leaves: moves the target if the key is a ghost. If it is none, makes place for it in L1
  /// (T1 and B1), or in both lists. Where entries were forgotten there may be room, and ghosts all the same.
  void announce(std::uint32_t key) noexcept {
    if (ghosts_.contains(b1, key)) {
      target_ = std::min(target_ + std::max(1.0, ratio(b2, b1)), static_cast<double>(capacity_entries_));
    } else if (ghosts_.contains(b2, key)) {
      target_ = std::max(target_ - std::max(1.0, ratio(b1, b2)), 0.0);
    } else if (lists_.size(t1) + ghosts_.size(b1) == capacity_entries_) {
      ghosts_.remove(ghosts_.oldest(b1));
    } else if (lists_.size(t1) + lists_.size(t2) + ghosts_.size(b1) + ghosts_.size(b2) == 2 * capacity_entries_) {
      ghosts_.remove(ghosts_.oldest(b2));
    }
  }

  double ratio(std::uint32_t of, std::uint32_t to) const noexcept {
    return static_cast<double>(ghosts_.size(of)) / static_cast<double>(ghosts_.size(to));
  }

  template <class Spared>
  std::uint32_t first_of(std::uint32_t list, std::uint32_t other, const Spared& spared) const noexcept {
    const std::uint32_t slot = lists_.oldest(list, spared);
    return slot != LinkedLists::none ? slot : lists_.oldest(other, spared);
  }

  std::size_t capacity_entries_;
  LinkedLists lists_;   ///< of slots: T1, T2
  LinkedLists ghosts_;  ///< of keys: B1, B2
  double target_ = 0;   ///< of T1's size
  bool becomes_ghost_ = true;
  bool is_announced_ = false;  ///< the entry that comes in
};

}  // namespace dsasim
