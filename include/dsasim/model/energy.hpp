#pragma once

#include "dsasim/config/config_object.hpp"
#include "dsasim/types.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace dsasim {

/// How a cost of energy is known.
enum class EnergyKind : std::uint8_t {
  measured,
  published,    ///< by who makes it, or of a design
  upper_bound,  ///< the power of the whole board by its peak rate
};
inline constexpr std::array energy_kind_names = {ChoiceName<EnergyKind>{"measured", EnergyKind::measured},
                                                 ChoiceName<EnergyKind>{"published", EnergyKind::published},
                                                 ChoiceName<EnergyKind>{"upper bound", EnergyKind::upper_bound}};

/// What one bit that moves takes, or one flop.
struct EnergyCost {
  double picojoules = 0;
  EnergyKind kind = EnergyKind::measured;
  std::string source;
};

/// The keys "pj", "kind" and "source". Throws ConfigError.
EnergyCost read_energy_cost(ConfigObject config);

}  // namespace dsasim
