#pragma once

#include "dsasim/cache/decay_policy.hpp"
#include "dsasim/cache/policy.hpp"
#include "dsasim/cache/rank_policy.hpp"

#include <array>
#include <cstddef>
#include <string_view>

namespace dsasim {

/// The combined recency and frequency of LRFU: each selection counts decay^(steps since). With decay 1 it is LFU, near
/// 0 LRU. The paper decays by access; here a step is the unit of time, because a selection has no order that matters.
struct LrfuSums {
  static constexpr std::size_t count = 1;
  std::array<double, 1> decay;

  explicit LrfuSums(const PolicySpec& spec) : decay{decimal_value(spec, "decay")} {}
  static History history(const PolicySpec& spec) { return History(spec); }
  void begin(const StepSelection& /*selection*/) {}
  void select(std::size_t /*i*/, std::array<float, 1>& sums) const noexcept { sums[0] += 1; }
  double worth(const std::array<double, 1>& sums) const noexcept { return sums[0]; }
};

class Lrfu : public DecayPolicy<LrfuSums> {
 public:
  static constexpr std::string_view name = "lrfu";
  static constexpr std::string_view sentence =
      "A selection at a time: evicts the smallest sum of selections, each decayed since it was made.";
  static constexpr std::string_view source = "Lee et al., IEEE Trans. Computers 50(12), 2001";
  static constexpr std::array parameters{
      PolicyParameter{"decay", "0.9", "0.0..1.0", "by what a selection counts less a step later"}, History::parameter};

  using RankPolicy::RankPolicy;
};

}  // namespace dsasim
