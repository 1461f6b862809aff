#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"
#include "dsasim/zeroed_array.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace dsasim {

/// A set of access numbers that knows its largest: a bit for each number, a bit for each word of those, and so on.
class AccessNumberSet {
 public:
  /// Makes room for the numbers below `end`.
  void grow(std::uint64_t end) {
    for (auto& level : levels_) {
      end = end / word_bits + 1;
      level.grow(std::max<std::size_t>(level.size(), end));
    }
  }

  void add(AccessNumber number) noexcept {
    for (auto& level : levels_) {
      std::uint64_t& word = level[number / word_bits];
      const bool was_known_above = word != 0;
      word |= std::uint64_t{1} << (number % word_bits);
      if (was_known_above) {
        return;
      }
      number /= word_bits;
    }
  }

  void remove(AccessNumber number) noexcept {
    for (auto& level : levels_) {
      level[number / word_bits] &= ~(std::uint64_t{1} << (number % word_bits));
      if (level[number / word_bits] != 0) {
        return;
      }
      number /= word_bits;
    }
  }

  /// The set must not be empty. The top level has a word for each 16.7 M numbers: few enough to look at in turn.
  AccessNumber largest() const noexcept {
    std::uint64_t word = levels_.back().size() - 1;
    while (levels_.back()[word] == 0) {
      --word;
    }
    for (std::size_t level = levels_.size(); level-- > 0;) {
      word = word * word_bits + static_cast<unsigned>(std::bit_width(levels_[level][word]) - 1);
    }
    return word;
  }

 private:
  static constexpr std::uint64_t word_bits = 64;

  std::array<ZeroedArray<std::uint64_t>, 4> levels_;
};

/// The next uses of a cache's entries. Access numbers are dense and each has one entry, so they are a set of bits, and
/// the farthest is its largest number: some 4 loads, where a heap with its late keys sifts each of them to the top.
/// Numbers are not removed when their access comes: the past is smaller than everything that counts. The price is 4.2
/// bytes for each access of the cache, as much as the distances themselves take.
class NextUses {
 public:
  explicit NextUses(std::uint32_t capacity_entries)
      : next_use_(capacity_entries, not_filled), unused_(capacity_entries) {}

  /// For numbers up to `last`.
  void make_room(AccessNumber last) {
    if (last >= slot_at_.size()) {
      slot_at_.grow(std::max<std::size_t>(last + 1, 2 * slot_at_.size()));
      next_uses_.grow(slot_at_.size());
    }
  }

  void schedule(SlotId slot, AccessNumber next) noexcept {
    next_use_[value(slot)] = next;
    if (next == never_accessed) {
      unused_[unused_count_++] = value(slot);
    } else {
      slot_at_[next] = value(slot);
      next_uses_.add(next);
    }
  }

  /// There must be an entry.
  AccessNumber farthest() const noexcept { return unused_count_ == 0 ? next_uses_.largest() : never_accessed; }

  /// Takes the entry out; of several never accessed again, the one scheduled last.
  SlotId take_farthest() noexcept {
    if (unused_count_ > 0) {
      return SlotId{unused_[--unused_count_]};
    }
    const AccessNumber farthest = next_uses_.largest();
    next_uses_.remove(farthest);
    assert(next_use_[slot_at_[farthest]] == farthest);
    return SlotId{slot_at_[farthest]};
  }

  /// Of an entry that is never accessed again, as one that is to be forgotten is.
  void forget(SlotId slot) noexcept {
    assert(next_use_[value(slot)] == never_accessed);
    const auto end = unused_.begin() + static_cast<std::ptrdiff_t>(unused_count_);
    std::move(std::find(unused_.begin(), end, value(slot)) + 1, end, std::find(unused_.begin(), end, value(slot)));
    --unused_count_;
    next_use_[value(slot)] = not_filled;
  }

  bool invariant() const {
    const auto is_found = [this](AccessNumber next) {
      return next >= not_filled || (next < slot_at_.size() && next_use_[slot_at_[next]] == next);
    };
    return std::cmp_equal(unused_count_, std::ranges::count(next_use_, never_accessed)) &&
           std::ranges::all_of(next_use_, is_found);
  }

 private:
  static constexpr AccessNumber not_filled = never_accessed - 1;

  AccessNumberSet next_uses_;           ///< of the entries, and of the past
  ZeroedArray<std::uint32_t> slot_at_;  ///< by access number: the slot of the entry accessed then
  std::vector<AccessNumber> next_use_;  ///< by slot, to check
  std::vector<std::uint32_t> unused_;   ///< slots of entries never accessed again, the first unused_count_
  std::size_t unused_count_ = 0;
};

/// Belady's MIN: evicts the entry whose next access is farthest. No policy that admits every miss misses less; with
/// bypass=1, none at all. Of several entries never accessed again, the one accessed last goes first. An entry that
/// would itself be the farthest is then fetched for its access and not admitted.
///
/// Belady: A study of replacement algorithms for a virtual-storage computer, IBM Systems Journal 5(2), 1966.
class Belady {
 public:
  static constexpr std::string_view name = "belady";
  static constexpr std::string_view sentence =
      "Evicts the entry whose next access is farthest: no policy that admits every miss misses less.";
  static constexpr std::string_view source = "Belady, IBM Systems Journal 5(2), 1966";
  static constexpr std::array parameters{
      atomic_parameter,
      PolicyParameter{"bypass", "0", "0|1", "1 fetches an entry without admitting it if it would be the next victim"}};
  static constexpr Replacement replacement = Replacement::per_access;
  static constexpr double access_ns = 25;
  static constexpr PolicyNeeds needs{.future = true};
  static constexpr double slot_bytes = 12;
  static constexpr double place_bytes = 0;

  explicit Belady(const PolicySetup& setup)
      : bypass_(parameter_value(setup.spec, "bypass") == "1"), residents_(setup.capacity_entries) {}

  void on_foresee(AccessNumber last) { residents_.make_room(last); }
  void on_next_use(AccessNumber number) noexcept { next_ = number; }
  void on_hit(Access access) noexcept { residents_.schedule(access.slot, next_); }
  bool admits() noexcept { return !bypass_ || next_ < residents_.farthest(); }
  SlotId victim(std::uint32_t /*key*/) noexcept { return residents_.take_farthest(); }
  void on_evict(Access /*access*/) noexcept {}
  void on_forget(Access access) noexcept { residents_.forget(access.slot); }
  void on_fill(Access access) noexcept { residents_.schedule(access.slot, next_); }

  bool invariant() const { return residents_.invariant(); }

 private:
  bool bypass_;
  AccessNumber next_ = never_accessed;  ///< of the entry being accessed
  NextUses residents_;
};

/// `belady,atomic=step`: the farthest next use among the entries that the selection does not name. What a policy that
/// replaces by selection can reach: it may not evict this step's hits for entries that are needed sooner, as MIN does.
///
/// bypass=1 keeps, of the residents and the selection, those that are needed soonest: once a selection is served, its
/// misses need not come in, and its hits may leave for them.
class BeladyStep {
 public:
  static constexpr std::string_view name = Belady::name;
  static constexpr std::string_view sentence = Belady::sentence;
  static constexpr std::string_view source = Belady::source;
  static constexpr auto parameters = Belady::parameters;
  static constexpr Replacement replacement = Replacement::per_selection;
  static constexpr double access_ns = Belady::access_ns;
  static constexpr PolicyNeeds needs{.future = true, .whole_selection = true};
  static constexpr double slot_bytes = Belady::slot_bytes + 20;
  static constexpr double place_bytes = 0;

  explicit BeladyStep(const PolicySetup& setup)
      : bypass_(parameter_value(setup.spec, "bypass") == "1"), residents_(setup.capacity_entries) {
    named_.reserve(setup.capacity_entries);
    victims_.reserve(bypass_ ? setup.capacity_entries : 0);
  }

  void on_foresee(AccessNumber last) { residents_.make_room(last); }
  void on_next_use(AccessNumber number) noexcept { next_ = number; }

  void on_begin(const StepSelection& selection) {
    if (bypass_) {
      misses_.assign(selection.missed_next_uses.begin(), selection.missed_next_uses.end());
      std::sort(misses_.begin(), misses_.end());
      evictions_ = selection.evictions;
      is_chosen_ = false;
    }
  }

  void on_hit(Access access) noexcept { schedule(access.slot); }

  bool admits() noexcept {
    if (!bypass_) {
      return true;
    }
    if (!is_chosen_) {
      choose_admitted();
    }
    if (next_ < first_refused_) {
      return true;
    }
    const bool admitted = next_ == first_refused_ && ties_admitted_ > 0;
    ties_admitted_ -= admitted ? 1 : 0;
    return admitted;
  }

  SlotId victim(std::uint32_t /*key*/) noexcept {
    if (victims_.empty()) {
      return residents_.take_farthest();
    }
    const SlotId slot = victims_.back();
    victims_.pop_back();
    return slot;
  }

  void on_evict(Access /*access*/) noexcept {}
  void on_forget(Access access) noexcept { residents_.forget(access.slot); }
  void on_fill(Access access) noexcept { schedule(access.slot); }

  void on_end() noexcept {
    for (const Named& named : named_) {
      residents_.schedule(named.slot, named.next_use);
    }
    named_.clear();
  }

  bool invariant() const { return named_.empty() && victims_.empty() && residents_.invariant(); }

 private:
  struct Named {
    SlotId slot;
    AccessNumber next_use;
  };

  /// What the selection names is no victim, and waits until it is over. The numbers that residents_ still has of it are
  /// those of the selection's own accesses: smaller than all others. With bypass, victims are chosen before they fill.
  void schedule(SlotId slot) noexcept {
    if (bypass_) {
      residents_.schedule(slot, next_);
    } else {
      named_.push_back({.slot = slot, .next_use = next_});
    }
  }

  /// The misses that are needed soonest come in, as long as each is needed sooner than the entry that leaves for it.
  void choose_admitted() noexcept {
    is_chosen_ = true;
    std::size_t admitted = misses_.size() - evictions_;
    while (admitted < misses_.size() && misses_[admitted] < residents_.farthest()) {
      victims_.push_back(residents_.take_farthest());
      ++admitted;
    }
    first_refused_ = admitted == misses_.size() ? never_accessed : misses_[admitted];
    const auto first_tie = std::lower_bound(misses_.begin(), misses_.end(), first_refused_);
    ties_admitted_ = admitted - static_cast<std::size_t>(first_tie - misses_.begin());
  }

  bool bypass_;
  AccessNumber next_ = never_accessed;  ///< of the entry of the next hook
  NextUses residents_;                  ///< without what named_ has
  std::vector<Named> named_;            ///< by the open selection
  std::vector<AccessNumber> misses_;    ///< of the open selection, soonest first
  std::vector<SlotId> victims_;         ///< of the open selection, with bypass
  std::size_t evictions_ = 0;           ///< of the open selection, if all its misses come in
  bool is_chosen_ = false;              ///< which of its misses come in
  AccessNumber first_refused_ = never_accessed;
  std::size_t ties_admitted_ = 0;  ///< misses that are never accessed again come in only where there is room
};

}  // namespace dsasim
