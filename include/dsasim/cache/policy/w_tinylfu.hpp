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
#include <vector>

namespace dsasim {

/// W-TinyLFU: a small LRU window that all entries pass, and a segmented LRU (80% protected) behind it. The oldest of
/// the window comes into the main part if it was accessed more often than the entry that would leave there; if not, it
/// is evicted itself.
///
/// Accesses are counted for each key, up to 15, and halved after ten times as many accesses as the cache has slots. The
/// paper's sketch estimates these counts in less memory.
class WTinyLfu {
 public:
  static constexpr std::string_view name = "w-tinylfu";
  static constexpr std::string_view sentence =
      "An LRU window before a segmented LRU, which admits what was accessed more often than what it would evict.";
  static constexpr std::string_view source = "Einziger, Friedman, Manes, ACM TOS 13(4), 2017";
  static constexpr std::array parameters{
      atomic_parameter, PolicyParameter{"window", "0.01", "0.0..1.0", "the window's share of the capacity"}};
  static constexpr double access_ns = 12;
  static constexpr double slot_bytes = LinkedLists::node_bytes + 4;
  static constexpr double place_bytes = 8;

  explicit WTinyLfu(const PolicySetup& setup)
      : most_window_(std::max<std::size_t>(share_of(setup.capacity_entries, decimal_value(setup.spec, "window")), 1)),
        most_main_(setup.capacity_entries - most_window_),
        most_protected_(share_of(static_cast<std::uint32_t>(most_main_), 0.8)),
        sample_(10 * std::uint64_t{setup.capacity_entries}),
        queues_(setup.capacity_entries, 3),
        counts_(setup.directory_entries),
        keys_(setup.capacity_entries) {}

  void on_hit(Access access) noexcept {
    count(access.key);
    const std::uint32_t slot = value(access.slot);
    if (queues_.contains(window, slot)) {
      queues_.move(window, slot);
      return;
    }
    queues_.move(protected_segment, slot);
    if (queues_.size(protected_segment) > most_protected_) {
      queues_.move(probation, queues_.oldest(protected_segment));
    }
  }

  template <class Spared>
  std::uint32_t victim(std::uint32_t /*key*/, const Spared& spared) noexcept {
    const std::uint32_t candidate = queues_.oldest(window, spared);
    std::uint32_t least = queues_.oldest(probation, spared);
    least = least != LinkedLists::none ? least : queues_.oldest(protected_segment, spared);
    if (candidate == LinkedLists::none || least == LinkedLists::none) {
      return candidate == LinkedLists::none ? least : candidate;
    }
    if (count_of(keys_[candidate]) <= count_of(keys_[least])) {
      return candidate;
    }
    queues_.move(probation, candidate);
    return least;
  }

  void on_evict(Access access) noexcept { queues_.remove(value(access.slot)); }
  void on_forget(Access access) noexcept {
    queues_.remove(value(access.slot));
    on_forget_departed(access.key);
  }
  void on_forget_departed(std::uint32_t key) noexcept { counts_[key] = 0; }

  /// While there is room in the main part, the window overflows into it.
  void on_fill(Access access) noexcept {
    count(access.key);
    keys_[value(access.slot)] = access.key;
    queues_.push(window, value(access.slot));
    while (queues_.size(window) > most_window_) {
      queues_.move(probation, queues_.oldest(window));
    }
  }

  void on_end() noexcept {}

  bool invariant() const { return queues_.invariant() && queues_.size(protected_segment) <= most_protected_; }

 private:
  static constexpr std::uint32_t window = 0;
  static constexpr std::uint32_t probation = 1;
  static constexpr std::uint32_t protected_segment = 2;
  static constexpr std::uint64_t most_counted = 15;
  static constexpr std::uint64_t count_bits = 4;

  /// Halvings since the count was written are made up for when it is read.
  std::uint64_t count_of(std::uint32_t key) const noexcept {
    const std::uint64_t halvings = halvings_ - (counts_[key] >> count_bits);
    return halvings > count_bits ? 0 : (counts_[key] & most_counted) >> halvings;
  }

  void count(std::uint32_t key) noexcept {
    counts_[key] = halvings_ << count_bits | std::min(count_of(key) + 1, most_counted);
    if (++counted_ == sample_) {
      counted_ = 0;
      ++halvings_;
    }
  }

  std::size_t most_window_;
  std::size_t most_main_;
  std::size_t most_protected_;
  std::uint64_t sample_;
  LinkedLists queues_;
  ZeroedArray<std::uint64_t> counts_;  ///< by key: a count in the low bits, halvings when it was written above
  std::vector<std::uint32_t> keys_;    ///< by slot
  std::uint64_t counted_ = 0;
  std::uint64_t halvings_ = 0;
};

}  // namespace dsasim
