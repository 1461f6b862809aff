#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace dsasim {

/// The replacement of SGLang's HiSparse hot buffer, the same in vLLM and TensorRT-LLM: LRU over whole selections.
/// Misses, in logged order, take the slots that were not hit, oldest first. The new order, oldest to newest, is: the
/// slots left over in their old order, the misses in logged order, the hits in their old order (not in the order of
/// access).
///
/// Contexts that fit the buffer and the slots of the newest entries are the replay's: none of them get here
/// (src/replay/access_order.hpp).
///
/// The order is a log of positions: a slot becomes the newest by being appended once more, and a bit for each position
/// says whether it is the one that counts. Hits only set a bit at their position; when the selection is over, a walk
/// over these bits finds the hits in their old order. The log is compacted when it has no room for another selection.
class Hisparse {
 public:
  static constexpr std::string_view name = "hisparse";
  static constexpr std::string_view sentence =
      "LRU a selection at a time: misses take the oldest slots not hit, hits become newest in their old order.";
  static constexpr std::string_view source = "SGLang HiSparse, also in vLLM and TensorRT-LLM";
  static constexpr std::array<PolicyParameter, 0> parameters{};
  static constexpr Replacement replacement = Replacement::per_selection;
  static constexpr double access_ns = 4;
  static constexpr PolicyNeeds needs{.whole_selection = true, .keeps_fitting_context = true};
  static constexpr double slot_bytes = 21.1;
  static constexpr double place_bytes = 0;

  explicit Hisparse(const PolicySetup& setup)
      : capacity_entries_(setup.capacity_entries),
        words_((log_factor * capacity_entries_ + word_bits - 1) / word_bits),
        slot_at_(words_ * word_bits),
        position_of_(capacity_entries_),
        live_(words_, 0),
        hit_(words_, 0),
        touched_((words_ + group_words - 1) / group_words * group_words, 0) {
    assert(slot_at_.size() <= max_positions);
  }

  void on_begin(const StepSelection& /*selection*/) {}

  void on_hit(Access access) noexcept {
    const std::size_t position = position_of_[value(access.slot)];
    const std::size_t word = position / word_bits;
    hit_[word] |= bit(position);
    touched_[word] = 1;
  }

  bool admits() noexcept { return true; }

  /// The oldest position that counts and was not hit. Those passed over were hit and are renewed when the selection
  /// ends, so no position is ever passed twice.
  SlotId victim(std::uint32_t /*key*/) noexcept {
    while ((live_[oldest_word_] & ~hit_[oldest_word_]) == 0) {
      ++oldest_word_;
    }
    const std::uint64_t candidates = live_[oldest_word_] & ~hit_[oldest_word_];
    live_[oldest_word_] &= ~(candidates & (0 - candidates));
    return SlotId{slot_at_[oldest_word_ * word_bits + lowest(candidates)]};
  }

  void on_evict(Access /*access*/) noexcept {}

  void on_forget(Access access) noexcept {
    const std::size_t position = position_of_[value(access.slot)];
    live_[position / word_bits] &= ~bit(position);
  }

  void on_fill(Access access) noexcept { append(value(access.slot)); }

  void on_end() noexcept {
    renew_hits();
    set_live(settled_, end_);
    // A selection appends each of its entries once, and its hits must not move before it ends.
    if (slot_at_.size() - end_ < capacity_entries_) {
      compact();
    }
    settled_ = end_;
    first_word_ = oldest_word_;
  }

  bool invariant() const {
    std::size_t live = 0;
    std::size_t consistent = 0;
    for (std::size_t position = 0; position < end_; ++position) {
      if ((live_[position / word_bits] & bit(position)) != 0) {
        ++live;
        consistent += position_of_[slot_at_[position]] == position && position / word_bits >= oldest_word_ ? 1U : 0U;
      }
    }
    const auto is_zero = [](auto mark) { return mark == 0; };
    return live == consistent && live <= capacity_entries_ && slot_at_.size() - end_ >= capacity_entries_ &&
           std::ranges::all_of(hit_, is_zero) && std::ranges::all_of(touched_, is_zero);
  }

 private:
  static constexpr std::size_t word_bits = 64;
  static constexpr std::size_t group_words = sizeof(std::uint64_t);  ///< marks of touched_ looked at together
  static constexpr std::size_t log_factor = 4;  ///< three appends for each slot between compactions
  static constexpr std::uint64_t max_positions = std::uint64_t{1} << 32U;

  static std::uint64_t bit(std::size_t position) noexcept { return std::uint64_t{1} << (position % word_bits); }
  static std::size_t lowest(std::uint64_t word) noexcept { return static_cast<std::size_t>(std::countr_zero(word)); }

  void append(std::uint32_t slot) noexcept {
    slot_at_[end_] = slot;
    position_of_[slot] = static_cast<std::uint32_t>(end_);
    ++end_;
  }

  /// Appends all hits, oldest first.
  void renew_hits() noexcept {
    const std::size_t words = settled_ / word_bits + 1;
    for (std::size_t group = first_word_ / group_words * group_words; group < words; group += group_words) {
      std::uint64_t any = 0;
      std::memcpy(&any, &touched_[group], group_words);
      if (any == 0) {
        continue;
      }
      for (std::size_t word = group; word < group + group_words; ++word) {
        if (touched_[word] != 0) {
          renew_hits_of(word);
        }
      }
    }
  }

  void renew_hits_of(std::size_t word) noexcept {
    for (std::uint64_t hits = hit_[word]; hits != 0; hits &= hits - 1) {
      append(slot_at_[word * word_bits + lowest(hits)]);
    }
    live_[word] &= ~hit_[word];
    hit_[word] = 0;
    touched_[word] = 0;
  }

  void set_live(std::size_t begin, std::size_t end) noexcept {
    while (begin < end) {
      const std::size_t stop = std::min(end, (begin / word_bits + 1) * word_bits);
      live_[begin / word_bits] |= (~std::uint64_t{0} >> (word_bits - (stop - begin))) << (begin % word_bits);
      begin = stop;
    }
  }

  /// Moves the positions that count to the front, in their order.
  void compact() noexcept {
    const std::size_t words = (end_ + word_bits - 1) / word_bits;
    end_ = 0;
    for (std::size_t word = oldest_word_; word < words; ++word) {
      for (std::uint64_t live = live_[word]; live != 0; live &= live - 1) {
        append(slot_at_[word * word_bits + lowest(live)]);
      }
    }
    std::ranges::fill(live_, 0);
    set_live(0, end_);
    oldest_word_ = 0;
  }

  std::size_t capacity_entries_;
  std::size_t words_;
  std::vector<std::uint32_t> slot_at_;      ///< by position
  std::vector<std::uint32_t> position_of_;  ///< by slot: the one that counts
  std::vector<std::uint64_t> live_;         ///< by position, a bit: it counts
  std::vector<std::uint64_t> hit_;          ///< by position, a bit: hit by the current selection
  std::vector<std::uint8_t> touched_;       ///< by word of hit_: not 0; a byte, so that marking is a mere store
  std::size_t end_ = 0;                     ///< of the log
  std::size_t settled_ = 0;                 ///< the log's end before the current selection
  std::size_t oldest_word_ = 0;             ///< no position before it may be a victim
  std::size_t first_word_ = 0;              ///< oldest_word_ before the current selection
};

}  // namespace dsasim
