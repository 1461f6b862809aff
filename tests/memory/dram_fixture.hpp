#pragma once

#include "memory/hbm/dram_system.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace dsasim::test {

using Settings = std::vector<std::pair<std::string, std::string>>;

/// A configuration of configs/memory/ with some keys set.
inline DramConfig dram_config(const std::string& name, const Settings& settings = {}) {
  ConfigObject config = named_config("test", "memory", name);
  for (const auto& [key, value] : settings) {
    config.set("test", key, value);
  }
  config.text("model");
  DramConfig dram = DramConfig::read(config);
  config.refuse_unread();
  return dram;
}

inline DramCounts run(const DramConfig& config, const std::vector<std::uint64_t>& addresses) {
  return DramSystem(config).run(addresses);
}

/// A small memory whose times are the clocks of a nanosecond that their keys say, none of them equal, and none hidden
/// by another: 2 pseudo-channels x 2 ranks x 2 bank groups x 2 banks, rows of 8 lines, one burst a line, no refresh.
inline Settings small_memory() {
  return {{"tCK_ns", "1"},          {"channels", "1"},
          {"pseudo_channels", "2"}, {"ranks", "2"},
          {"bank_groups", "2"},     {"banks", "2"},
          {"rows", "64"},           {"row_bytes", "512"},
          {"burst_bytes", "64"},    {"mapping", "row pseudo_channel rank bank_group bank channel column"},
          {"CL_ns", "15"},          {"burst_ns", "2"},
          {"tRCD_ns", "17"},        {"tRP_ns", "13"},
          {"tRAS_ns", "31"},        {"tRC_ns", "47"},
          {"tRRD_S_ns", "4"},       {"tRRD_L_ns", "6"},
          {"tFAW_ns", "27"},        {"tCCD_S_ns", "2"},
          {"tCCD_L_ns", "5"},       {"tCCD_R_ns", "3"},
          {"tRTP_ns", "7"},         {"activate_command_ns", "1"},
          {"refresh", "none"},      {"tREFI_ns", "400"},
          {"tRFC_ns", "90"},        {"tRFCpb_ns", "60"},
          {"entry_until", "read"},  {"queue_depth", "64"},
          {"injection", "free"}};
}

inline DramConfig small_config(const Settings& changes = {}) {
  Settings settings = small_memory();
  settings.insert(settings.end(), changes.begin(), changes.end());
  return dram_config("hbm3-ramulator", settings);
}

/// Of the small memory.
struct Place {
  std::uint64_t pseudo_channel = 0, rank = 0, bank_group = 0, bank = 0, row = 0, column = 0;
};

inline std::uint64_t address_of(const Place& place) {
  std::uint64_t line = place.row;
  for (const std::uint64_t bit : {place.pseudo_channel, place.rank, place.bank_group, place.bank}) {
    line = line * 2 + bit;
  }
  return (line * 8 + place.column) * dram_line_bytes;
}

inline std::vector<std::uint64_t> addresses_of(const std::vector<Place>& places) {
  std::vector<std::uint64_t> addresses;
  for (const Place& place : places) {
    addresses.push_back(address_of(place));
  }
  return addresses;
}

}  // namespace dsasim::test
