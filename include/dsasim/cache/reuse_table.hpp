#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace dsasim {

/// What is expected of an entry by its age (steps since its last use), its slow frequency and its distance from the
/// query, learned from what became of others. All in integers. docs/policies.md#rt-a-table-of-reuse defines it.
///
/// A slow frequency decays by 31/32 a step and grows by 2,048 of 65,536 when the entry is selected. A cell is of 16
/// classes of age, 16 of frequency (half octaves), 4 of distance (fractions of the top-k) and of as many kinds as the
/// user of the table tells apart. It averages the outcomes that were learned of it; the average forgets 1/128 at each
/// step and begins at a prior of the weight of ten entries.
class ReuseTable {
 public:
  static constexpr std::uint32_t one = 65536;  ///< a frequency of 1; of what is expected, 2

  /// What the table knows of an entry.
  struct View {
    std::uint32_t frequency;
    std::uint32_t prior;
    std::uint32_t cell;
  };

  explicit ReuseTable(std::uint32_t top_k, std::uint32_t kinds = 1)
      : quarter_of_top_k_(top_k / 4), top_k_(top_k), cells_(std::size_t{kinds} * cells_of_a_kind) {
    constexpr std::array<std::uint64_t, 15> limits = {0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 26, 34, 48};
    std::uint64_t power = one;
    for (std::uint64_t age = 0; age < ages_.size(); ++age) {
      const auto below = std::lower_bound(limits.begin(), limits.end(), age) - limits.begin();
      ages_[age] = {.decay = power,
                    .prior = static_cast<std::uint32_t>(one / 2 / (age + 3)),
                    .first_cell = static_cast<std::uint32_t>(below) * cells_of_an_age};
      power -= power / 32;
    }
  }

  /// Of an entry whose frequency was `then` at its last use.
  std::uint32_t frequency(std::uint16_t then, std::uint64_t age) const noexcept {
    return age < ages_.size() ? static_cast<std::uint32_t>(then * ages_[age].decay / one) : 0;
  }
  /// After one selection more.
  static std::uint16_t selected(std::uint32_t frequency) noexcept {
    return static_cast<std::uint16_t>(std::min<std::uint32_t>(frequency + 2048U, one - 1));
  }

  View view(std::uint16_t then, std::uint64_t age, std::int64_t distance, std::uint32_t kind = 0) const noexcept {
    const std::uint32_t others = kind * cells_of_a_kind + distance_class(distance);
    if (age >= ages_.size()) {
      return {.frequency = 0,
              .prior = static_cast<std::uint32_t>(one / 2 / (age + 3)),
              .cell = others + ages_.back().first_cell};
    }
    const Age& of = ages_[age];
    const auto x = static_cast<std::uint32_t>(then * of.decay / one);
    return {.frequency = x, .prior = x / 2 + of.prior, .cell = others + of.first_cell + 4 * frequency_class(x)};
  }

  /// expected() >= so much, without a division.
  bool reaches(const View& of, std::uint32_t expectation) const noexcept {
    return cells_[of.cell].sum + prior_weight * of.prior >= expectation * (cells_[of.cell].weight + prior_weight);
  }
  std::uint32_t expected(const View& of) const noexcept {
    return quotient(cells_[of.cell].sum + prior_weight * of.prior, cells_[of.cell].weight + prior_weight);
  }

  void forget() noexcept {
    for (Cell& cell : cells_) {
      cell.sum -= cell.sum / 128;
      cell.weight -= cell.weight / 128;
    }
  }
  void learn(std::uint32_t cell, std::uint32_t outcome) noexcept {
    cells_[cell].sum += outcome * entry_weight;
    cells_[cell].weight += entry_weight;
  }
  /// learn() of so many entries, of all of which the outcome is 0.
  void learn_none(std::uint32_t cell, std::uint32_t entries) noexcept { cells_[cell].weight += entries * entry_weight; }
  std::size_t cells() const noexcept { return cells_.size(); }

 private:
  static constexpr std::uint64_t prior_weight = 10240;
  static constexpr std::uint64_t entry_weight = 1024;
  static constexpr std::uint32_t cells_of_an_age = 16 * 4;
  static constexpr std::uint32_t cells_of_a_kind = 16 * cells_of_an_age;

  struct Age {
    std::uint64_t decay;       ///< (31/32)^steps
    std::uint32_t prior;       ///< without the frequency's part
    std::uint32_t first_cell;  ///< of its class
  };
  struct Cell {
    std::uint64_t sum = 0;
    std::uint64_t weight = 0;
  };

  /// Half octaves: the largest b in 1..15 with frequency >= 65536 * 2^((b - 15) / 2), 0 if there is none.
  static std::uint32_t frequency_class(std::uint64_t frequency) noexcept {
    // The square's octave is a half octave of the frequency; 512 = 65536 * 2^-7 is in the first.
    constexpr std::uint32_t below = 18;
    return static_cast<std::uint32_t>(std::bit_width(frequency * frequency | (std::uint64_t{1} << (below - 1)))) -
           below;
  }

  std::uint32_t distance_class(std::int64_t distance) const noexcept {
    return (distance >= quarter_of_top_k_ ? 1U : 0U) + (distance >= top_k_ ? 1U : 0U) +
           (distance >= 4 * top_k_ ? 1U : 0U);
  }

  /// a / b, of a quotient of 31 bits. Doubles are divided in half the time that integers take; the result is one off at
  /// most, which is made up for.
  static std::uint32_t quotient(std::uint64_t a, std::uint64_t b) noexcept {
    const double ratio =
        static_cast<double>(static_cast<std::int64_t>(a)) / static_cast<double>(static_cast<std::int64_t>(b));
    const auto near = static_cast<std::uint64_t>(static_cast<std::int64_t>(ratio));
    return static_cast<std::uint32_t>(near * b > a ? near - 1 : a - near * b >= b ? near + 1 : near);
  }

  std::int64_t quarter_of_top_k_;
  std::int64_t top_k_;
  std::array<Age, 1024> ages_{};  ///< the frequency of an entry that is older is 0
  std::vector<Cell> cells_;
};

}  // namespace dsasim
