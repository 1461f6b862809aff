#pragma once

#include "dsasim/model/energy.hpp"

#include <optional>
#include <string_view>
#include <vector>

namespace dsasim {

/// A part of a token's energy. Docs: docs/energy.md.
struct EnergyPart {
  std::string_view name;
  std::string_view from;  ///< memory, llc or link, whose bits move; or the type of flops: bf16, fp8 or fp4
  bool is_flops = false;
  double amount = 0;                    ///< of a token: bytes, or flops
  std::optional<EnergyCost> cost = {};  ///< of a bit, or a flop; none: no source is known

  std::optional<double> joules() const;  ///< none without a cost
};

struct TokenEnergy {
  std::vector<EnergyPart> parts;  ///< those that a token has

  double known_joules() const;  ///< of those that have a cost
  bool is_complete() const;     ///< all have
};

}  // namespace dsasim
