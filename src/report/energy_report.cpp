#include "report/energy_report.hpp"

#include "report/choice_name.hpp"
#include "report/trace_text.hpp"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <optional>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

std::string joules_text(double joules) {
  constexpr double nano = 1e9;
  return scaled(joules * nano, std::array{"nJ", "uJ", "mJ", "J"});
}

std::string amount_text(const EnergyPart& part) {
  return part.is_flops ? scaled(part.amount, std::array{"flop", "kflop", "Mflop", "Gflop", "Tflop"})
                       : bytes_text(part.amount);
}

}  // namespace

Json energy_json(const TokenEnergy& energy) {
  Json out;
  out["known_joules_per_token"] = energy.known_joules();
  out["complete"] = energy.is_complete();
  out["parts"] = Json::array();
  for (const EnergyPart& part : energy.parts) {
    const std::optional<double> joules = part.joules();
    Json row = {{"name", part.name},
                {"from", part.from},
                {part.is_flops ? "flops" : "bytes", part.amount},
                {part.is_flops ? "pj_per_flop" : "pj_per_bit", nullptr},
                {"kind", nullptr},
                {"source", nullptr},
                {"joules", nullptr}};
    if (part.cost) {
      row[part.is_flops ? "pj_per_flop" : "pj_per_bit"] = part.cost->picojoules;
      row["kind"] = name_of(energy_kind_names, part.cost->kind);
      row["source"] = part.cost->source;
      row["joules"] = *joules;
    }
    out["parts"].push_back(std::move(row));
  }
  return out;
}

std::string energy_table(const TokenEnergy& energy) {
  std::string out;
  auto line = std::back_inserter(out);
  fmt::format_to(line, "\n{:<16} {:<7} {:>12} {:>15} {:>12}\n", "energy", "from", "a token", "pJ", "");
  for (const EnergyPart& part : energy.parts) {
    const std::string cost =
        part.cost ? fmt::format("{:g} a {}", part.cost->picojoules, part.is_flops ? "flop" : "bit") : "not known";
    const std::optional<double> joules = part.joules();
    fmt::format_to(line, "{:<16} {:<7} {:>12} {:>15} {:>12}{}\n", part.name, part.from, amount_text(part), cost,
                   joules ? joules_text(*joules) : "-",
                   part.cost ? fmt::format("  {}", name_of(energy_kind_names, part.cost->kind)) : "");
  }
  fmt::format_to(line, "{:<16} {:<7} {:>12} {:>15} {:>12}{}\n", "all", "", "", "", joules_text(energy.known_joules()),
                 energy.is_complete() ? "" : "  of what is known");
  fmt::format_to(line, "Bits that move and flops alone (docs/energy.md).\n");
  return out;
}

}  // namespace dsasim
