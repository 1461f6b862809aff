#pragma once

#include "dsasim/memory/memory_model.hpp"

#include <cstdint>

namespace dsasim {

/// What the analytic model knows of a GPU and of the kernel that gathers. Times in nanoseconds, bandwidths in 1e9 bytes
/// a second, which are bytes a nanosecond. docs/memory.md says where the presets' values come from.
struct AnalyticParameters {
  // The kernel: a warp gathers one row at a time.
  std::uint64_t blocks = 1;          ///< that run at once on the whole GPU
  std::uint64_t rows_per_block = 1;  ///< warps of a block
  std::uint64_t pass_bytes = 4;      ///< of its row that a warp reads in one turn of its loop: four loads a lane
  // Starting.
  double start_ns = 0;    ///< from the launch to the first row's request, indices read
  double outside_ns = 0;  ///< of start_ns: before the first block runs and after the last one ended
  double block_ns = 0;    ///< from one block's start to the next one's, while the kernel starts
  double index_ns = 0;    ///< a warp's next index
  // Latencies of a request.
  double reserved_ns = 0;  ///< a row of the reservation
  double llc_ns = 0;       ///< a row that the ordinary part of the last-level cache holds
  double hbm_ns = 0;       ///< a row of memory, typically
  double slow_ns = 0;      ///< how much later the slowest of many rows of memory arrives
  double slow_one_in = 1;  ///< of so many rows of memory about one is slow
  // Bandwidths.
  double hbm_gb_s = 1;
  double llc_gb_s = 1;
  // A cache that is emulated by copying: each missed row is written into its slot.
  bool fill = false;
  double fill_ns = 0;
  double fill_gb_s = 1;
  std::uint64_t kept_bytes = 1;  ///< of the last-level cache that a set which every gather reads can count on
};

/// Overlapped misses: a gather costs what its slowest chain of requests costs, or what its bytes cost, whichever is
/// more, and near the point where both are equal somewhat more than either.
///
///     time    = start_ns + sqrt(waiting^2 + (memory bytes / hbm_gb_s)^2 + (all bytes / llc_gb_s)^2)
///     waiting = (starting^4 + slowest^4)^(1/4) + further rows of a warp x (index_ns + rounds x mean latency)
///     starting = blocks started x block_ns + rounds x mean latency
///     slowest  = rounds x (cached + (hbm_ns - cached) x s) + slow_ns x s,   s = m / (m + slow_one_in)
///
/// with m rows of memory, rounds = 2 for each whole pass_bytes of a row, and 1 for a rest of up to a quarter of
/// it, or 2 for more, and cached the latency of rows that are no misses. In
/// words: the last block to start sees typical latencies, the first ones have time to see the slowest; a handful of
/// misses already brings the slowest out, so that the thousandth costs little; a warp that gathers several rows sees
/// the mean. Roots and quotients only, so that results are the same on every machine.
class AnalyticMemory final : public MemoryModel {
 public:
  explicit AnalyticMemory(const AnalyticParameters& parameters) : p_(parameters) {}

  MemoryNeeds needs() const noexcept override { return {.row_bytes = true, .llc = true}; }
  double gather_ns(const Gather& gather) override;
  double launch_ns(const Gather& gather) override;
  double kept_share(double hot_bytes, double cold_bytes) const override;

 private:
  struct Rows;
  double waiting_ns(const Rows& rows) const;
  double fill_ns(const Rows& rows) const;

  AnalyticParameters p_;
};

/// Throws ConfigError for a key that is missing or out of range.
AnalyticParameters read_analytic(ConfigObject& config);

}  // namespace dsasim
