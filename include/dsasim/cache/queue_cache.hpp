#pragma once

#include "dsasim/cache/cache.hpp"
#include "dsasim/cache/policy.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// The replay loop for a policy that evicts from the head of a queue: FIFO, in the order of fills, and LRU, in the
/// order of last accesses.
///
/// There are no slots. An entry that joins the queue is stamped with its place there, which only ever grows; it is
/// resident exactly while its stamp is not below the head. So a look-up is a compare, and an eviction moves the head
/// past one place without knowing whose it was. Where a hit requeues, the place left behind is dead: its key's stamp is
/// another. The next live places are kept in `victims_`, found many at a time.
///
/// The loop over a full cache has no branch on hit or miss: one access in seven misses on real traces at twice the
/// selection, at no pattern that a predictor could learn.
///
/// The places' keys are a ring of `ring_places_`. When it is full, the live are requeued in their order, next to each
/// other: capacity entries every seven times as many accesses.
///
/// Stamps have 32 bits and are rebased before they reach `stamp_limit`; tests make that happen sooner.
template <QueuePolicy P, std::uint64_t stamp_limit = std::uint64_t{1} << 32U>
class QueueCache final : public Cache {
 public:
  QueueCache(const PolicySpec& /*spec*/, std::uint32_t capacity_entries, std::uint32_t directory_entries,
             std::uint64_t /*cache_number*/)
      : capacity_entries_(std::min(capacity_entries, std::max(directory_entries, 1U))),
        stamp_of_(directory_entries, 0) {
    assert(capacity_entries >= 1);
    // Eight times the capacity while that is cheap. At max_cache_entries it is twice, which is the least that works.
    constexpr std::uint64_t least_places = 1024;
    constexpr std::uint64_t cheap_places = std::uint64_t{1} << 20U;
    const std::uint64_t factor = capacity_entries_ <= cheap_places ? 8 : 2;
    ring_places_ = std::bit_ceil(std::max(factor * capacity_entries_, least_places));
    if constexpr (P::requeues_on_hit) {
      key_at_.resize(ring_places_);
    }
  }

  SelectionOutcome select(std::uint32_t base, std::span<const EntryId> ids, std::vector<EntryId>& missed) override {
    // One more than there can be: the loop writes each id there and keeps the place if it missed.
    const std::size_t before = missed.size();
    missed.resize(before + ids.size() + 1);
    EntryId* missed_end = missed.data() + before;
    SelectionOutcome outcome{.accesses = static_cast<std::uint32_t>(ids.size())};
    while (!ids.empty()) {
      const bool full = resident_ == capacity_entries_;
      const std::size_t limit = full ? make_room() : std::min(make_room(), capacity_entries_ - resident_);
      const auto part = ids.first(std::min<std::size_t>(ids.size(), limit));
      missed_end =
          full ? replay<true>(base, part, missed_end, outcome) : replay<false>(base, part, missed_end, outcome);
      ids = ids.subspan(part.size());
    }
    missed.resize(static_cast<std::size_t>(missed_end - missed.data()));
    outcome.hits = outcome.accesses - static_cast<std::uint32_t>(missed.size() - before);
    return outcome;
  }

  std::uint32_t insert(std::uint32_t base, EntryId entry) override {
    if (contains(base, entry)) {
      return 0;
    }
    make_room();
    const bool evicts = resident_ == capacity_entries_;
    if (evicts) {
      head_ = oldest() + 1;
      next_victim_ += P::requeues_on_hit ? 1 : 0;
    } else {
      ++resident_;
    }
    enqueue(base + value(entry));
    return evicts ? 1 : 0;
  }

  void foresee(std::span<const NextUse> /*next_uses*/) override { assert(false); }

  bool contains(std::uint32_t base, EntryId entry) const override { return stamp_of_[base + value(entry)] >= head_; }

  bool invariant() const override {
    std::uint64_t found = 0;
    for (std::uint32_t key = 0; key < stamp_of_.size(); ++key) {
      const std::uint64_t stamp = stamp_of_[key];
      if (stamp < head_) {
        continue;
      }
      ++found;
      if (stamp >= tail_) {
        return false;
      }
      if constexpr (P::requeues_on_hit) {
        if (key_at_[place(stamp)] != key) {
          return false;
        }
      }
    }
    return found == resident_ && resident_ <= capacity_entries_ && tail_ - head_ <= ring_places_;
  }

 private:
  /// Stamps of entries that were never in the cache, and of those evicted before the stamps were last rebased.
  static constexpr std::uint32_t never = 0;
  static constexpr std::uint32_t long_ago = 1;
  static constexpr std::size_t batch_size = 32;

  std::uint64_t place(std::uint64_t stamp) const noexcept { return stamp & (ring_places_ - 1); }

  /// Replays accesses, all of them with a full cache or all with room for one more entry each. Appends the misses and
  /// returns their end. The members are copied first: through them, each store would make the compiler read them again.
  template <bool full>
  EntryId* replay(std::uint32_t base, std::span<const EntryId> ids, EntryId* missed,
                  SelectionOutcome& outcome) noexcept {
    const EntryId* const first_missed = missed;
    if constexpr (P::requeues_on_hit) {
      missed = requeue<full>(base, ids, missed, outcome);
    } else {
      missed = queue_fills<full>(base, ids, missed, outcome);
    }
    const auto misses = static_cast<std::uint32_t>(missed - first_missed);
    resident_ += full ? 0 : misses;
    outcome.evictions += full ? misses : 0;
    return missed;
  }

  /// All ones for a miss, zero for a hit. What the two do differently is masked, for a compiler would make a branch of
  /// `miss ? a : b` in these loops.
  static std::uint64_t miss_mask(std::uint32_t stamp, std::uint64_t head) noexcept {
    return std::uint64_t{0} - (stamp < head ? 1U : 0U);
  }

  template <bool full>
  EntryId* queue_fills(std::uint32_t base, std::span<const EntryId> ids, EntryId* missed,
                       SelectionOutcome& outcome) noexcept {
    std::uint32_t* const stamp_of = stamp_of_.data() + base;
    std::uint64_t head = head_;
    std::uint64_t tail = tail_;
    std::uint32_t compulsory = 0;
    for (const EntryId id : ids) {
      const std::uint32_t stamp = stamp_of[value(id)];
      const std::uint64_t miss = miss_mask(stamp, head);
      *missed = id;
      missed += miss & 1U;
      compulsory += stamp == never ? 1U : 0U;
      stamp_of[value(id)] = static_cast<std::uint32_t>((tail & miss) | (stamp & ~miss));
      tail += miss & 1U;
      head += full ? miss & 1U : 0;
    }
    head_ = head;
    tail_ = tail;
    outcome.compulsory_misses += compulsory;
    return missed;
  }

  /// With a full cache, batch by batch; what is left, and a batch in which the order matters, one by one.
  template <bool full>
  EntryId* requeue(std::uint32_t base, std::span<const EntryId> ids, EntryId* missed,
                   SelectionOutcome& outcome) noexcept {
    // A smaller cache has not the victims that a batch may need: its misses evict each other.
    while (full && capacity_entries_ >= batch_size && ids.size() >= batch_size) {
      if (EntryId* const end = requeue_batch(base, ids.data(), missed, outcome); end != nullptr) {
        missed = end;
      } else {
        missed = requeue_one_by_one<full>(base, ids.first(batch_size), missed, outcome);
      }
      ids = ids.subspan(batch_size);
    }
    return requeue_one_by_one<full>(base, ids, missed, outcome);
  }

  /// Looks all accesses of a batch up against the head as it stands, and then moves the head past as many live places
  /// as missed. That is right unless one of the hits is among the entries that the batch's misses evict: whether it
  /// came before or after its eviction is then for the one-by-one loop to say. Changes nothing and returns null in that
  /// case, which takes an entry used again when it is nearly the oldest: 3% of the batches on k512-req_0.
  EntryId* requeue_batch(std::uint32_t base, const EntryId* ids, EntryId* missed, SelectionOutcome& outcome) noexcept {
    std::uint32_t* const stamp_of = stamp_of_.data() + base;
    std::uint32_t* const key_at = key_at_.data();
    const std::uint64_t last_place = ring_places_ - 1;
    const auto head = static_cast<std::uint32_t>(head_);
    EntryId* end = missed;
    std::uint32_t compulsory = 0;
    std::uint32_t oldest_hit = ~std::uint32_t{0};  // counted from the head; a miss wraps round and is never least
    for (std::size_t i = 0; i < batch_size; ++i) {
      const std::uint32_t stamp = stamp_of[value(ids[i])];
      *end = ids[i];
      end += stamp < head ? 1 : 0;
      compulsory += stamp == never ? 1U : 0U;
      oldest_hit = std::min(oldest_hit, stamp - head);
    }
    if (end != missed) {
      const std::uint64_t new_head = place_of_victim(static_cast<std::size_t>(end - missed)) + 1;
      if (oldest_hit < new_head - head_) {
        forget_victims();
        return nullptr;
      }
      head_ = new_head;
    }
    for (std::size_t i = 0; i < batch_size; ++i) {
      stamp_of[value(ids[i])] = static_cast<std::uint32_t>(tail_ + i);
      key_at[(tail_ + i) & last_place] = base + value(ids[i]);
    }
    tail_ += batch_size;
    outcome.compulsory_misses += compulsory;
    return end;
  }

  /// The place of the `count`th oldest entry from now, at least the first. It and those before it count as evicted.
  std::uint64_t place_of_victim(std::size_t count) noexcept {
    std::uint64_t last = 0;
    while (count > 0) {
      if (next_victim_ == victim_count_) {
        pass_dead_victim(tail_);
        continue;
      }
      const std::uint32_t at = victims_[next_victim_++];
      const bool live = is_live(at);
      last = live ? at : last;
      count -= live ? 1 : 0;
    }
    return last;
  }

  template <bool full>
  EntryId* requeue_one_by_one(std::uint32_t base, std::span<const EntryId> ids, EntryId* missed,
                              SelectionOutcome& outcome) noexcept {
    std::uint32_t* const stamp_of = stamp_of_.data() + base;
    std::uint32_t* const key_at = key_at_.data();
    const std::uint32_t* const stamps = stamp_of_.data();
    const std::uint64_t places = ring_places_;
    std::uint64_t head = head_;
    std::uint64_t tail = tail_;
    std::uint32_t compulsory = 0;
    if constexpr (full) {
      oldest();
    }
    const std::uint32_t* victim = victims_.data() + next_victim_;
    const std::uint32_t* victims_end = victims_.data() + victim_count_;
    for (const EntryId id : ids) {
      const std::uint32_t stamp = stamp_of[value(id)];
      const std::uint64_t miss = miss_mask(stamp, head);
      *missed = id;
      missed += miss & 1U;
      compulsory += stamp == never ? 1U : 0U;
      stamp_of[value(id)] = static_cast<std::uint32_t>(tail);
      key_at[tail & (places - 1)] = base + value(id);
      ++tail;
      if constexpr (full) {
        head = ((*victim + std::uint64_t{1}) & miss) | (head & ~miss);
        victim += miss & 1U;
        while ((victim == victims_end) | (stamps[key_at[*victim & (places - 1)]] != *victim))
          [[unlikely]] {
            next_victim_ = static_cast<std::size_t>(victim - victims_.data());
            pass_dead_victim(tail);
            victim = victims_.data() + next_victim_;
            victims_end = victims_.data() + victim_count_;
          }
      }
    }
    next_victim_ = static_cast<std::size_t>(victim - victims_.data());
    head_ = head;
    tail_ = tail;
    outcome.compulsory_misses += compulsory;
    return missed;
  }

  /// The place of the oldest entry. The cache is not empty.
  std::uint64_t oldest() noexcept {
    if constexpr (!P::requeues_on_hit) {
      return head_;
    }
    while (next_victim_ == victim_count_ || !is_live(victims_[next_victim_])) {
      pass_dead_victim(tail_);
    }
    return victims_[next_victim_];
  }

  void pass_dead_victim(std::uint64_t tail) noexcept {
    if (next_victim_ < victim_count_) {
      ++next_victim_;
      return;
    }
    const std::uint32_t* const stamps = stamp_of_.data();
    const std::uint32_t* const key_at = key_at_.data();
    std::uint32_t* victim = victims_.data();
    std::uint64_t at = scanned_;
    for (; at < tail && victim != victims_.data() + victims_.size() - 1; ++at) {
      *victim = static_cast<std::uint32_t>(at);
      victim += stamps[key_at[place(at)]] == at ? 1 : 0;
    }
    scanned_ = at;
    next_victim_ = 0;
    victim_count_ = static_cast<std::size_t>(victim - victims_.data());
  }

  /// True if the entry that joined there has not joined again since.
  bool is_live(std::uint64_t at) const noexcept { return stamp_of_[key_at_[place(at)]] == at; }

  void enqueue(std::uint32_t key) noexcept {
    stamp_of_[key] = static_cast<std::uint32_t>(tail_);
    if constexpr (P::requeues_on_hit) {
      key_at_[place(tail_)] = key;
    }
    ++tail_;
  }

  /// How many places the tail may take now, at least one.
  std::uint64_t make_room() {
    if (tail_ + 2 * ring_places_ > stamp_limit) {
      rebase();
    }
    if (P::requeues_on_hit && tail_ - head_ == ring_places_) {
      requeue_live();
    }
    return ring_places_ - (P::requeues_on_hit ? tail_ - head_ : 0);
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
    assert(keys.size() == resident_);
    head_ = tail_;
    forget_victims();
    for (const std::uint32_t key : keys) {
      enqueue(key);
    }
  }

  /// Takes whole turns of the ring off all stamps, before they reach 2^32.
  void rebase() noexcept {
    const std::uint64_t turns = (head_ - long_ago - 1) / ring_places_ * ring_places_;
    for (std::uint32_t& stamp : stamp_of_) {
      stamp = stamp >= head_ ? static_cast<std::uint32_t>(stamp - turns) : std::min(stamp, long_ago);
    }
    head_ -= turns;
    tail_ -= turns;
    forget_victims();
  }

  void forget_victims() noexcept {
    next_victim_ = 0;
    victim_count_ = 0;
    scanned_ = head_;
  }

  std::uint64_t capacity_entries_;
  std::uint64_t ring_places_ = 0;
  std::uint64_t head_ = long_ago + 1;  ///< after the last place evicted
  std::uint64_t tail_ = head_;         ///< the next place
  std::uint64_t resident_ = 0;
  std::vector<std::uint32_t> stamp_of_;  ///< by key
  std::vector<std::uint32_t> key_at_;    ///< by place

  // The next places to evict, live when they were found; those requeued since are passed by.
  std::array<std::uint32_t, 65> victims_{};
  std::size_t next_victim_ = 0;
  std::size_t victim_count_ = 0;
  std::uint64_t scanned_ = head_;  ///< places below are in victims_, or were evicted, or are dead
};

}  // namespace dsasim
