#pragma once

#include "dsasim/cache/cache.hpp"
#include "dsasim/cache/policy.hpp"
#include "dsasim/cache/set_change.hpp"
#include "dsasim/zeroed_array.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace dsasim {

/// The replay loop for a policy whose hand goes round the slots: FIFO, which evicts what it finds, and CLOCK, which
/// spares what was used since it last came by.
///
/// Which entries are resident, and which of them were used, are bits by key. So a hit is a bit that is already there,
/// and a selection that comes as a set is replayed 64 ids at a time: most words have no miss, and all their hits are
/// one OR. Those with a miss are found 64 words at once: which they are cannot be predicted, and asking each was half
/// of a replay with a context of 100K.
template <SweepPolicy P>
class SweepCache final : public Cache {
 public:
  /// More slots than keys could never be filled.
  explicit SweepCache(const PolicySetup& setup)
      : resident_((std::size_t{setup.directory_entries} + 63) / 64),
        seen_(resident_.size()),
        used_(P::spares_used ? resident_.size() : 0),
        key_at_(std::min(setup.capacity_entries, std::max(setup.directory_entries, 1U))) {
    assert(setup.capacity_entries >= 1);
  }

  SelectionOutcome select(const SelectionOrigin& from, std::span<const EntryId> ids,
                          std::vector<EntryId>& missed) override {
    SelectionOutcome outcome{.accesses = static_cast<std::uint32_t>(ids.size())};
    const std::size_t before = missed.size();
    missed.resize(before + ids.size());
    EntryId* end = missed.data() + before;
    for (const EntryId id : ids) {
      const std::uint32_t key = from.base + value(id);
      if ((resident_[key / 64] & bit(key)) != 0) {
        use(key / 64, bit(key));
      } else {
        *end++ = id;
        admit(key, outcome);
      }
    }
    missed.resize(static_cast<std::size_t>(end - missed.data()));
    outcome.hits = outcome.accesses - static_cast<std::uint32_t>(missed.size() - before);
    return outcome;
  }

  bool takes_sets() const override { return true; }

  SelectionOutcome select_set(const SelectionOrigin& from, const SelectionView& selection,
                              std::vector<EntryId>& missed) override {
    assert(from.base % 64 == 0);
    if (!selection.ascending) {
      return select(from, {selection.ids, selection.size}, missed);
    }
    SelectionOutcome outcome{.accesses = selection.size};
    const std::size_t before = missed.size();
    missed.resize(before + selection.size);
    EntryId* end = missed.data() + before;
    const std::span<const std::uint64_t> words(selection.words, selection.word_count);
    for (std::size_t first = 0; first < words.size(); first += part_words) {
      const auto part = words.subspan(first, std::min(part_words, words.size() - first));
      end = select_words(from.base / 64 + first, part, static_cast<std::uint32_t>(first * 64), end, outcome);
    }
    missed.resize(static_cast<std::size_t>(end - missed.data()));
    outcome.hits = outcome.accesses - static_cast<std::uint32_t>(missed.size() - before);
    return outcome;
  }

  std::uint32_t insert(std::uint32_t base, EntryId entry) override {
    SelectionOutcome outcome;
    if (!contains(base, entry)) {
      admit(base + value(entry), outcome);
    }
    return outcome.evictions;
  }

  /// The others keep their order: the hand is at the oldest of them, and what comes in is behind it.
  void forget(std::uint32_t base, std::uint32_t first, std::uint32_t last) override {
    std::size_t gone = 0;
    for (std::uint32_t key = base + first; key < base + last; ++key) {
      const std::uint64_t others = ~bit(key);
      gone += (resident_[key / 64] & bit(key)) != 0 ? 1U : 0U;
      resident_[key / 64] &= others;
      seen_[key / 64] &= others;
      if constexpr (P::spares_used) {
        used_[key / 64] &= others;
      }
    }
    if (gone > 0) {
      close_gaps();
    }
  }

  void foresee(std::span<const NextUse> /*next_uses*/) override { assert(false); }

  bool contains(std::uint32_t base, EntryId entry) const override {
    const std::uint32_t key = base + value(entry);
    return (resident_[key / 64] & bit(key)) != 0;
  }

  bool invariant() const override {
    std::uint64_t resident = 0;
    bool subset = true;
    for (std::size_t word = 0; word < resident_.size(); ++word) {
      resident += static_cast<unsigned>(std::popcount(resident_[word]));
      subset = subset && (resident_[word] & ~seen_[word]) == 0;
      if constexpr (P::spares_used) {
        subset = subset && (used_[word] & ~resident_[word]) == 0;
      }
    }
    const auto slots = std::span<const std::uint32_t>(key_at_).first(filled_);
    return subset && resident == filled_ && hand_ < key_at_.size() &&
           std::ranges::all_of(slots, [&](std::uint32_t key) { return (resident_[key / 64] & bit(key)) != 0; });
  }

 private:
  static constexpr std::size_t stride = 4;
  static constexpr std::size_t part_words = 64;

  static std::uint64_t bit(std::uint32_t key) noexcept { return std::uint64_t{1} << (key % 64); }

  void use(std::size_t word, std::uint64_t bits) noexcept {
    if constexpr (P::spares_used) {
      used_[word] |= bits;
    }
  }

  /// The entries of up to part_words words, the first of which is `first`. A word is looked at if it has a miss when
  /// the part begins, or once an entry that is still to be accessed is evicted from it.
  EntryId* select_words(std::size_t first, std::span<const std::uint64_t> words, std::uint32_t first_id,
                        EntryId* missed, SelectionOutcome& outcome) noexcept {
    std::uint64_t with_misses = words_with_absent(words, resident_.data() + first);
    std::size_t done = 0;
    while (with_misses != 0) {
      const auto word = static_cast<std::size_t>(std::countr_zero(with_misses));
      use_all(first + done, words.subspan(done, word - done));
      done = word + 1;
      // In ascending order: the hits before each miss are used before its victim is sought, which may be one of those
      // after it.
      std::uint64_t selected = words[word];
      for (std::uint64_t misses = selected & ~resident_[first + word]; misses != 0;
           misses = selected & ~resident_[first + word]) {
        const auto place = static_cast<unsigned>(std::countr_zero(misses));
        const std::uint64_t before = (std::uint64_t{1} << place) - 1;
        use(first + word, selected & before);
        selected &= ~before & ~(std::uint64_t{1} << place);
        *missed++ = EntryId{first_id + static_cast<std::uint32_t>(word * 64) + place};
        const std::uint32_t victim = admit(static_cast<std::uint32_t>((first + word) * 64 + place), outcome);
        const std::size_t left = victim / 64 - first;  // wraps round for what lies before the part
        if (left < words.size() && (words[left] & bit(victim)) != 0) {
          with_misses |= std::uint64_t{1} << left;
        }
      }
      use(first + word, selected);
      with_misses &= ~std::uint64_t{0} << word << 1U;
    }
    use_all(first + done, words.subspan(done));
    return missed;
  }

  /// Of words without a miss.
  void use_all(std::size_t first, std::span<const std::uint64_t> words) noexcept {
    if constexpr (P::spares_used) {
      for (std::size_t word = 0; word < words.size(); ++word) {
        used_[first + word] |= words[word];
      }
    }
  }

  static constexpr std::uint32_t no_key = std::numeric_limits<std::uint32_t>::max();  ///< more than a directory has

  /// Returns the key that was evicted, or no_key.
  std::uint32_t admit(std::uint32_t key, SelectionOutcome& outcome) noexcept {
    const std::uint64_t own = bit(key);
    std::uint32_t victim = no_key;
    outcome.compulsory_misses += (seen_[key / 64] & own) == 0 ? 1U : 0U;
    seen_[key / 64] |= own;
    if (filled_ < key_at_.size()) {  // the slots fill in order, and the hand goes with them
      ++filled_;
    } else {
      victim = evict();
      ++outcome.evictions;
    }
    key_at_[hand_] = key;
    resident_[key / 64] |= own;
    advance();
    return victim;
  }

  /// Leaves the hand at the victim's slot.
  std::uint32_t evict() noexcept {
    if constexpr (P::spares_used) {
      // Several slots at once, as long as they do not wrap round: how far the hand goes is not predictable.
      while (key_at_.size() - hand_ >= stride && spare_stride()) {
      }
      for (std::uint32_t key = key_at_[hand_]; (used_[key / 64] & bit(key)) != 0; key = key_at_[hand_]) {
        used_[key / 64] &= ~bit(key);
        advance();
      }
    }
    const std::uint32_t victim = key_at_[hand_];
    resident_[victim / 64] &= ~bit(victim);
    return victim;
  }

  /// Spares the used slots from the hand on, up to `stride`, without a branch; true if all of these were used.
  bool spare_stride() noexcept {
    std::uint64_t spared = 1;
    std::size_t count = 0;
    for (std::size_t i = 0; i < stride; ++i) {
      const std::uint32_t key = key_at_[hand_ + i];
      spared &= used_[key / 64] >> (key % 64);
      used_[key / 64] &= ~(spared << (key % 64));
      count += spared;
    }
    hand_ += count;
    hand_ = hand_ == key_at_.size() ? 0 : hand_;
    return count == stride;
  }

  /// The slots of resident entries become the first, from the hand round.
  void close_gaps() {
    std::vector<std::uint32_t> keys;
    const std::size_t oldest = filled_ == key_at_.size() ? hand_ : 0;
    for (std::size_t i = 0; i < filled_; ++i) {
      const std::uint32_t key = key_at_[(oldest + i) % key_at_.size()];
      if ((resident_[key / 64] & bit(key)) != 0) {
        keys.push_back(key);
      }
    }
    std::ranges::copy(keys, key_at_.begin());
    filled_ = keys.size();
    hand_ = filled_;
  }

  void advance() noexcept { hand_ = hand_ + 1 == key_at_.size() ? 0 : hand_ + 1; }

  ZeroedArray<std::uint64_t> resident_;  ///< by key, a bit
  ZeroedArray<std::uint64_t> seen_;      ///< by key, a bit: was ever in the cache
  ZeroedArray<std::uint64_t> used_;    ///< by key, a bit: hit since the hand last came by; empty unless it is asked for
  ZeroedArray<std::uint32_t> key_at_;  ///< by slot
  std::size_t filled_ = 0;             ///< slots
  std::size_t hand_ = 0;
};

}  // namespace dsasim
