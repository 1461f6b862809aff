#pragma once

#include "dsasim/types.hpp"

#include <array>
#include <cstdint>

namespace dsasim {

/// How the tokens of a step spread over routed experts.
enum class ExpertSpread : std::uint8_t {
  power_law,  ///< few experts are popular: the expert of rank i as 1 / (i + experts / 8.5)
  balanced,   ///< evenly, as far as that is possible: no expert twice before every one was named
};
inline constexpr std::array expert_spread_names = {ChoiceName<ExpertSpread>{"power-law", ExpertSpread::power_law},
                                                   ChoiceName<ExpertSpread>{"balanced", ExpertSpread::balanced}};

/// How many of `experts` at least one of `tokens` names, when each names `active` of them. Power-law: expected.
double experts_touched(ExpertSpread spread, std::uint32_t experts, std::uint32_t active, std::uint64_t tokens);

/// Of these, on the fullest of `gpus` that hold an equal part of the experts each. Power-law: 1.3 standard deviations
/// above the mean, as the measured tables have it.
double experts_touched_on_fullest(ExpertSpread spread, std::uint32_t experts, std::uint32_t active,
                                  std::uint64_t tokens, std::uint64_t gpus);

}  // namespace dsasim
