#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"
#include "dsasim/zeroed_array.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
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

/// A resident that the open selection does not name: it may be evicted.
struct Evictable {
  std::uint32_t key;
  std::uint32_t slot;
};

/// The hooks of a policy that evicts, a selection at a time, what is worth least of the residents that it does not
/// name; of equal worth, what was used longer ago, then the smaller key. `Ranks` says what an entry is worth:
///
///   State                        what is kept of an entry, as of its last use
///   history(spec)                which entries are remembered
///   begin(selection)             before anything else of a selection
///   after(state, steps)          a state, so many steps after the entry's last use
///   select(i, state)             the entry is the selection's i-th
///   learn(entries, evictable, now)   once all are selected: entries by key
///   look(entries, evictable, now)    before worth(), also before an insert evicts
///   worth(i, entry, now)         of the i-th evictable, a float
///
/// An entry that an insert() brings in counts as used at the step of the selection before, without being selected.
template <class Ranks>
class RankPolicy {
 public:
  static constexpr Replacement replacement = Replacement::per_selection;
  static constexpr double access_ns = Ranks::access_ns;
  static constexpr PolicyNeeds needs = Ranks::needs;
  static constexpr double slot_bytes = 25 + Ranks::slot_bytes;
  static constexpr double place_bytes = sizeof(RankedEntry<typename Ranks::State>);

  explicit RankPolicy(const PolicySetup& setup)
      : ranks_(setup),
        history_(Ranks::history(setup.spec)),
        entries_(setup.directory_entries),
        named_(setup.capacity_entries),
        evictable_(setup.capacity_entries) {
    keys_.reserve(setup.capacity_entries);
    orders_.reserve(setup.capacity_entries);
    bucket_.reserve(setup.capacity_entries);
    victims_.reserve(setup.capacity_entries);
  }

  void on_begin(const StepSelection& selection) {
    now_ = selection.from.step;
    ranks_.begin(selection);
    std::fill(named_.begin(), named_.end(), std::uint8_t{0});
    for (std::size_t i = 0; i < selection.ids.size(); ++i) {
      Entry& entry = entries_[selection.from.base + value(selection.ids[i])];
      use(entry);
      ranks_.select(i, entry.state);
      entry.named = true;
      named_[entry.slot] |= entry.resident ? 1U : 0U;
    }
    find_evictable();
    ranks_.learn(entries_, evictable(), now_);
    if (selection.evictions > 0) {
      rank(selection.evictions);
    }
    for (const EntryId id : selection.ids) {
      entries_[selection.from.base + value(id)].named = false;
    }
  }

  void on_hit(Access /*access*/) noexcept {}
  bool admits() noexcept { return true; }

  SlotId victim(std::uint32_t /*key*/) noexcept {
    if (victims_.empty()) {  // an insert
      std::fill(named_.begin(), named_.end(), std::uint8_t{0});
      find_evictable();
      rank(1);
    }
    const SlotId slot{victims_.back()};
    victims_.pop_back();
    return slot;
  }

  void on_evict(Access access) noexcept { entries_[access.key].resident = false; }

  void on_fill(Access access) noexcept {
    if (value(access.slot) == keys_.size()) {
      keys_.push_back(access.key);
    }
    keys_[value(access.slot)] = access.key;
    Entry& entry = entries_[access.key];
    use(entry);
    entry.resident = true;
    entry.slot = value(access.slot);
  }

  void on_end() noexcept {}

  bool invariant() const {
    return victims_.empty() && std::ranges::all_of(keys_, [this](std::uint32_t key) { return entries_[key].resident; });
  }

 private:
  static constexpr std::uint32_t bucket_bits = 8;
  using Entry = RankedEntry<typename Ranks::State>;

  /// Moves what is kept of an entry on to now.
  void use(Entry& entry) noexcept {
    const std::uint64_t steps = now_ - entry.last_use;
    const bool kept = entry.resident || !history_.forgets(steps);
    entry.state = kept ? ranks_.after(entry.state, steps) : typename Ranks::State{};
    entry.last_use = now_;
  }

  std::span<const Evictable> evictable() const noexcept { return std::span(evictable_).first(evictable_count_); }

  /// Without a branch: whether a resident is named is not predictable.
  void find_evictable() noexcept {
    std::size_t count = 0;
    for (std::uint32_t slot = 0; slot < keys_.size(); ++slot) {
      evictable_[count] = {.key = keys_[slot], .slot = slot};
      count += named_[slot] == 0 ? 1U : 0U;
    }
    evictable_count_ = count;
  }

  /// Chooses the `count` that leave, at least one.
  void rank(std::size_t count) noexcept {
    ranks_.look(entries_, evictable(), now_);
    orders_.resize(evictable_count_);
    for (std::size_t i = 0; i < evictable_count_; ++i) {
      orders_[i] = order_of(ranks_.worth(i, entries_[evictable_[i].key], now_));
    }
    victims_.clear();
    if (count >= evictable_count_) {
      for (const Evictable& entry : evictable()) {
        victims_.push_back(entry.slot);
      }
      return;
    }
    const std::uint32_t last = last_order(count);
    take_below(last);
    take_ties(last, count - victims_.size());
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

  void take_below(std::uint32_t order) noexcept {
    victims_.resize(evictable_count_);
    std::size_t taken = 0;
    for (std::size_t i = 0; i < evictable_count_; ++i) {
      victims_[taken] = evictable_[i].slot;
      taken += orders_[i] < order ? 1U : 0U;
    }
    victims_.resize(taken);
  }

  void take_ties(std::uint32_t order, std::size_t count) noexcept {
    std::size_t ties = 0;  // moved to the front: the others are not needed any more
    for (std::size_t i = 0; i < evictable_count_; ++i) {
      evictable_[ties] = evictable_[i];
      ties += orders_[i] == order ? 1U : 0U;
    }
    if (ties > count) {
      const auto begin = evictable_.begin();
      std::nth_element(begin, begin + static_cast<std::ptrdiff_t>(count), begin + static_cast<std::ptrdiff_t>(ties),
                       [this](const Evictable& a, const Evictable& b) {
                         return std::tuple(entries_[a.key].last_use, a.key) <
                                std::tuple(entries_[b.key].last_use, b.key);
                       });
    }
    for (std::size_t i = 0; i < count; ++i) {
      victims_.push_back(evictable_[i].slot);
    }
  }

  /// In the order of the floats; the two zeros are equal.
  static std::uint32_t order_of(float worth) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(worth + 0.0F);
    constexpr std::uint32_t sign = 0x80000000;
    return (bits & sign) != 0 ? ~bits : bits | sign;
  }

  Ranks ranks_;
  History history_;
  ZeroedArray<Entry> entries_;        ///< by key
  std::vector<std::uint32_t> keys_;   ///< by slot
  std::vector<std::uint8_t> named_;   ///< by slot: 1 if the open selection names its entry
  std::vector<Evictable> evictable_;  ///< room for all slots
  std::size_t evictable_count_ = 0;
  std::vector<std::uint32_t> orders_;   ///< by evictable: what it is worth
  std::vector<std::uint32_t> bucket_;   ///< of these, the ones among which the last victim is
  std::vector<std::uint32_t> victims_;  ///< slots
  std::uint64_t now_ = 0;
};

}  // namespace dsasim
