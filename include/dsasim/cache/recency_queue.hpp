#pragma once

#include "dsasim/cache/cache.hpp"
#include "dsasim/types.hpp"
#include "dsasim/zeroed_array.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace dsasim {

/// The entries of an LRU cache in the order of their last uses, without a list of them: what LruCache and LruSetCache
/// share.
///
/// An entry that joins the queue is stamped with its place there, which only ever grows; it is resident exactly while
/// its stamp is not below the head. So a look-up is a compare, and an eviction moves the head past one live place
/// without knowing whose it was. The place that an entry leaves behind when it joins again is dead, which is a bit: the
/// victims of a batch are counted by words of 64 places. Asking each place's key for its stamp instead was a miss of
/// the first caches for each place, and a sixth of a replay with a context of 100K.
///
/// The places' keys are a ring of `ring_places_`. When it is full, the live are requeued in their order, next to each
/// other: capacity entries every seven times as many accesses.
///
/// Stamps have 32 bits and are rebased before they reach `stamp_limit`; tests make that happen sooner.
template <std::uint64_t stamp_limit>
class RecencyQueue {
 public:
  /// Stamps of entries that were never in the cache, and of those evicted before the stamps were last rebased.
  static constexpr std::uint32_t never = 0;
  static constexpr std::uint32_t long_ago = 1;
  /// Of an entry that is resident without a place in the queue. No place has this number.
  static constexpr std::uint32_t outside = std::numeric_limits<std::uint32_t>::max();

  /// More slots than keys could never be filled.
  RecencyQueue(std::uint32_t capacity_entries, std::uint32_t directory_entries)
      : capacity_entries_(std::min(capacity_entries, std::max(directory_entries, 1U))), stamp_of_(directory_entries) {
    assert(capacity_entries >= 1);
    ring_places_ = ring_places(capacity_entries_);
    key_at_.reset(ring_places_);
    dead_.reset(ring_places_ / word_places);
  }

  /// Eight times the capacity while that is cheap. At max_cache_entries it is twice; with a half more than the capacity
  /// it would still work.
  static constexpr std::uint64_t ring_places(std::uint64_t capacity_entries) noexcept {
    constexpr std::uint64_t least_places = 1024;
    constexpr std::uint64_t cheap_places = std::uint64_t{1} << 20U;
    const std::uint64_t factor = capacity_entries <= cheap_places ? 8 : 2;
    return std::bit_ceil(std::max(factor * capacity_entries, least_places));
  }

  std::uint32_t* stamps() noexcept { return stamp_of_.data(); }
  bool is_resident(std::uint32_t key) const noexcept { return stamp_of_[key] >= head_; }
  bool full() const noexcept { return resident_ == capacity_entries_; }

  /// Replays accesses, at most as many as room() if `join` enqueues. join(key) puts the entry of an access, hit or
  /// miss, where it is newest: in the queue, or outside it. Appends the misses and returns their end; `missed` has room
  /// for one more than there can be.
  template <class Join>
  EntryId* replay(std::uint32_t base, std::span<const EntryId> ids, EntryId* missed, SelectionOutcome& outcome,
                  const Join& join) noexcept {
    while (!ids.empty()) {
      const std::size_t limit = full() ? batch_size : capacity_entries_ - resident_;
      const auto part = ids.first(std::min(ids.size(), limit));
      missed = full() ? replace(base, part, missed, outcome, join) : fill(base, part, missed, outcome, join);
      ids = ids.subspan(part.size());
    }
    return missed;
  }

  /// Puts an entry in as the newest, without an access; returns the evictions.
  std::uint32_t insert(std::uint32_t key) {
    if (is_resident(key)) {
      return 0;
    }
    make_room(1);
    const bool evicts = full();
    if (evicts) {
      evict_through(oldest(1));
    } else {
      ++resident_;
    }
    enqueue(key);
    return evicts ? 1 : 0;
  }

  /// The entry is gone, and its next miss is compulsory. Its place in the queue is dead.
  void forget(std::uint32_t key) noexcept {
    assert(stamp_of_[key] != outside);
    resident_ -= is_resident(key) ? 1U : 0U;
    leave(stamp_of_[key]);
    stamp_of_[key] = never;
  }

  /// Room for `count` entries to join, at most half of what the ring was made for.
  void make_room(std::uint64_t count) {
    if (tail_ + 2 * ring_places_ > stamp_limit) {
      rebase();
    }
    if (tail_ - head_ + count > most_places()) {
      requeue_live();
    }
    assert(tail_ - head_ + count <= most_places());
  }

  /// How many entries may join now, at least one.
  std::uint64_t room() {
    make_room(1);
    return most_places() - (tail_ - head_);
  }

  void enqueue(std::uint32_t key) noexcept {
    stamp_of_[key] = static_cast<std::uint32_t>(tail_);
    key_at_[place(tail_)] = key;
    ++tail_;
  }

  /// Every place that is the stamp of a key is live and holds that key, no others are live, and as many are resident as
  /// were counted. For tests.
  bool invariant() const {
    std::uint64_t resident = 0;
    std::uint64_t queued = 0;
    for (std::uint32_t key = 0; key < stamp_of_.size(); ++key) {
      const std::uint64_t stamp = stamp_of_[key];
      resident += stamp >= head_ ? 1 : 0;
      queued += stamp >= head_ && stamp != outside ? 1 : 0;
      if (stamp >= head_ && stamp != outside && (stamp >= tail_ || key_at_[place(stamp)] != key || !is_live(stamp))) {
        return false;
      }
    }
    std::uint64_t live = 0;
    for (std::uint64_t at = head_; at < tail_; ++at) {
      live += is_live(at) ? 1U : 0U;
    }
    return tail_ - head_ <= most_places() && live == queued && resident == resident_ && resident_ <= capacity_entries_;
  }

 private:
  static constexpr std::size_t batch_size = 32;
  static constexpr std::uint64_t word_places = 64;  ///< of dead_

  /// In the ring at once: what joins never gets into the word of the head, whose places count as joined already.
  std::uint64_t most_places() const noexcept { return ring_places_ - word_places; }

  /// Accesses that all have room for one more entry.
  template <class Join>
  EntryId* fill(std::uint32_t base, std::span<const EntryId> ids, EntryId* missed, SelectionOutcome& outcome,
                const Join& join) noexcept {
    for (const EntryId id : ids) {
      const std::uint32_t key = base + value(id);
      const std::uint32_t stamp = stamp_of_[key];
      *missed = id;
      missed += stamp < head_ ? 1 : 0;
      resident_ += stamp < head_ ? 1 : 0;
      outcome.compulsory_misses += stamp == never ? 1U : 0U;
      leave(stamp);
      join(key);
    }
    return missed;
  }

  /// A batch of accesses to a full cache.
  template <class Join>
  EntryId* replace(std::uint32_t base, std::span<const EntryId> ids, EntryId* missed, SelectionOutcome& outcome,
                   const Join& join) noexcept {
    // A smaller cache has not the victims that a batch may need: its misses evict each other.
    EntryId* end = ids.size() <= capacity_entries_ ? replace_batch(base, ids, missed, outcome, join) : nullptr;
    end = end != nullptr ? end : replace_one_by_one(base, ids, missed, outcome, join);
    outcome.evictions += static_cast<std::uint32_t>(end - missed);
    return end;
  }

  /// Looks all accesses of a batch up against the head as it stands, and then moves the head past as many live places
  /// as missed. That is right unless one of the hits is among the entries that the batch's misses evict: whether it
  /// came before or after its eviction is then for the one-by-one loop to say. Changes nothing and returns null in that
  /// case, which takes an entry used again when it is nearly the oldest: 3% of the batches on k512-req_0.
  template <class Join>
  EntryId* replace_batch(std::uint32_t base, std::span<const EntryId> ids, EntryId* missed, SelectionOutcome& outcome,
                         const Join& join) noexcept {
    const std::uint32_t* const stamp_of = stamp_of_.data() + base;
    const auto head = static_cast<std::uint32_t>(head_);
    EntryId* end = missed;
    std::uint32_t compulsory = 0;
    std::uint32_t oldest_hit = ~std::uint32_t{0};  // counted from the head; a miss wraps round and is never least
    for (const EntryId id : ids) {
      const std::uint32_t stamp = stamp_of[value(id)];
      *end = id;
      end += stamp < head ? 1 : 0;
      compulsory += stamp == never ? 1U : 0U;
      oldest_hit = std::min(oldest_hit, stamp - head);
    }
    if (end != missed) {
      const std::uint64_t last = oldest(static_cast<std::size_t>(end - missed));
      if (oldest_hit <= last - head_) {
        return nullptr;
      }
      evict_through(last);
    }
    for (const EntryId id : ids) {
      leave(stamp_of[value(id)]);
      join(base + value(id));
    }
    outcome.compulsory_misses += compulsory;
    return end;
  }

  template <class Join>
  EntryId* replace_one_by_one(std::uint32_t base, std::span<const EntryId> ids, EntryId* missed,
                              SelectionOutcome& outcome, const Join& join) noexcept {
    for (const EntryId id : ids) {
      const std::uint32_t key = base + value(id);
      const std::uint32_t stamp = stamp_of_[key];
      if (stamp < head_) {
        *missed++ = id;
        outcome.compulsory_misses += stamp == never ? 1U : 0U;
        evict_through(oldest(1));
      }
      leave(stamp);
      join(key);
    }
    return missed;
  }

  /// The place of the `count`th oldest entry in the queue, at least the first.
  std::uint64_t oldest(std::size_t count) const noexcept {
    assert(count >= 1);
    std::uint64_t word = head_ / word_places;
    std::uint64_t live = ~dead_word(word) & (~std::uint64_t{0} << (head_ % word_places));
    for (auto in_word = static_cast<unsigned>(std::popcount(live)); in_word < count;) {
      count -= in_word;
      live = ~dead_word(++word);
      in_word = static_cast<unsigned>(std::popcount(live));
    }
    for (; count > 1; --count) {
      live &= live - 1;
    }
    return word * word_places + static_cast<unsigned>(std::countr_zero(live));
  }

  /// The words that the head leaves are for places that join later, and are live then.
  void evict_through(std::uint64_t last) noexcept { move_head(last + 1); }

  void move_head(std::uint64_t head) noexcept {
    for (std::uint64_t word = head_ / word_places; word < head / word_places; ++word) {
      dead_word(word) = 0;
    }
    head_ = head;
  }

  /// The entry with this stamp joins again, or is gone; of one that is not in the queue, nothing.
  void leave(std::uint64_t stamp) noexcept {
    dead_word(stamp / word_places) |= std::uint64_t{stamp >= head_ ? 1U : 0U} << (stamp % word_places);
  }

  std::uint64_t place(std::uint64_t stamp) const noexcept { return stamp & (ring_places_ - 1); }
  std::uint64_t& dead_word(std::uint64_t word) noexcept { return dead_[word & (ring_places_ / word_places - 1)]; }
  std::uint64_t dead_word(std::uint64_t word) const noexcept { return dead_[word & (ring_places_ / word_places - 1)]; }

  /// Of a place from the head to the tail: the entry that joined there has not joined again since.
  bool is_live(std::uint64_t at) const noexcept {
    return (dead_word(at / word_places) >> (at % word_places) & 1U) == 0;
  }

  /// Gives the live entries new places in their old order, with no dead ones between.
  void requeue_live() {
    std::vector<std::uint32_t> keys;
    keys.reserve(resident_);
    for (std::uint64_t at = head_; at < tail_; ++at) {
      if (is_live(at)) {
        keys.push_back(key_at_[place(at)]);
      }
    }
    move_head(tail_);
    dead_word(head_ / word_places) = 0;
    for (const std::uint32_t key : keys) {
      enqueue(key);
    }
  }

  /// Takes whole turns of the ring off all stamps, before they reach 2^32.
  void rebase() noexcept {
    const std::uint64_t turns = (head_ - long_ago - 1) / ring_places_ * ring_places_;
    for (std::uint32_t& stamp : stamp_of_) {
      if (stamp != outside) {
        stamp = stamp >= head_ ? static_cast<std::uint32_t>(stamp - turns) : std::min(stamp, long_ago);
      }
    }
    head_ -= turns;
    tail_ -= turns;
  }

  std::uint64_t capacity_entries_;
  std::uint64_t resident_ = 0;  ///< entries in the queue and outside
  std::uint64_t ring_places_ = 0;
  std::uint64_t head_ = long_ago + 1;    ///< after the last place evicted
  std::uint64_t tail_ = head_;           ///< the next place
  ZeroedArray<std::uint32_t> stamp_of_;  ///< by key; at first `never`
  ZeroedArray<std::uint32_t> key_at_;    ///< by place
  ZeroedArray<std::uint64_t> dead_;      ///< by place, a bit; 0 where no entry has joined yet
};

}  // namespace dsasim
