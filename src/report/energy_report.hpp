#pragma once

#include "dsasim/step/step_energy.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace dsasim {

/// "energy" of documents (docs/report.md).
nlohmann::ordered_json energy_json(const TokenEnergy& energy);
/// A line for each part of a token.
std::string energy_table(const TokenEnergy& energy);

}  // namespace dsasim
