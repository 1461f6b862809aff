#pragma once

#include "memory/hbm/address_map.hpp"
#include "memory/hbm/dram_channel.hpp"
#include "memory/hbm/dram_config.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// All channels of a memory, and how lines are injected into them.
class DramSystem {
 public:
  /// Throws ConfigError for a mapping that does not fit the shape.
  explicit DramSystem(DramConfig config);
  DramSystem(const DramSystem&) = delete;
  DramSystem& operator=(const DramSystem&) = delete;

  const DramConfig& config() const noexcept { return config_; }

  /// Reads the lines of these byte addresses, in this order. All banks are closed at the start, refreshes are at their
  /// phase: no run depends on those before it.
  DramCounts run(std::span<const std::uint64_t> addresses);

  double ns(double clocks) const noexcept { return clocks * static_cast<double>(config_.clock_ps) / 1000; }
  double mean_latency_ns(const DramCounts& counts) const noexcept;
  double gb_s(const DramCounts& counts) const noexcept;

 private:
  void run_in_order(std::span<const std::uint64_t> addresses);
  void run_free(std::span<const std::uint64_t> addresses);
  void run_serial(std::span<const std::uint64_t> addresses);
  struct SortedLine {
    std::uint32_t channel;
    std::uint32_t bank;
    std::uint32_t row;
    std::uint32_t line_of_row;  ///< counted in this batch
    std::uint64_t when;         ///< a fraction of the batch
    std::uint64_t address;
  };
  std::span<const std::uint64_t> sorted_by_bank(std::span<const std::uint64_t> addresses);
  static void space_rows(std::span<SortedLine> lines);
  std::uint32_t turn_of_bank(std::uint32_t bank) const noexcept;

  DramConfig config_;
  AddressMap map_;
  std::vector<DramChannel> channels_;
  std::vector<SortedLine> lines_;
  std::vector<std::uint64_t> sorted_;
};

}  // namespace dsasim
