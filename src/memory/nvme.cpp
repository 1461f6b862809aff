#include "memory/nvme.hpp"

#include <algorithm>

namespace dsasim {

double NvmeMemory::gather_ns(const Gather& gather) {
  if (gather.missed_rows == 0) {
    return 0;
  }
  const std::uint64_t blocks_a_row = (gather.row_bytes + p_.block_bytes - 1) / p_.block_bytes;
  const double blocks = static_cast<double>(gather.missed_rows) * static_cast<double>(blocks_a_row);
  const double block_ns = std::max(1e9 / p_.reads_per_s, static_cast<double>(p_.block_bytes) / p_.gb_s);
  return p_.latency_ns + blocks * block_ns / static_cast<double>(p_.drives);
}

NvmeParameters read_nvme(ConfigObject& config) {
  config.text("description");
  config.text("source");
  NvmeParameters p;
  p.latency_ns = config.number("latency_ns", 0, 1e9);
  p.reads_per_s = config.number("reads_per_s", 1, 1e12);
  p.gb_s = config.number("gb_s", 1e-3, 1e6);
  p.block_bytes = config.integer("block_bytes", 1, std::uint64_t{1} << 30U);
  p.drives = config.integer("drives", 1, 1024);
  return p;
}

}  // namespace dsasim
