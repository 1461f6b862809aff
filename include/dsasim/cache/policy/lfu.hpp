#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace dsasim {

/// Least frequently used, ties to the least recently used. Only resident entries are counted; a new one counts 1.
///
/// With ageing=N, all counts are halved (not below 1) after each N accesses and inserts. The order of eviction stays as
/// it is then: of entries whose counts become the same, those that had fewer go first.
///
/// One list of slots in the order of eviction: by count, then by time of the last access. The slots of one count, a
/// bucket, are neighbours, and a bucket knows its last slot; a hit moves its slot behind the last of the next bucket.
/// The constant-time structure is that of Shah, Mitra, Matani: An O(1) algorithm for implementing the LFU cache
/// eviction scheme, 2010.
class Lfu {
 public:
  static constexpr std::string_view name = "lfu";
  static constexpr std::string_view sentence =
      "Evicts the entry accessed least often since it came in; of several, the least recently used.";
  static constexpr std::string_view source = "Shah, Mitra, Matani: an O(1) LFU, 2010";
  static constexpr std::array parameters{
      PolicyParameter{"ageing", "0", "0..1000000000", "halve all counts after so many accesses; 0 never"}};
  static constexpr Replacement replacement = Replacement::per_access;
  static constexpr double access_ns = 10;
  static constexpr PolicyNeeds needs{};
  static constexpr double slot_bytes = 32;
  static constexpr double place_bytes = 0;

  explicit Lfu(const PolicySetup& setup)
      : ageing_(integer_value(setup.spec, "ageing")),
        head_(setup.capacity_entries),
        links_(setup.capacity_entries + std::size_t{1}, Link{.prev = head_, .next = head_, .bucket = no_bucket}),
        buckets_(setup.capacity_entries),
        free_buckets_(setup.capacity_entries),
        free_count_(setup.capacity_entries) {
    for (std::uint32_t i = 0; i < setup.capacity_entries; ++i) {
      free_buckets_[i] = i;
    }
  }

  void on_hit(Access access) noexcept {
    count_once_more(value(access.slot));
    age_in_time();
  }

  bool admits() noexcept { return true; }

  SlotId victim(std::uint32_t /*key*/) noexcept {
    const std::uint32_t least = links_[head_].next;
    leave(least);
    return SlotId{least};
  }

  void on_evict(Access /*access*/) noexcept {}
  void on_forget(Access access) noexcept { leave(value(access.slot)); }

  void on_fill(Access access) noexcept {
    const std::uint32_t lowest = links_[links_[head_].next].bucket;
    if (lowest != no_bucket && buckets_[lowest].count == 1) {
      join(value(access.slot), lowest);
    } else {
      found(value(access.slot), head_, 1);
    }
    age_in_time();
  }

  bool invariant() const {
    std::size_t reached = 0;
    std::size_t buckets = 0;
    std::uint64_t count = 0;
    for (std::uint32_t at = links_[head_].next; at != head_; at = links_[at].next) {
      const Link& link = links_[at];
      const bool begins = buckets_[link.bucket].count != count;
      const bool ends = links_[link.next].bucket != link.bucket;
      if (++reached > head_ || links_[link.next].prev != at || (begins && buckets_[link.bucket].count < count) ||
          ends != (buckets_[link.bucket].last == at)) {
        return false;
      }
      count = buckets_[link.bucket].count;
      buckets += begins ? 1U : 0U;
    }
    return buckets + free_count_ == buckets_.size();
  }

 private:
  static constexpr std::uint32_t no_bucket = 0xFFFFFFFF;

  struct Link {
    std::uint32_t prev;
    std::uint32_t next;
    std::uint32_t bucket;
  };

  struct Bucket {
    std::uint64_t count = 0;
    std::uint32_t last = 0;
  };

  void count_once_more(std::uint32_t at) noexcept {
    const std::uint32_t from = links_[at].bucket;
    const std::uint64_t count = buckets_[from].count + 1;
    const std::uint32_t last = buckets_[from].last;
    const std::uint32_t above = links_[links_[last].next].bucket;  // of the head: no_bucket
    const bool joins = above != no_bucket && buckets_[above].count == count;
    if (!joins && is_alone(at)) {
      buckets_[from].count = count;
      return;
    }
    // Where its bucket ends once it has left.
    const std::uint32_t end = last == at ? links_[at].prev : last;
    leave(at);
    if (joins) {
      join(at, above);
    } else {
      found(at, end, count);
    }
  }

  void age_in_time() noexcept {
    if (ageing_ > 0 && ++accesses_ == ageing_) {
      accesses_ = 0;
      halve_counts();
    }
  }

  /// Buckets next to each other whose halves are the same become one.
  void halve_counts() noexcept {
    std::uint32_t below = no_bucket;
    for (std::uint32_t at = links_[head_].next; at != head_; at = links_[buckets_[below].last].next) {
      const std::uint32_t bucket = links_[at].bucket;
      const std::uint64_t half = std::max<std::uint64_t>(buckets_[bucket].count / 2, 1);
      if (below == no_bucket || buckets_[below].count != half) {
        buckets_[bucket].count = half;
        below = bucket;
        continue;
      }
      const std::uint32_t end = links_[buckets_[bucket].last].next;
      for (; at != end; at = links_[at].next) {
        links_[at].bucket = below;
      }
      buckets_[below].last = buckets_[bucket].last;
      free_buckets_[free_count_++] = bucket;
    }
  }

  bool is_alone(std::uint32_t at) const noexcept {
    const std::uint32_t bucket = links_[at].bucket;
    return buckets_[bucket].last == at && links_[links_[at].prev].bucket != bucket;
  }

  /// Takes a slot out of the list and of its bucket, and frees the bucket if it was the only one there.
  void leave(std::uint32_t at) noexcept {
    const auto [prev, next, bucket] = links_[at];
    if (is_alone(at)) {
      free_buckets_[free_count_++] = bucket;
    } else if (buckets_[bucket].last == at) {
      buckets_[bucket].last = prev;
    }
    links_[prev].next = next;
    links_[next].prev = prev;
  }

  void join(std::uint32_t at, std::uint32_t bucket) noexcept {
    link_after(at, buckets_[bucket].last);
    links_[at].bucket = bucket;
    buckets_[bucket].last = at;
  }

  /// A new bucket, with this slot alone, behind the slot `after`.
  void found(std::uint32_t at, std::uint32_t after, std::uint64_t count) noexcept {
    const std::uint32_t bucket = free_buckets_[--free_count_];
    buckets_[bucket] = {.count = count, .last = at};
    link_after(at, after);
    links_[at].bucket = bucket;
  }

  void link_after(std::uint32_t at, std::uint32_t after) noexcept {
    const std::uint32_t next = links_[after].next;
    links_[at].prev = after;
    links_[at].next = next;
    links_[after].next = at;
    links_[next].prev = at;
  }

  std::uint64_t ageing_;
  std::uint64_t accesses_ = 0;  ///< since the counts were halved
  std::uint32_t head_;          ///< the list's head, in the place after the last slot
  std::vector<Link> links_;     ///< by slot, least frequently used first
  std::vector<Bucket> buckets_;
  std::vector<std::uint32_t> free_buckets_;
  std::size_t free_count_;
};

}  // namespace dsasim
