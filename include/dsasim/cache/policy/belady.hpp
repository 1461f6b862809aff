#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"

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
      level.resize(std::max<std::size_t>(level.size(), end), 0);
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

  std::array<std::vector<std::uint64_t>, 4> levels_;
};

/// Belady's MIN: evicts the entry whose next access is farthest. No policy that admits every miss misses less; with
/// bypass=1, none at all. Of several entries never accessed again, the one accessed last goes first. An entry that
/// would itself be the farthest is then fetched for its access and not admitted.
///
/// Belady: A study of replacement algorithms for a virtual-storage computer, IBM Systems Journal 5(2), 1966.
///
/// Access numbers are dense and each has one entry, so the next uses of the resident entries are a set of bits, and the
/// farthest is its largest number: some 4 loads, where a heap with its late keys sifts each of them to the top. Numbers
/// are not removed when their access comes: the past is smaller than everything that counts. The price is 4.2 bytes for
/// each access of the cache, as much as the distances themselves take.
class Belady {
 public:
  static constexpr std::string_view name = "belady";
  static constexpr std::string_view sentence =
      "Evicts the entry whose next access is farthest: no policy that admits every miss misses less.";
  static constexpr std::string_view source = "Belady, IBM Systems Journal 5(2), 1966";
  static constexpr std::array parameters{
      PolicyParameter{"bypass", "0", "0|1", "1 fetches an entry without admitting it if it would be the next victim"}};
  static constexpr Replacement replacement = Replacement::per_access;
  static constexpr bool needs_future = true;
  static constexpr double slot_bytes = 12;

  explicit Belady(const PolicySetup& setup)
      : bypass_(parameter_value(setup.spec, "bypass") == "1"), next_use_(setup.capacity_entries, not_filled) {
    unused_.reserve(setup.capacity_entries);
  }

  void on_foresee(AccessNumber last) {
    if (last >= slot_at_.size()) {
      slot_at_.resize(std::max<std::size_t>(last + 1, 2 * slot_at_.size()));
      next_uses_.grow(slot_at_.size());
    }
  }

  void on_next_use(AccessNumber number) noexcept { next_ = number; }
  void on_hit(SlotId slot) noexcept { schedule(value(slot)); }

  bool admits() noexcept {
    return !bypass_ || (next_ != never_accessed && (!unused_.empty() || next_ < next_uses_.largest()));
  }

  SlotId victim() noexcept {
    if (!unused_.empty()) {
      const std::uint32_t slot = unused_.back();
      unused_.pop_back();
      return SlotId{slot};
    }
    const AccessNumber farthest = next_uses_.largest();
    next_uses_.remove(farthest);
    assert(next_use_[slot_at_[farthest]] == farthest);
    return SlotId{slot_at_[farthest]};
  }

  void on_fill(SlotId slot) noexcept { schedule(value(slot)); }

  bool invariant() const {
    const auto is_found = [this](AccessNumber next) {
      return next >= not_filled || (next < slot_at_.size() && next_use_[slot_at_[next]] == next);
    };
    return std::cmp_equal(unused_.size(), std::ranges::count(next_use_, never_accessed)) &&
           std::ranges::all_of(next_use_, is_found);
  }

 private:
  static constexpr AccessNumber not_filled = never_accessed - 1;

  void schedule(std::uint32_t slot) noexcept {
    next_use_[slot] = next_;
    if (next_ == never_accessed) {
      unused_.push_back(slot);
    } else {
      slot_at_[next_] = slot;
      next_uses_.add(next_);
    }
  }

  bool bypass_;
  AccessNumber next_ = never_accessed;  ///< of the entry being accessed
  AccessNumberSet next_uses_;           ///< of the resident entries, and of the past
  std::vector<std::uint32_t> slot_at_;  ///< by access number: the slot of the entry accessed then
  std::vector<AccessNumber> next_use_;  ///< by slot, to check
  std::vector<std::uint32_t> unused_;   ///< slots of entries never accessed again
};

}  // namespace dsasim
