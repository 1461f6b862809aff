#pragma once

#include "dsasim/memory/memory_model.hpp"

#include <cstdint>

namespace dsasim {

struct HostParameters {
  double call_ns = 0;                ///< of each gather that moves anything: starting it, and the first row's way
  double gb_s = 1;                   ///< of the link, for rows in any order; 1e9 bytes a second
  std::uint64_t transfer_bytes = 1;  ///< a row moves in whole transfers of so many bytes
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
    const double bytes = static_cast<double>(gather.missed_rows) * static_cast<double>(transfers) *
                         static_cast<double>(p_.transfer_bytes);
    return gather.missed_rows == 0 ? 0 : p_.call_ns + bytes / p_.gb_s;
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
  return p;
}

}  // namespace dsasim
