#pragma once

#include "dsasim/cache/decay_policy.hpp"
#include "dsasim/cache/policy.hpp"
#include "dsasim/cache/rank_policy.hpp"
#include "dsasim/types.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string_view>
#include <vector>

namespace dsasim {

/// The value of a float16. Infinities and NaN become the largest and smallest finite value: scores have an order.
inline float float16_value(std::uint16_t bits) noexcept {
  constexpr float largest = 65504;
  const int exponent = static_cast<int>((bits >> 10U) & 0x1FU);
  const int fraction = static_cast<int>(bits & 0x3FFU);
  const bool negative = (bits & 0x8000U) != 0;
  if (exponent == 0x1F) {
    return negative || fraction != 0 ? -largest : largest;
  }
  const float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                        : std::ldexp(static_cast<float>(fraction + 0x400), exponent - 25);
  return negative ? -magnitude : magnitude;
}

/// What the indexer said of an entry when it last selected it: its score, or (n - rank) / n, where `rank` counts the
/// entries of the selection with a larger score, or the same and logged before.
struct ScoreSums {
  static constexpr std::size_t count = 1;
  std::array<double, 1> decay;

  explicit ScoreSums(const PolicySpec& spec)
      : decay{decimal_value(spec, "decay")}, by_rank_(parameter_value(spec, "by") == "rank") {}
  static History history(const PolicySpec& /*spec*/) noexcept { return History::all(); }

  void begin(const StepSelection& selection) {
    values_.assign(selection.ids.size(), 0);
    std::transform(selection.from.scores.begin(), selection.from.scores.end(), values_.begin(), float16_value);
    if (by_rank_) {
      order_.resize(values_.size());
      std::iota(order_.begin(), order_.end(), std::size_t{0});
      std::sort(order_.begin(), order_.end(), [this](std::size_t a, std::size_t b) {
        return values_[a] != values_[b] ? values_[a] > values_[b] : a < b;
      });
      for (std::size_t rank = 0; rank < order_.size(); ++rank) {
        values_[order_[rank]] = static_cast<float>(order_.size() - rank) / static_cast<float>(order_.size());
      }
    }
  }

  void select(std::size_t i, std::array<float, 1>& sums) const noexcept { sums[0] = values_[i]; }
  double worth(const std::array<double, 1>& sums) const noexcept { return sums[0]; }

 private:
  bool by_rank_;
  std::vector<float> values_;  ///< of the open selection
  std::vector<std::size_t> order_;
};

class Score : public DecayPolicy<ScoreSums> {
 public:
  static constexpr std::string_view name = "score";
  static constexpr std::string_view sentence =
      "A selection at a time: evicts what the indexer scored lowest when it last selected it; needs a trace with "
      "scores.";
  static constexpr std::string_view source = "the scores of a lightning indexer (DeepSeek-V3.2)";
  static constexpr std::array parameters{
      PolicyParameter{"by", "rank", "rank|score", "the rank within its selection, or the score itself"},
      PolicyParameter{"decay", "0.9", "0.0..1.0", "by what it counts less a step later"}};
  static constexpr PolicyNeeds needs{.whole_selection = true, .scores = true};

  using RankPolicy::RankPolicy;
};

}  // namespace dsasim
