#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"
#include "dsasim/zeroed_array.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

namespace dsasim {

/// The parameter `history` of policies that remember entries after these have left.
struct History {
  static constexpr PolicyParameter parameter{
      "history", "all", "all|residents|1..1000000",
      "what is remembered: every entry, those in the cache, or also those used in the last N steps"};

  explicit History(const PolicySpec& spec) {
    const std::string_view chosen = parameter_value(spec, parameter.key);
    steps_ = chosen == "all" ? ~std::uint64_t{0} : chosen == "residents" ? 0 : integer_value(spec, parameter.key);
  }

  static History all() noexcept { return {}; }

  /// Of an entry that comes in again, so many steps after its last use.
  bool forgets(std::uint64_t steps) const noexcept { return steps > steps_; }

 private:
  History() noexcept = default;

  std::uint64_t steps_ = ~std::uint64_t{0};
};

/// An entry as a policy of ranks remembers it. All zeros: never used.
template <class State>
struct RankedEntry {
  std::uint64_t last_use;  ///< step
  State state;             ///< then
  std::uint32_t slot;      ///< of a resident
  bool resident;
  bool named;  ///< by the selection that is open
};

/// What need not be in the cache after a selection: a resident that it does not name; with staging, also a miss.
struct Candidate {
  static constexpr std::uint32_t no_slot = 0xFFFFFFFF;
  std::uint32_t key;
  std::uint32_t slot;  ///< of a miss, no_slot
};

/// The hooks of a policy that evicts, a selection at a time, what is worth least of the residents that it does not
/// name; of equal worth, what was used longer ago, then the smaller key. `Ranks` says what an entry is worth:
///
///   State                            what is kept of an entry, as of its last use
///   history(spec)                    which entries are remembered
///   begin(selection)                 before anything else of a selection
///   after(state, steps)              a state, so many steps after the entry's last use
///   select(i, state)                 the entry is the selection's i-th
///   learn(entries, candidates, now)  once all are selected: entries by key
///   forget(key)                      the entry is gone as if it had never been
///   look(entries, candidates, now)   before worth(), also before an insert evicts
///   worth(i, entry, now)             of the i-th candidate, a float
///   staging()                        so many misses of a selection need not come in: those worth less than what would
///                                    leave for them are fetched for the step alone
///
/// An entry that an insert() brings in counts as used at the step of the selection before, without being selected.
template <class Ranks>
class RankPolicy {
 public:
  static constexpr Replacement replacement = Replacement::per_selection;
  static constexpr double access_ns = Ranks::access_ns;
  static constexpr PolicyNeeds needs = Ranks::needs;
  static constexpr double slot_bytes = 29 + Ranks::slot_bytes;
  static constexpr double place_bytes = sizeof(RankedEntry<typename Ranks::State>);

  explicit RankPolicy(const PolicySetup& setup)
      : ranks_(setup),
        history_(Ranks::history(setup.spec)),
        entries_(setup.directory_entries),
        named_(setup.capacity_entries),
        candidates_(setup.capacity_entries) {
    keys_.reserve(setup.capacity_entries);
    orders_.reserve(setup.capacity_entries);
    bucket_.reserve(setup.capacity_entries);
    victims_.reserve(setup.capacity_entries);
    chosen_.reserve(setup.capacity_entries);
  }

  void on_begin(const StepSelection& selection) {
    now_ = selection.from.step;
    inserts_ = false;
    ranks_.begin(selection);
    clear_named();
    for (std::size_t i = 0; i < selection.ids.size(); ++i) {
      Entry& entry = entries_[selection.from.base + value(selection.ids[i])];
      use(entry);
      ranks_.select(i, entry.state);
      entry.named = true;
      named_[entry.slot] |= entry.resident ? 1U : 0U;
    }
    find_evictable();
    if (ranks_.staging() > 0) {
      add_misses(selection);
    }
    ranks_.learn(entries_, candidates(), now_);
    if (selection.evictions > 0) {
      rank(selection.evictions);
    }
    for (const EntryId id : selection.ids) {
      entries_[selection.from.base + value(id)].named = false;
    }
  }

  void on_hit(Access /*access*/) noexcept {}
  bool admits() noexcept { return staged_.empty() || staged_[next_miss_++] == 0; }

  SlotId victim(std::uint32_t /*key*/) noexcept {
    if (victims_.empty()) {
      return victim_of_insert();
    }
    const SlotId slot{victims_.back()};
    victims_.pop_back();
    return slot;
  }

  void on_evict(Access access) noexcept { entries_[access.key].resident = false; }

  void on_forget(Access access) noexcept {
    named_[value(access.slot)] = left;
    inserts_ = false;
    on_forget_departed(access.key);
  }
  void on_forget_departed(std::uint32_t key) noexcept {
    entries_[key] = {};
    ranks_.forget(key);
  }

  void on_fill(Access access) noexcept {
    if (value(access.slot) == keys_.size()) {
      keys_.push_back(access.key);
    }
    keys_[value(access.slot)] = access.key;
    named_[value(access.slot)] = 0;
    Entry& entry = entries_[access.key];
    use(entry);
    entry.resident = true;
    entry.slot = value(access.slot);
    if (inserts_) {
      take_place_of_victim(access.key);
    }
  }

  void on_end() noexcept {
    staged_.clear();
    next_miss_ = 0;
  }

  bool invariant() const {
    for (std::size_t slot = 0; slot < keys_.size(); ++slot) {
      if (named_[slot] != left && !entries_[keys_[slot]].resident) {
        return false;
      }
    }
    return victims_.empty();
  }

 private:
  static constexpr std::uint32_t bucket_bits = 8;
  static constexpr std::uint8_t left = 2;
  using Entry = RankedEntry<typename Ranks::State>;

  /// Moves what is kept of an entry on to now.
  void use(Entry& entry) noexcept {
    const std::uint64_t steps = now_ - entry.last_use;
    const bool kept = entry.resident || !history_.forgets(steps);
    entry.state = kept ? ranks_.after(entry.state, steps) : typename Ranks::State{};
    entry.last_use = now_;
  }

  void clear_named() noexcept {
    for (std::uint8_t& named : named_) {
      named &= left;
    }
  }

  std::span<const Candidate> candidates() const noexcept { return std::span(candidates_).first(count_); }

  /// Without a branch: whether a resident is named is not predictable.
  void find_evictable() noexcept {
    std::size_t count = 0;
    for (std::uint32_t slot = 0; slot < keys_.size(); ++slot) {
      candidates_[count] = {.key = keys_[slot], .slot = slot};
      count += named_[slot] == 0 ? 1U : 0U;
    }
    count_ = count;
    residents_ = count;
  }

  void add_misses(const StepSelection& selection) {
    candidates_.resize(std::max(candidates_.size(), count_ + selection.ids.size()));
    for (const EntryId id : selection.ids) {
      const std::uint32_t key = selection.from.base + value(id);
      if (!entries_[key].resident) {
        candidates_[count_++] = {.key = key, .slot = Candidate::no_slot};
      }
    }
  }

  void order_candidates() {
    ranks_.look(entries_, candidates(), now_);
    orders_.resize(count_);
    for (std::size_t i = 0; i < count_; ++i) {
      orders_[i] = order_of(ranks_.worth(i, entries_[candidates_[i].key], now_));
    }
    chosen_.resize(count_);
  }

  /// Inserts that follow each other rank the residents once: chosen_ is a heap of all, what leaves first in front.
  SlotId victim_of_insert() {
    if (!inserts_) {
      clear_named();
      find_evictable();
      order_candidates();
      std::iota(chosen_.begin(), chosen_.end(), 0U);
      std::make_heap(chosen_.begin(), chosen_.end(), leaves_later());
      inserts_ = true;
    }
    std::pop_heap(chosen_.begin(), chosen_.end(), leaves_later());
    return SlotId{candidates_[chosen_.back()].slot};
  }

  void take_place_of_victim(std::uint32_t key) {
    const std::uint32_t i = chosen_.back();
    candidates_[i].key = key;
    ranks_.look(entries_, candidates().subspan(i, 1), now_);
    orders_[i] = order_of(ranks_.worth(0, entries_[key], now_));
    std::push_heap(chosen_.begin(), chosen_.end(), leaves_later());
  }

  auto age_and_key(std::uint32_t candidate) const noexcept {
    const std::uint32_t key = candidates_[candidate].key;
    return std::tuple(entries_[key].last_use, key);
  }
  auto leaves_later() const noexcept {
    return [this](std::uint32_t a, std::uint32_t b) {
      return orders_[a] != orders_[b] ? orders_[a] > orders_[b] : age_and_key(a) > age_and_key(b);
    };
  }

  /// Chooses the `count` that leave, or do not come in; at least one, and no more than residents that may leave.
  void rank(std::size_t count) {
    order_candidates();
    if (residents_ < count_) {
      admit_beyond_staging();
    }
    choose(count);
    victims_.clear();
    staged_.assign(count_ - residents_, 0);
    for (const std::uint32_t i : chosen_) {
      if (i < residents_) {
        victims_.push_back(candidates_[i].slot);
      } else {
        staged_[i - residents_] = 1;
      }
    }
  }

  /// More misses than are staged come in whatever they are worth: those worth most.
  void admit_beyond_staging() noexcept {
    const std::size_t misses = count_ - residents_;
    if (misses > ranks_.staging()) {
      const auto missed = chosen_.begin() + static_cast<std::ptrdiff_t>(residents_);
      std::iota(missed, chosen_.end(), static_cast<std::uint32_t>(residents_));
      const auto nth = missed + static_cast<std::ptrdiff_t>(ranks_.staging());
      std::nth_element(missed, nth, chosen_.end(), [this](std::uint32_t a, std::uint32_t b) {
        return std::tuple(orders_[a], candidates_[a].key) < std::tuple(orders_[b], candidates_[b].key);
      });
      std::for_each(nth, chosen_.end(), [this](std::uint32_t i) { orders_[i] = ~std::uint32_t{0}; });
    }
  }

  /// The `count` candidates of the smallest orders, into chosen_.
  void choose(std::size_t count) noexcept {
    const std::uint32_t last = last_order(count);
    std::size_t taken = 0;
    for (std::uint32_t i = 0; i < count_; ++i) {
      chosen_[taken] = i;
      taken += orders_[i] < last ? 1U : 0U;
    }
    std::size_t end = taken;
    for (std::uint32_t i = 0; i < count_ && end < count_; ++i) {
      chosen_[end] = i;
      end += orders_[i] == last ? 1U : 0U;
    }
    if (end > count) {
      const auto at = [this](std::size_t place) { return chosen_.begin() + static_cast<std::ptrdiff_t>(place); };
      std::nth_element(at(taken), at(count), at(end),
                       [this](std::uint32_t a, std::uint32_t b) { return age_and_key(a) < age_and_key(b); });
    }
    chosen_.resize(count);
  }

  /// The largest order of the `count` smallest. Buckets leave few to be compared with each other.
  std::uint32_t last_order(std::size_t count) noexcept {
    std::uint32_t least = ~std::uint32_t{0};
    std::uint32_t most = 0;
    for (const std::uint32_t order : orders_) {
      least = std::min(least, order);
      most = std::max(most, order);
    }
    const auto range_bits = static_cast<std::uint32_t>(std::bit_width(most - least));
    const std::uint32_t shift = range_bits - std::min(range_bits, bucket_bits);
    std::array<std::uint32_t, std::size_t{1} << bucket_bits> sizes{};
    for (const std::uint32_t order : orders_) {
      ++sizes[(order - least) >> shift];
    }
    std::uint32_t bucket = 0;
    for (; sizes[bucket] < count; ++bucket) {
      count -= sizes[bucket];
    }
    bucket_.resize(orders_.size());
    std::size_t size = 0;
    for (const std::uint32_t order : orders_) {
      bucket_[size] = order;
      size += (order - least) >> shift == bucket ? 1U : 0U;
    }
    bucket_.resize(size);
    const auto last = bucket_.begin() + static_cast<std::ptrdiff_t>(count) - 1;
    std::nth_element(bucket_.begin(), last, bucket_.end());
    return *last;
  }

  /// In the order of the floats; the two zeros are equal.
  static std::uint32_t order_of(float worth) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(worth + 0.0F);
    constexpr std::uint32_t sign = 0x80000000;
    return (bits & sign) != 0 ? ~bits : bits | sign;
  }

  Ranks ranks_;
  History history_;
  ZeroedArray<Entry> entries_;       ///< by key
  std::vector<std::uint32_t> keys_;  ///< by slot
  std::vector<std::uint8_t>
      named_;  ///< by slot: 1 if the open selection names its entry, `left` if it has none any more
  std::vector<Candidate> candidates_;   ///< residents, then misses; room for all slots
  std::size_t count_ = 0;               ///< of candidates
  std::size_t residents_ = 0;           ///< of these
  std::vector<std::uint32_t> orders_;   ///< by candidate: what it is worth
  std::vector<std::uint32_t> bucket_;   ///< of these, the ones among which the last one chosen is
  std::vector<std::uint32_t> chosen_;   ///< candidates; while inserts follow each other, a heap of them
  bool inserts_ = false;                ///< they do
  std::vector<std::uint32_t> victims_;  ///< slots
  std::vector<std::uint8_t> staged_;    ///< by miss of the open selection: 1 if it
                                        ///< does not come in; empty if all do
  std::size_t next_miss_ = 0;
  std::uint64_t now_ = 0;
};

}  // namespace dsasim
