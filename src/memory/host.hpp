#pragma once

#include "dsasim/memory/memory_model.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace dsasim {

struct HostParameters {
  double call_ns = 0;                ///< of each gather that moves anything: starting it, and the first row's way
  double gb_s = 1;                   ///< of the link, for rows in any order; 1e9 bytes a second
  std::uint64_t transfer_bytes = 1;  ///< a row moves in whole transfers of so many bytes
  /// Rows of a call that move at gb_s; each of the others takes row_ns at least, however short it is.
  std::uint64_t reach_rows = std::numeric_limits<std::uint64_t>::max();
  double row_ns = 0;
};

/// KV in host memory behind a link: missed rows are fetched in one call for the batch, row by row, and the link is the
/// bottleneck (HiSparse, arXiv 2608.07009; ESS). Rows that the reservation in the GPU's memory holds cost nothing here.
class HostMemory final : public MemoryModel {
 public:
  explicit HostMemory(const HostParameters& parameters) : p_(parameters) {}

  MemoryNeeds needs() const noexcept override { return {.row_bytes = true}; }
  double gather_ns(const Gather& gather) override {
    const std::uint64_t transfers =
        gather.row_bytes / p_.transfer_bytes + (gather.row_bytes % p_.transfer_bytes > 0 ? 1 : 0);
    const double row_ns = static_cast<double>(transfers) * static_cast<double>(p_.transfer_bytes) / p_.gb_s;
    const std::uint64_t near = std::min<std::uint64_t>(gather.missed_rows, p_.reach_rows);
    const double rows_ns = static_cast<double>(near) * row_ns +
                           static_cast<double>(gather.missed_rows - near) * std::max(row_ns, p_.row_ns);
    return gather.missed_rows == 0 ? 0 : p_.call_ns + rows_ns;
  }

 private:
  HostParameters p_;
};

/// Throws ConfigError for a key that is missing or out of range.
inline HostParameters read_host(ConfigObject& config) {
  config.text("description");
  config.text("source");
  HostParameters p;
  p.call_ns = config.number("call_ns", 0, 1e9);
  p.gb_s = config.number("gb_s", 1e-3, 1e6);
  p.transfer_bytes = config.integer("transfer_bytes", 1, std::uint64_t{1} << 30U);
  if (config.has("reach_rows")) {
    p.reach_rows = config.integer("reach_rows", 0, std::uint64_t{1} << 40U);
    p.row_ns = config.number("row_ns", 0, 1e9);
  }
  return p;
}

}  // namespace dsasim
