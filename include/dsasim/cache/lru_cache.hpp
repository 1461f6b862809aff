#pragma once

#include "dsasim/cache/cache.hpp"
#include "dsasim/cache/policy_spec.hpp"
#include "dsasim/cache/recency_queue.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// LRU for selections as lists, in any order and at any capacity: a queue that each access joins again.
///
/// While the cache is full, 32 accesses are looked up at once wherever their order cannot matter, without a branch on
/// hit or miss: one access in seven misses on real traces at twice the selection, at no pattern that a predictor could
/// learn.
template <std::uint64_t stamp_limit = std::uint64_t{1} << 32U>
class LruCache final : public Cache {
 public:
  LruCache(std::uint32_t capacity_entries, std::uint32_t directory_entries)
      : capacity_entries_(std::min(capacity_entries, std::max(directory_entries, 1U))),
        queue_(capacity_entries_, directory_entries) {
    assert(capacity_entries >= 1);
  }

  SelectionOutcome select(std::uint32_t base, std::span<const EntryId> ids, std::vector<EntryId>& missed) override {
    // One more than there can be: the loops write each id there and keep the place if it missed.
    const std::size_t before = missed.size();
    missed.resize(before + ids.size() + 1);
    EntryId* missed_end = missed.data() + before;
    SelectionOutcome outcome{.accesses = static_cast<std::uint32_t>(ids.size())};
    while (!ids.empty()) {
      const bool full = resident_ == capacity_entries_;
      const std::size_t limit = full ? queue_.room() : std::min(queue_.room(), capacity_entries_ - resident_);
      const auto part = ids.first(std::min<std::size_t>(ids.size(), limit));
      missed_end = full ? replace(base, part, missed_end, outcome) : fill(base, part, missed_end, outcome);
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
    queue_.make_room(1);
    const bool evicts = resident_ == capacity_entries_;
    if (evicts) {
      queue_.evict_oldest();
    } else {
      ++resident_;
    }
    queue_.enqueue(base + value(entry));
    return evicts ? 1 : 0;
  }

  void foresee(std::span<const NextUse> /*next_uses*/) override { assert(false); }

  bool contains(std::uint32_t base, EntryId entry) const override { return queue_.is_resident(base + value(entry)); }

  bool invariant() const override {
    return queue_.invariant() && queue_.count_resident() == resident_ && resident_ <= capacity_entries_;
  }

 private:
  using Queue = RecencyQueue<stamp_limit>;
  static constexpr std::size_t batch_size = 32;

  /// Accesses that all have room for one more entry.
  EntryId* fill(std::uint32_t base, std::span<const EntryId> ids, EntryId* missed, SelectionOutcome& outcome) noexcept {
    const std::uint64_t head = queue_.head();
    for (const EntryId id : ids) {
      const std::uint32_t key = base + value(id);
      const std::uint32_t stamp = queue_.stamp(key);
      const bool miss = stamp < head;
      *missed = id;
      missed += miss ? 1 : 0;
      resident_ += miss ? 1 : 0;
      outcome.compulsory_misses += stamp == Queue::never ? 1U : 0U;
      queue_.enqueue(key);
    }
    return missed;
  }

  /// Accesses to a full cache.
  EntryId* replace(std::uint32_t base, std::span<const EntryId> ids, EntryId* missed,
                   SelectionOutcome& outcome) noexcept {
    const EntryId* const first_missed = missed;
    while (!ids.empty()) {
      const auto batch = ids.first(std::min(ids.size(), batch_size));
      // A smaller cache has not the victims that a batch may need: its misses evict each other.
      EntryId* end = batch.size() <= capacity_entries_ ? replace_batch(base, batch, missed, outcome) : nullptr;
      missed = end != nullptr ? end : replace_one_by_one(base, batch, missed, outcome);
      ids = ids.subspan(batch.size());
    }
    outcome.evictions += static_cast<std::uint32_t>(missed - first_missed);
    return missed;
  }

  /// Looks all accesses of a batch up against the head as it stands, and then moves the head past as many live places
  /// as missed. That is right unless one of the hits is among the entries that the batch's misses evict: whether it
  /// came before or after its eviction is then for the one-by-one loop to say. Changes nothing and returns null in that
  /// case, which takes an entry used again when it is nearly the oldest: 3% of the batches on k512-req_0.
  EntryId* replace_batch(std::uint32_t base, std::span<const EntryId> ids, EntryId* missed,
                         SelectionOutcome& outcome) noexcept {
    const std::uint32_t* const stamp_of = queue_.stamps() + base;
    const auto head = static_cast<std::uint32_t>(queue_.head());
    EntryId* end = missed;
    std::uint32_t compulsory = 0;
    std::uint32_t oldest_hit = ~std::uint32_t{0};  // counted from the head; a miss wraps round and is never least
    for (const EntryId id : ids) {
      const std::uint32_t stamp = stamp_of[value(id)];
      *end = id;
      end += stamp < head ? 1 : 0;
      compulsory += stamp == Queue::never ? 1U : 0U;
      oldest_hit = std::min(oldest_hit, stamp - head);
    }
    if (end != missed) {
      const std::uint64_t last = queue_.pass_oldest(static_cast<std::size_t>(end - missed));
      if (oldest_hit <= last - queue_.head()) {
        queue_.forget_passed();
        return nullptr;
      }
      queue_.evict_through(last);
    }
    for (const EntryId id : ids) {
      queue_.enqueue(base + value(id));
    }
    outcome.compulsory_misses += compulsory;
    return end;
  }

  EntryId* replace_one_by_one(std::uint32_t base, std::span<const EntryId> ids, EntryId* missed,
                              SelectionOutcome& outcome) noexcept {
    for (const EntryId id : ids) {
      const std::uint32_t key = base + value(id);
      const std::uint32_t stamp = queue_.stamp(key);
      if (stamp < queue_.head()) {
        *missed++ = id;
        outcome.compulsory_misses += stamp == Queue::never ? 1U : 0U;
        queue_.evict_oldest();
      }
      queue_.enqueue(key);
    }
    return missed;
  }

  std::uint64_t capacity_entries_;
  std::uint64_t resident_ = 0;
  Queue queue_;
};

}  // namespace dsasim
