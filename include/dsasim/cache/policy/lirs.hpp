#pragma once

#include "dsasim/cache/linked_lists.hpp"
#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"
#include "dsasim/zeroed_array.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dsasim {

/// LIRS: ranks entries by the number of others between their last two accesses. Those of the lowest (LIR) have nearly
/// all slots; the others (HIR) pass through the rest, a queue, and take the place of a LIR entry if they are accessed
/// again while they are in the stack.
///
/// Names are the paper's: the stack S, whose bottom is always a LIR entry, holds LIR entries and HIR entries accessed
/// since that one was, resident or not; the queue Q, the resident HIR entries. As in the paper, nothing else bounds S.
/// Where all of Q is spared, the LIR entry nearest to the bottom leaves, and is not remembered.
class Lirs {
 public:
  static constexpr std::string_view name = "lirs";
  static constexpr std::string_view sentence =
      "Keeps what had the fewest others between its last two accesses; the rest passes through a short queue.";
  static constexpr std::string_view source = "Jiang and Zhang, SIGMETRICS 2002";
  static constexpr std::array parameters{
      atomic_parameter, PolicyParameter{"hir", "0.01", "0.0..1.0", "share of the slots for HIR entries, at least one"}};
  static constexpr double access_ns = 15;
  static constexpr double slot_bytes = LinkedLists::node_bytes;
  static constexpr double place_bytes = LinkedLists::node_bytes + 8;

  explicit Lirs(const PolicySetup& setup)
      : most_lir_(setup.capacity_entries -
                  std::max<std::size_t>(share_of(setup.capacity_entries, decimal_value(setup.spec, "hir")), 1)),
        stack_(setup.directory_entries, 1),
        queue_(setup.capacity_entries, 1),
        entries_(setup.directory_entries) {}

  void on_hit(Access access) noexcept {
    if (entries_[access.key].status == Status::lir) {
      stack_.move(0, access.key);
    } else if (stack_.contains(0, access.key)) {
      queue_.remove(value(access.slot));
      stack_.move(0, access.key);
      become_lir(access.key);
    } else {
      stack_.push(0, access.key);
      queue_.move(0, value(access.slot));
    }
    prune();
  }

  template <class Spared>
  std::uint32_t victim(std::uint32_t /*key*/, const Spared& spared) noexcept {
    std::uint32_t slot = passed_ == LinkedLists::none ? queue_.oldest(0) : queue_.newer(passed_);
    for (; slot != LinkedLists::none && spared(slot); slot = queue_.newer(slot)) {
      passed_ = slot;  // stays in Q, and spared, until the selection ends
    }
    if (slot != LinkedLists::none) {
      return slot;
    }
    std::uint32_t key = stack_.oldest(0);
    while (entries_[key].status != Status::lir || spared(entries_[key].slot)) {
      key = stack_.newer(key);
    }
    return entries_[key].slot;
  }

  void on_evict(Access access) noexcept {
    Entry& entry = entries_[access.key];
    if (entry.status == Status::lir) {
      stack_.remove(access.key);
      --lir_;
    } else {
      queue_.remove(value(access.slot));
    }
    entry.status = Status::gone;
    prune();
  }

  /// Out of S as well, where an evicted HIR entry stays.
  void on_forget(Access access) noexcept {
    on_evict(access);
    on_forget_departed(access.key);
  }
  void on_forget_departed(std::uint32_t key) noexcept { stack_.take(0, key); }

  void on_fill(Access access) noexcept {
    Entry& entry = entries_[access.key];
    entry.slot = value(access.slot);
    const bool in_stack = stack_.contains(0, access.key);
    if (in_stack) {
      stack_.remove(access.key);
    }
    stack_.push(0, access.key);
    if (in_stack || lir_ < most_lir_) {
      become_lir(access.key);
    } else {
      entry.status = Status::hir;
      queue_.push(0, value(access.slot));
    }
    prune();
  }

  void on_end() noexcept { passed_ = LinkedLists::none; }

  bool invariant() const {
    const std::uint32_t bottom = stack_.oldest(0);
    return stack_.invariant() && queue_.invariant() && lir_ <= most_lir_ && passed_ == LinkedLists::none &&
           (bottom == LinkedLists::none || entries_[bottom].status == Status::lir);
  }

 private:
  enum class Status : std::uint8_t {
    gone,  ///< not resident; perhaps in S
    lir,   ///< resident, in S
    hir,   ///< resident, in Q and perhaps in S
  };
  struct Entry {
    std::uint32_t slot;
    Status status;
  };

  /// Of an entry on top of S and not in Q: the bottom of S gives up its place where there are too many.
  void become_lir(std::uint32_t key) noexcept {
    entries_[key].status = Status::lir;
    if (++lir_ > most_lir_) {
      const std::uint32_t bottom = first_lir();
      stack_.remove(bottom);
      entries_[bottom].status = Status::hir;
      queue_.push(0, entries_[bottom].slot);
      --lir_;
    }
    prune();
  }

  std::uint32_t first_lir() const noexcept {
    std::uint32_t key = stack_.oldest(0);
    while (entries_[key].status != Status::lir) {
      key = stack_.newer(key);
    }
    return key;
  }

  /// Takes what is below the lowest LIR entry out of S.
  void prune() noexcept {
    for (std::uint32_t key = stack_.oldest(0); key != LinkedLists::none && entries_[key].status != Status::lir;
         key = stack_.oldest(0)) {
      stack_.remove(key);
    }
  }

  std::size_t most_lir_;
  std::size_t lir_ = 0;
  LinkedLists stack_;                         ///< S, of keys
  LinkedLists queue_;                         ///< Q, of slots
  ZeroedArray<Entry> entries_;                ///< by key
  std::uint32_t passed_ = LinkedLists::none;  ///< of Q: it and what is older were spared in the open selection
};

}  // namespace dsasim
