#include "step/kernels/shapes.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace dsasim {
namespace {

constexpr double mega = 1e6;
/// The popularity of ranks, 1 / (rank + experts / flatness), and the excess of the fullest GPU: from
/// aiconfigurator's measured experts of the distribution power_law_1.01, whose times say how many were read.
constexpr double flatness = 8.5;
constexpr double fullest_deviations = 1.3;

double power(double base, std::uint64_t exponent) {
  double result = 1;
  for (; exponent != 0; exponent /= 2, base *= base) {
    result *= exponent % 2 == 1 ? base : 1;
  }
  return result;
}

}  // namespace

double experts_touched(ExpertSpread spread, std::uint32_t experts, std::uint32_t active, std::uint64_t tokens) {
  const double all = experts;
  if (spread == ExpertSpread::balanced) {
    return std::min(all, static_cast<double>(active) * static_cast<double>(tokens));
  }
  const auto popularity = [&](std::uint32_t rank) { return 1 / (rank + all / flatness); };
  double sum = 0;
  for (std::uint32_t rank = 0; rank < experts; ++rank) {
    sum += popularity(rank);
  }
  double touched = 0;
  for (std::uint32_t rank = 0; rank < experts; ++rank) {
    touched += 1 - power(1 - std::min(1.0, active * popularity(rank) / sum), tokens);
  }
  return touched;
}

double experts_touched_on_fullest(ExpertSpread spread, std::uint32_t experts, std::uint32_t active,
                                  std::uint64_t tokens, std::uint64_t gpus) {
  const auto parts = static_cast<double>(gpus);
  const double held = experts / parts;
  double touched = experts_touched(spread, experts, active, tokens) / parts;
  if (spread == ExpertSpread::power_law) {
    const double variance = touched * (1 - 1 / parts) * std::max(0.0, 1 - touched / held);
    touched += fullest_deviations * std::sqrt(variance);
  }
  return std::clamp(touched, 1.0, std::max(held, 1.0));
}

Kernel routed_experts(const Experts& shape) {
  const auto tokens = static_cast<double>(shape.tokens);
  const auto hidden = static_cast<double>(shape.hidden);
  const auto parts = static_cast<double>(shape.expert_parallel);
  const double touched =
      experts_touched_on_fullest(shape.spread, shape.experts, shape.active, shape.tokens, shape.expert_parallel) +
      shape.always;
  const double weights =
      3 * hidden * static_cast<double>(shape.inner) / static_cast<double>(shape.tensor_parallel);  // gate, up and down
  return {.kernel_class = "experts",
          .terms = {{"start_ns", 1},
                    {"hidden_ns", hidden / 1e3},
                    {"expert_ns", touched},
                    {"expert_mb_ns", touched * weights / mega},
                    {"first_mb_ns", weights / mega},
                    {"token_mega_value_ns", tokens * hidden / mega}},
          .bytes = touched * weights,
          .flops = 2 * tokens * (shape.active + shape.always) / parts * weights,
          .arithmetic = Arithmetic::fp8};
}

}  // namespace dsasim
