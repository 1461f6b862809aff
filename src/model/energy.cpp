#include "dsasim/model/energy.hpp"

#include "dsasim/error.hpp"

#include <algorithm>

namespace dsasim {

EnergyCost read_energy_cost(ConfigObject config) {
  constexpr double most_pj = 1e6;
  EnergyCost cost;
  cost.picojoules = config.number("pj", 0, most_pj);
  cost.source = config.text("source");
  const std::string kind = config.text("kind");
  const auto* found = std::find_if(energy_kind_names.begin(), energy_kind_names.end(),
                                   [&](const auto& name) { return name.first == kind; });
  if (found == energy_kind_names.end()) {
    throw ConfigError(config.where(), "kind: expected measured, published or upper bound, found \"{}\"", kind);
  }
  cost.kind = found->second;
  config.refuse_unread();
  return cost;
}

}  // namespace dsasim
