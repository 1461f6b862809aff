#pragma once

#include "dsasim/cache/decay_policy.hpp"
#include "dsasim/cache/policy.hpp"
#include "dsasim/cache/rank_policy.hpp"

#include <array>
#include <cstddef>
#include <string_view>

namespace dsasim {

/// Two moving averages over steps of whether an entry was selected: a fast one, f, which forgets a fifth at each step,
/// and a slow one, g, which forgets a fiftieth. An entry is worth (f + 0.003)(g + 0.003).
struct Ewma2Sums {
  static constexpr std::size_t count = 2;
  std::array<double, 2> decay{0.8, 0.98};

  explicit Ewma2Sums(const PolicySpec& /*spec*/) {}
  static History history(const PolicySpec& spec) { return History(spec); }
  void begin(const StepSelection& /*selection*/) {}
  void select(std::size_t /*i*/, std::array<float, 2>& sums) const noexcept {
    sums[0] += 0.2F;
    sums[1] += 0.02F;
  }
  double worth(const std::array<double, 2>& sums) const noexcept { return (sums[0] + 0.003) * (sums[1] + 0.003); }
};

class Ewma2 : public DecayPolicy<Ewma2Sums> {
 public:
  static constexpr std::string_view name = "ewma2";
  static constexpr std::string_view sentence =
      "A selection at a time: evicts the smallest product of a fast and a slow moving average of being selected.";
  static constexpr std::string_view source = "made for this access pattern: docs/policies.md";
  static constexpr std::array parameters{History::parameter};

  using RankPolicy::RankPolicy;
};

}  // namespace dsasim
