#pragma once

#include "dsasim/cache/linked_lists.hpp"
#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace dsasim {

/// S3-FIFO: a small queue that most entries leave soon, a main queue whose entries are reinserted as often as they were
/// hit (three times at most), and a ghost queue of the keys that left the small one. An entry moves from the small to
/// the main queue if it was hit `threshold` times by the time it would leave; one whose key is in the ghost queue comes
/// into the main queue at once. The ghost queue has as many keys as the main queue may have entries.
///
/// The paper moves entries that were hit more than once, which is threshold=2, the default of its authors' libCacheSim.
class S3Fifo {
 public:
  static constexpr std::string_view name = "s3-fifo";
  static constexpr std::string_view sentence =
      "Three FIFO queues: new entries pass a small one, those hit there or missed soon after live in the main one.";
  static constexpr std::string_view source = "Yang et al., SOSP 2023";
  static constexpr std::array parameters{
      atomic_parameter, PolicyParameter{"small", "0.1", "0.0..1.0", "the small queue's share of the capacity"},
      PolicyParameter{"threshold", "1", "1..3", "hits in the small queue that move an entry to the main one"}};
  static constexpr double access_ns = 8;
  static constexpr double slot_bytes = LinkedLists::node_bytes + 1;
  static constexpr double place_bytes = LinkedLists::node_bytes;

  explicit S3Fifo(const PolicySetup& setup)
      : threshold_(integer_value(setup.spec, "threshold")),
        most_main_(setup.capacity_entries -
                   std::max<std::size_t>(share_of(setup.capacity_entries, decimal_value(setup.spec, "small")), 1)),
        queues_(setup.capacity_entries, 2),
        hits_(setup.capacity_entries),
        ghosts_(setup.directory_entries, 1) {}

  void on_hit(Access access) noexcept {
    std::uint8_t& hits = hits_[value(access.slot)];
    hits = static_cast<std::uint8_t>(std::min(hits + 1, most_hits));
  }

  template <class Spared>
  std::uint32_t victim(std::uint32_t key, const Spared& spared) noexcept {
    came_back_ = ghosts_.take(0, key);  // before a key that becomes a ghost drives it out
    for (;;) {
      std::uint32_t slot = LinkedLists::none;
      if (queues_.size(main) <= most_main_) {
        slot = victim_of_small(spared);
      }
      if (slot == LinkedLists::none) {
        slot = victim_of_main(spared);
      }
      if (slot == LinkedLists::none) {  // all of the main queue is spared
        slot = victim_of_small(spared);
      }
      if (slot != LinkedLists::none) {
        return slot;
      }
    }
  }

  void on_evict(Access access) noexcept {
    const bool from_small = queues_.contains(small, value(access.slot));
    queues_.remove(value(access.slot));
    if (from_small && most_main_ > 0) {
      if (ghosts_.size(0) == most_main_) {
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
    hits_[value(access.slot)] = 0;
    queues_.push(came_back_ ? main : small, value(access.slot));
    came_back_ = false;
  }

  void on_end() noexcept {}

  bool invariant() const { return queues_.invariant() && ghosts_.invariant() && ghosts_.size(0) <= most_main_; }

 private:
  static constexpr std::uint32_t small = 0;
  static constexpr std::uint32_t main = 1;
  static constexpr int most_hits = 3;

  /// Moves what was hit to the main queue, as far as the first that was not.
  template <class Spared>
  std::uint32_t victim_of_small(const Spared& spared) noexcept {
    std::uint32_t at = queues_.oldest(small);
    while (at != LinkedLists::none && (hits_[at] >= threshold_ || spared(at))) {
      const std::uint32_t next = queues_.newer(at);
      if (hits_[at] >= threshold_) {
        hits_[at] = 0;
        queues_.move(main, at);
      }
      at = next;
    }
    return at;
  }

  /// Reinserts what was hit; none if all that is left is spared.
  template <class Spared>
  std::uint32_t victim_of_main(const Spared& spared) noexcept {
    std::uint32_t at = queues_.oldest(main);
    std::size_t passed = 0;  // since the last that was reinserted
    while (passed < queues_.size(main) && (hits_[at] > 0 || spared(at))) {
      const std::uint32_t next = queues_.newer(at);
      ++passed;
      if (hits_[at] > 0) {
        --hits_[at];
        queues_.move(main, at);
        passed = 0;
      }
      at = next == LinkedLists::none ? queues_.oldest(main) : next;
    }
    return passed < queues_.size(main) ? at : LinkedLists::none;
  }

  std::uint64_t threshold_;
  std::size_t most_main_;
  LinkedLists queues_;
  std::vector<std::uint8_t> hits_;  ///< by slot, since it joined its queue
  LinkedLists ghosts_;              ///< by key
  bool came_back_ = false;          ///< the entry that comes in was a ghost
};

}  // namespace dsasim
