#pragma once

// The policies once more, as plain as they can be written: every decision looks at all entries. Slow on purpose; the
// fast caches are compared with this.

#include "cache/reference_queues.hpp"
#include "cache/reference_ranks.hpp"
#include "dsasim/cache/cache.hpp"
#include "dsasim/cache/policy/random.hpp"
#include "dsasim/cache/policy_spec.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace dsasim::test {

class ReferenceCache {
 public:
  ReferenceCache(const PolicySpec& given, std::size_t capacity, std::uint64_t cache_number,
                 std::size_t longest_selection = 0)
      : spec_(complete_policy(given)),
        capacity_(capacity),
        draws_(Xoshiro256::numbered(seed(), cache_number)),
        ranks_(make_plain_ranks(spec_, longest_selection)),
        queues_(make_plain_queues(spec_, capacity)) {}

  /// Keys are base + id. `next_uses` is read by belady only, and may be empty for others.
  SelectionOutcome select(const SelectionOrigin& from, const std::vector<Key>& keys, std::span<const NextUse> next_uses,
                          std::vector<Key>& missed) {
    SelectionOutcome outcome{.accesses = static_cast<std::uint32_t>(keys.size())};
    if (policy_needs(spec_).whole_selection) {
      named_ = {keys.begin(), keys.end()};
      if (ranks_) {
        ranks_->score(keys, from.scores);
        ranks_->select(from, named_, residents());
      }
      select_atomically(keys, next_uses, outcome, missed);
      named_.clear();
      now_ += keys.size();
      return outcome;
    }
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const std::uint64_t next = next_uses.empty() || next_uses[i] == never_again ? never : now_ + next_uses[i];
      if (contains(keys[i])) {
        ++outcome.hits;
        hit(keys[i], next);
      } else {
        missed.push_back(keys[i]);
        outcome.compulsory_misses += seen_.insert(keys[i]).second ? 1U : 0U;
        if (!refuses(next)) {
          outcome.evictions += add(keys[i], next);
        }
      }
      ++now_;
    }
    return outcome;
  }

  std::uint32_t insert(Key key, NextUse next_use) {
    if (contains(key)) {
      return 0;
    }
    seen_.insert(key);
    return add(key, next_use == never_again ? never : now_ + next_use);
  }

  /// It is gone as if it had never been, whether it is in the cache or not. The next to come in takes its slot; clock's
  /// hand goes round those that are left.
  void forget(Key key) {
    seen_.erase(key);
    if (ranks_) {
      ranks_->forget(key);
    }
    if (queues_) {
      queues_->forget(key);
    }
    if (!contains(key)) {
      return;
    }
    const bool full = entries_.size() == capacity_;
    entries_.erase(key);
    order_.remove(key);
    const auto slot = std::ranges::find(slots_, key);
    if (spec_.name == "clock") {
      slots_.erase(slot);
      if (full) {
        const auto gone = static_cast<std::size_t>(slot - slots_.begin());
        const auto first = slots_.begin() + static_cast<std::ptrdiff_t>(hand_ - (gone < hand_ ? 1 : 0));
        std::rotate(slots_.begin(), first, slots_.end());
      }
      hand_ = slots_.size();
    } else {
      free_slots_.push_back(static_cast<std::size_t>(slot - slots_.begin()));
      *slot = nobody;
    }
  }

  bool contains(Key key) const { return entries_.contains(key); }

 private:
  static constexpr Key nobody = std::numeric_limits<Key>::max();
  static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

  struct Entry {
    std::uint64_t inserted = 0;  ///< when
    std::uint64_t used = 0;      ///< when last
    std::uint64_t count = 1;
    std::uint64_t next = never;
    bool spared = false;  ///< clock's bit
  };

  std::string parameter(const std::string& key) const {
    for (const auto& [name, chosen] : spec_.parameters) {
      if (name == key) {
        return chosen;
      }
    }
    return {};
  }

  std::uint64_t seed() const { return spec_.name == "random" ? std::stoull(parameter("seed")) : 0; }

  std::set<Key> residents() const {
    std::set<Key> keys;
    for (const auto& [key, entry] : entries_) {
      keys.insert(key);
    }
    return keys;
  }

  void select_atomically(const std::vector<Key>& keys, std::span<const NextUse> next_uses, SelectionOutcome& outcome,
                         std::vector<Key>& missed) {
    std::vector<Key> misses;
    std::set<Key> hits;
    std::map<Key, std::uint64_t> next_of;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      next_of[keys[i]] = next_uses.empty() || next_uses[i] == never_again ? never : now_ + i + next_uses[i];
      if (contains(keys[i])) {
        hits.insert(keys[i]);
      } else {
        misses.push_back(keys[i]);
      }
    }
    for (const Key key : keys) {
      if (hits.contains(key)) {
        hit(key, next_of[key]);
      }
    }
    if (parameter("bypass") == "1") {
      named_ = needed_soonest(misses, next_of);
    }
    if (ranks_ && entries_.size() + misses.size() > capacity_) {
      std::set<Key> evictable = residents();
      std::erase_if(evictable, [this](Key key) { return named_.contains(key); });
      for (const Key key : ranks_->staged(misses, evictable, entries_.size() + misses.size() - capacity_)) {
        named_.erase(key);
      }
    }
    for (const Key key : misses) {
      outcome.compulsory_misses += seen_.insert(key).second ? 1U : 0U;
      if (named_.contains(key)) {
        outcome.evictions += add(key, next_of[key]);
      }
    }
    // hisparse: the hits become the newest, after the misses, in their old order.
    std::list<Key> renewed;
    for (auto at = order_.begin(); at != order_.end();) {
      const auto next = std::next(at);
      if (hits.contains(*at)) {
        renewed.splice(renewed.end(), order_, at);
      }
      at = next;
    }
    order_.splice(order_.end(), renewed);
    outcome.hits = static_cast<std::uint32_t>(hits.size());
    missed.insert(missed.end(), misses.begin(), misses.end());
  }

  /// With bypass=1, of the residents and the misses those needed soonest, as many as fit, residents first.
  std::set<Key> needed_soonest(const std::vector<Key>& misses, std::map<Key, std::uint64_t>& next_of) const {
    std::vector<std::tuple<std::uint64_t, bool, std::uint64_t, Key>> candidates;
    for (const auto& [key, entry] : entries_) {
      candidates.emplace_back(entry.next, false, entry.used, key);
    }
    for (std::size_t i = 0; i < misses.size(); ++i) {
      candidates.emplace_back(next_of[misses[i]], true, i, misses[i]);
    }
    std::ranges::sort(candidates);
    std::set<Key> kept;
    for (std::size_t i = 0; i < std::min(capacity_, candidates.size()); ++i) {
      kept.insert(std::get<Key>(candidates[i]));
    }
    return kept;
  }

  void hit(Key key, std::uint64_t next) {
    if (queues_) {
      queues_->hit(key);
    }
    Entry& entry = entries_[key];
    entry.used = ++clock_;
    ++entry.count;
    entry.spared = true;
    entry.next = next;
    age();
  }

  /// lfu: halves the counts and keeps the order of eviction.
  void age() {
    if (spec_.name != "lfu" || ++accesses_ != std::stoull(parameter("ageing"))) {
      return;
    }
    accesses_ = 0;
    std::vector<std::tuple<std::uint64_t, std::uint64_t, Key>> order;
    for (const auto& [key, entry] : entries_) {
      order.emplace_back(entry.count, entry.used, key);
    }
    std::ranges::sort(order);
    for (const auto& [count, used, key] : order) {
      entries_[key].count = std::max<std::uint64_t>(count / 2, 1);
      entries_[key].used = ++clock_;
    }
  }

  bool refuses(std::uint64_t next) const {
    return parameter("bypass") == "1" && entries_.size() == capacity_ &&
           std::ranges::all_of(entries_, [next](const auto& resident) { return resident.second.next <= next; });
  }

  /// Brings an entry in; returns the evictions.
  std::uint32_t add(Key key, std::uint64_t next) {
    const bool full = entries_.size() == capacity_;
    std::size_t slot = slots_.size();
    if (full) {
      const Key victim = queues_ ? queues_->evict(key, named_) : choose_victim();
      slot = static_cast<std::size_t>(std::ranges::find(slots_, victim) - slots_.begin());
      entries_.erase(victim);
      order_.remove(victim);
    } else if (!free_slots_.empty()) {
      slot = free_slots_.back();
      free_slots_.pop_back();
    } else {
      slots_.push_back(key);
    }
    slots_[slot] = key;
    hand_ = (slot + 1) % capacity_;
    ++clock_;
    if (ranks_) {
      ranks_->enter(key);
    }
    if (queues_) {
      queues_->add(key);
    }
    entries_[key] = {.inserted = clock_, .used = clock_, .next = next};
    order_.push_back(key);
    age();
    return full ? 1 : 0;
  }

  Key choose_victim() {
    const std::string& name = spec_.name;
    if (ranks_) {
      std::set<PlainRanks::Worth> worths;
      for (const auto& [key, entry] : entries_) {
        if (!named_.contains(key)) {
          worths.insert(ranks_->worth(key));
        }
      }
      return std::get<Key>(*worths.begin());
    }
    if (name == "hisparse") {
      return *std::ranges::find_if(order_, [this](Key key) { return !named_.contains(key); });
    }
    if (name == "random") {
      for (;;) {
        const Key key = slots_[draws_.below(static_cast<std::uint32_t>(capacity_))];
        if (!named_.contains(key)) {
          return key;
        }
      }
    }
    if (name == "clock") {
      for (; entries_[slots_[hand_]].spared; hand_ = (hand_ + 1) % capacity_) {
        entries_[slots_[hand_]].spared = false;
      }
      return slots_[hand_];
    }
    return least([&name](const Entry& entry) {
      if (name == "lru") {
        return std::pair(entry.used, entry.used);
      }
      if (name == "fifo") {
        return std::pair(entry.inserted, entry.inserted);
      }
      if (name == "lfu") {
        return std::pair(entry.count, entry.used);
      }
      if (name == "belady") {
        return std::pair(never - entry.next, never - entry.used);
      }
      throw std::logic_error("the reference does not know the policy " + name);
    });
  }

  /// The entry, of those not named by an open selection, for which `rank` is smallest.
  template <class Rank>
  Key least(Rank rank) const {
    const Key* best = nullptr;
    for (const auto& [key, entry] : entries_) {
      if (!named_.contains(key) && (best == nullptr || rank(entry) < rank(entries_.at(*best)))) {
        best = &key;
      }
    }
    return *best;
  }

  PolicySpec spec_;
  std::size_t capacity_;
  Xoshiro256 draws_;
  std::unique_ptr<PlainRanks> ranks_;    ///< of a policy that ranks entries
  std::unique_ptr<PlainQueues> queues_;  ///< of a policy made of queues
  std::map<Key, Entry> entries_;
  std::list<Key> order_;    ///< hisparse: oldest first
  std::vector<Key> slots_;  ///< clock and random: by slot
  std::vector<std::size_t> free_slots_;
  std::set<Key> named_;  ///< by the selection that is open; empty for policies of one access at a time
  std::set<Key> seen_;
  std::size_t hand_ = 0;
  std::uint64_t clock_ = 0;
  std::uint64_t now_ = 0;       ///< the number of the next access
  std::uint64_t accesses_ = 0;  ///< lfu: since the counts were halved
};

}  // namespace dsasim::test
