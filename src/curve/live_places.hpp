#pragma once

#include "dsasim/zeroed_array.hpp"
#include "trace/id_words.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace dsasim {

/// A row of places, each live or not, that says how many live ones come after any of them.
///
/// A bit a place; above, trees of 16 numbers a node: beside each word of bits, then each node, and so on, stands how
/// many live places the later ones of its own node hold. So a question is one load a level, and a change takes 1 off
/// the earlier numbers of one node a level: 16 of them side by side, for the compiler to do in a few instructions.
class LivePlaces {
 public:
  explicit LivePlaces(std::uint64_t places) : words_((places + word_bits - 1) / word_bits) {
    for (std::size_t numbers = words_.size(); numbers > 1; numbers = (numbers + fan_out - 1) / fan_out) {
      later_.emplace_back((numbers + fan_out - 1) / fan_out * fan_out);
    }
  }

  /// A bit a place, and 4 bytes a word and a little more for the levels above.
  static constexpr double bytes(std::uint64_t places) noexcept { return static_cast<double>(places) * (8 + 4.5) / 64; }

  std::uint64_t places() const noexcept { return words_.size() * word_bits; }
  std::uint64_t end() const noexcept { return end_; }

  DSASIM_INLINE std::uint32_t live_after(std::uint64_t place) const noexcept {
    std::size_t at = place / word_bits;
    auto live = static_cast<std::uint32_t>(std::popcount(words_[at] >> (place % word_bits) >> 1U));
    for (const auto& level : later_) {
      live += level[at];
      at /= fan_out;
    }
    return live;
  }

  DSASIM_INLINE void remove(std::uint64_t place) noexcept {
    words_[place / word_bits] &= ~(std::uint64_t{1} << (place % word_bits));
    add_before(place / word_bits, ~std::uint32_t{0});
  }

  /// `count` more live places at the end.
  void append(std::uint64_t count) noexcept {
    assert(end_ + count <= places());
    while (count > 0) {
      const std::uint64_t used = end_ % word_bits;
      const std::uint64_t more = std::min(count, word_bits - used);
      words_[end_ / word_bits] |= (~std::uint64_t{0} >> (word_bits - more)) << used;
      add_before(end_ / word_bits, static_cast<std::uint32_t>(more));
      end_ += more;
      count -= more;
    }
  }

  void clear() noexcept {
    std::fill(words_.begin(), words_.end(), 0);
    for (auto& level : later_) {
      std::fill(level.begin(), level.end(), 0);
    }
    end_ = 0;
  }

 private:
  static constexpr std::uint64_t word_bits = 64;
  static constexpr std::size_t fan_out = 16;

  /// Adds to the numbers of all places before word `at`; modulo 2^32, so that ~0 takes one off.
  DSASIM_INLINE void add_before(std::size_t at, std::uint32_t change) noexcept {
    for (auto& level : later_) {
      std::uint32_t* const node = level.data() + at / fan_out * fan_out;
      const auto place = static_cast<std::uint32_t>(at % fan_out);
      for (std::uint32_t i = 0; i < fan_out; ++i) {
        node[i] += i < place ? change : 0;
      }
      at /= fan_out;
    }
  }

  ZeroedArray<std::uint64_t> words_;               ///< by place, a bit
  std::vector<ZeroedArray<std::uint32_t>> later_;  ///< by level from the words up
  std::uint64_t end_ = 0;                          ///< places given out
};

}  // namespace dsasim
