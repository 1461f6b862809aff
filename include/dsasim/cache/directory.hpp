#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"
#include "dsasim/zeroed_array.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace dsasim {

/// Where an entry is: a slot, or nowhere any more, or nowhere yet. The last two tell compulsory misses from the rest.
using Place = std::uint32_t;
inline constexpr Place never_seen = std::numeric_limits<Place>::max();
inline constexpr Place evicted = never_seen - 1;

constexpr bool is_resident(Place place) noexcept {
  return place < evicted;
}

/// Which entry is in which slot, both ways. An entry's key is where its stream's part of the directory begins plus its
/// id; keys are dense, so that looking one up is a load and not a hash.
class Directory {
 public:
  /// More slots than keys could never be filled: they are left out, whatever capacity the user asks for.
  Directory(std::uint32_t capacity_entries, std::uint32_t directory_entries)
      : mirror_of_(directory_entries),
        key_of_(std::min(capacity_entries, std::max(directory_entries, std::uint32_t{1}))) {
    assert(capacity_entries >= 1);
  }

  std::uint32_t capacity_entries() const noexcept { return static_cast<std::uint32_t>(key_of_.size()); }
  bool full() const noexcept { return used_ == key_of_.size(); }

  /// How many entries leave when so many come in.
  std::size_t evictions_of(std::size_t admitted) const noexcept {
    const std::size_t free = key_of_.size() - used_;
    return admitted > free ? admitted - free : 0;
  }

  Place place_of(std::uint32_t key) const noexcept {
    assert(key < mirror_of_.size());
    return ~mirror_of_[key];
  }

  /// The entry in a slot that was filled.
  Access entry_in(SlotId slot) const noexcept { return {.key = key_of_[value(slot)], .slot = slot}; }

  /// Gives the entry a slot: the next free one, or that of the policy's victim, which is evicted.
  template <class P>
  void admit(std::uint32_t key, P& policy) noexcept {
    SlotId slot{};
    if (full()) {
      slot = policy.victim(key);
      policy.on_evict(entry_in(slot));
      evict(slot);
    } else {
      slot = take_free_slot();
    }
    fill(slot, key);
    policy.on_fill({.key = key, .slot = slot});
  }

  /// The entry is gone, and its next miss is compulsory.
  template <class P>
  void forget(std::uint32_t key, P& policy) {
    const Place place = place_of(key);
    if (is_resident(place)) {
      policy.on_forget({.key = key, .slot = SlotId{place}});
      free_slots_.push_back(SlotId{place});
      --used_;
    } else if constexpr (ForgetsDeparted<P>) {
      policy.on_forget_departed(key);
    }
    mirror_of_[key] = ~never_seen;
  }

  /// The entry was fetched and not admitted: its next miss is not compulsory.
  void pass_by(std::uint32_t key) noexcept { mirror_of_[key] = ~evicted; }

  bool invariant() const {
    std::size_t filled = 0;
    for (std::uint32_t slot = 0; slot < used_ + free_slots_.size(); ++slot) {
      filled += place_of(key_of_[slot]) == slot ? 1U : 0U;
    }
    return filled == used_ && used_ + free_slots_.size() <= key_of_.size() &&
           std::cmp_equal(used_, std::ranges::count_if(mirror_of_, [](Place mirror) { return is_resident(~mirror); }));
  }

 private:
  /// The slot that was left last, or the next that was never filled: they are filled in order.
  SlotId take_free_slot() noexcept {
    assert(!full());
    if (!free_slots_.empty()) {
      const SlotId slot = free_slots_.back();
      free_slots_.pop_back();
      ++used_;
      return slot;
    }
    return SlotId{static_cast<std::uint32_t>(used_++)};
  }

  void evict(SlotId slot) noexcept {
    assert(value(slot) < key_of_.size());
    mirror_of_[key_of_[value(slot)]] = ~evicted;
  }

  void fill(SlotId slot, std::uint32_t key) noexcept {
    mirror_of_[key] = ~value(slot);
    key_of_[value(slot)] = key;
  }

  // Places are kept with all bits turned over: never_seen is 0, and ids that never come take no memory.
  ZeroedArray<Place> mirror_of_;       ///< by key
  ZeroedArray<std::uint32_t> key_of_;  ///< by slot
  std::vector<SlotId> free_slots_;     ///< those that were left
  // 64 bits, so that the compiler knows that a store to either array does not change it.
  std::size_t used_ = 0;
};

}  // namespace dsasim
