#pragma once

#include "dsasim/memory/memory_model.hpp"

#include <cstdint>
#include <limits>
#include <optional>

namespace dsasim {

/// The kernel that looks a selection up in a hot buffer and copies what it lacks (SGLang's, August 2026): a block of
/// warps for each request. Times in nanoseconds.
struct SwapInParameters {
  double lookup_ns = 0;           ///< of a call
  double lookup_slots_ns = 0;     ///< for each round in which the warps pass over the slots, 32 a warp
  double lookup_selected_ns = 0;  ///< likewise over the selection
  double lookup_batch_ns = 0;     ///< for each such round over the slots and doubling of the requests, up to 16
  double copy_ns = 0;             ///< of a call that copies anything
  std::uint64_t wave_rows = 1;    ///< that one request has in flight: its warps, less those that look up
  double wave_ns = 0;             ///< from their requests to their arrival
  double swap_gb_s = 1;           ///< of the link, in 1e9 bytes a second, row_overhead_bytes with each row
  double row_overhead_bytes = 0;
};

struct HostParameters {
  double call_ns = 0;                ///< of each gather that moves anything: starting it, and the first row's way
  double gb_s = 1;                   ///< of the link, for rows in any order; 1e9 bytes a second
  std::uint64_t transfer_bytes = 1;  ///< a row moves in whole transfers of so many bytes
  /// Rows of a call that move at gb_s; each of the others takes row_ns at least, however short it is.
  std::uint64_t reach_rows = std::numeric_limits<std::uint64_t>::max();
  double row_ns = 0;
  std::optional<SwapInParameters> swap_in = {};  ///< none: priced as a gather of the missed rows alone
};

/// KV in host memory behind a link: missed rows are fetched in one call for the batch, row by row, and the link is the
/// bottleneck (HiSparse, arXiv 2608.07009; ESS). Rows that the reservation in the GPU's memory holds cost nothing here.
///
/// A swap-in also looks up, and a request has only so many rows in flight:
///
///     lookup = lookup_ns + i lookup_slots_ns + ceil(ceil(selected / 32) / W) lookup_selected_ns
///              + i min(log2 requests, 4) lookup_batch_ns           W = wave_rows, i = ceil(ceil(slots / 32) / W)
///     copies = copy_ns + (waves^4 + link^4)^(1/4)
///     waves  = ceil(most missed rows of one request / W) wave_ns
///     link   = rows (row bytes + row_overhead_bytes) / swap_gb_s
class HostMemory final : public MemoryModel {
 public:
  explicit HostMemory(const HostParameters& parameters) : p_(parameters) {}

  MemoryNeeds needs() const noexcept override { return {.row_bytes = true}; }
  double gather_ns(const Gather& gather) override;

 private:
  HostParameters p_;
};

/// Throws ConfigError for a key that is missing or out of range.
HostParameters read_host(ConfigObject& config);

}  // namespace dsasim
