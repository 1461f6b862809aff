#pragma once

#include "dsasim/memory/memory_model.hpp"

#include <cstdint>

namespace dsasim {

struct NvmeParameters {
  double latency_ns = 0;          ///< of a read while others wait: a gather's first
  double reads_per_s = 1;         ///< of blocks at random places, of one drive
  double gb_s = 1;                ///< of one drive, 1e9 bytes a second
  std::uint64_t block_bytes = 1;  ///< a row is read in whole blocks of so many bytes
  std::uint64_t drives = 1;       ///< which share the blocks evenly
};

/// KV on drives: missed rows are read in whole blocks at random places, many at a time.
///
///     gather = latency_ns + max(blocks / reads_per_s, blocks block_bytes / gb_s) / drives
class NvmeMemory final : public MemoryModel {
 public:
  explicit NvmeMemory(const NvmeParameters& parameters) : p_(parameters) {}

  MemoryNeeds needs() const noexcept override { return {.row_bytes = true}; }
  double gather_ns(const Gather& gather) override;

 private:
  NvmeParameters p_;
};

/// Throws ConfigError for a key that is missing or out of range.
NvmeParameters read_nvme(ConfigObject& config);

}  // namespace dsasim
