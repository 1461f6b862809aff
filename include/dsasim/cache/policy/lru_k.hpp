#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/cache/slot_heap.hpp"
#include "dsasim/types.hpp"
#include "dsasim/zeroed_array.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <vector>

namespace dsasim {

/// LRU-K: evicts the entry whose k-th last access is longest ago; entries with fewer accesses than k go first, the
/// least recently used of them. Accesses are remembered after an entry has left, for ever, and none count as
/// correlated.
class LruK {
 public:
  static constexpr std::string_view name = "lru-k";
  static constexpr std::string_view sentence =
      "Evicts the entry whose k-th last access is longest ago, first those accessed less often than k times.";
  static constexpr std::string_view source = "O'Neil, O'Neil, Weikum, SIGMOD 1993";
  static constexpr std::array parameters{atomic_parameter,
                                         PolicyParameter{"k", "2", "2|3", "which access counts, from the last one"}};
  static constexpr double access_ns = 30;
  static constexpr double slot_bytes = 52;
  static constexpr double place_bytes = 24;

  explicit LruK(const PolicySetup& setup)
      : k_(integer_value(setup.spec, "k")), times_(k_ * setup.directory_entries), heap_(setup.capacity_entries) {
    aside_.reserve(setup.capacity_entries);
  }

  void on_hit(Access access) noexcept { heap_.raise(value(access.slot), record(access.key)); }

  template <class Spared>
  std::uint32_t victim(std::uint32_t /*key*/, const Spared& spared) noexcept {
    while (spared(heap_.top())) {
      aside_.push_back({.slot = heap_.top(), .rank = heap_.rank_of(heap_.top())});
      heap_.remove(heap_.top());
    }
    return heap_.top();
  }

  void on_evict(Access access) noexcept { heap_.remove(value(access.slot)); }
  void on_forget(Access access) noexcept {
    heap_.remove(value(access.slot));
    on_forget_departed(access.key);
  }
  void on_forget_departed(std::uint32_t key) noexcept { std::fill_n(times_.data() + k_ * key, k_, std::uint64_t{0}); }
  void on_fill(Access access) noexcept { heap_.push(value(access.slot), record(access.key)); }

  void on_end() noexcept {
    for (const Aside& aside : aside_) {
      heap_.push(aside.slot, aside.rank);
    }
    aside_.clear();
  }

  bool invariant() const { return aside_.empty() && heap_.invariant(); }

 private:
  /// Times of accesses, from 1; 0 if there were fewer than k.
  struct Rank {
    std::uint64_t kth_last = 0;
    std::uint64_t last = 0;
    friend bool operator<(const Rank& a, const Rank& b) noexcept {
      return std::tie(a.kth_last, a.last) < std::tie(b.kth_last, b.last);
    }
  };
  struct Aside {
    std::uint32_t slot;
    Rank rank;
  };

  /// An access of the key, now.
  Rank record(std::uint32_t key) noexcept {
    std::uint64_t* const times = times_.data() + k_ * key;  // the last one first
    std::copy_backward(times, times + k_ - 1, times + k_);
    times[0] = ++now_;
    return {.kth_last = times[k_ - 1], .last = now_};
  }

  std::size_t k_;
  ZeroedArray<std::uint64_t> times_;  ///< k of each key
  SlotHeap<Rank> heap_;
  std::vector<Aside> aside_;  ///< named by the selection that is open, and looked at
  std::uint64_t now_ = 0;
};

}  // namespace dsasim
