#pragma once

#include "dsasim/llc/llc.hpp"
#include "dsasim/memory/memory_model.hpp"
#include "dsasim/replay/replay.hpp"
#include "replay/row_addresses.hpp"
#include "step/step_streams.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace dsasim {

/// The gather of one (step, layer) by all layers of its group.
struct GatherPrice {
  std::uint64_t ns = 0;
  std::uint64_t rows = 0;
  std::uint64_t cold_rows = 0;  ///< neither in the reservation nor, whole, in the ordinary part
};

/// What the gathers of a replay cost, in the order of steps and layers: what the reservation misses is looked for in
/// the ordinary part of the last-level cache, if there is one, and what that lacks is read from memory.
class GatherCost {
 public:
  /// Of the hooks, on_lines is called.
  GatherCost(const TraceReader& trace, const EffectiveConfig& effective, const ReplayHooks& hooks);

  /// Whether price() looks at the missed ids.
  bool needs_missed() const noexcept { return needs_.lines || llc_ != nullptr || hooks_.on_lines; }

  bool has_llc() const noexcept { return llc_ != nullptr; }
  /// Reads other data through the ordinary part.
  void read_stream(const ByteStream& stream);

  /// The time is shared out to the rows' gather_ns; their llc_ counters are set, too. One kernel fetches the misses of
  /// all requests. `missed` has the missed ids of each row, if they are needed. `counted`: its lines are reported.
  GatherPrice price(std::uint32_t layer, std::span<StepRow> rows, std::span<const std::vector<EntryId>> missed,
                    bool counted);
  /// What it would be if the reservation held all these rows.
  std::uint64_t all_hit_ns(std::uint32_t layer, std::uint64_t rows);

 private:
  std::uint64_t missed_rows(std::uint32_t layer, const Counters& counters) const;
  Gather gather_of(std::uint32_t layer, std::uint32_t member, std::span<StepRow> rows,
                   std::span<const std::vector<EntryId>> missed);

  /// Of a hot buffer, whose kernel looks the selection up; none for other caches.
  std::optional<SwapIn> swap_in_of(std::uint32_t layer, std::span<const StepRow> rows) const;

  /// Looks the rows at row_addresses_ up; lines_ gets what is left to read.
  void read_rows(std::uint64_t row_bytes, Counters& counters, Gather& gather);

  const TraceReader& trace_;
  const EffectiveConfig& effective_;
  const ReplayHooks& hooks_;
  bool swaps_in_;  ///< from host memory to a buffer for each stream, replaced by selection, as serving stacks do
  std::vector<std::uint64_t> row_bytes_;  ///< by layer
  bool persisting_;
  std::unique_ptr<MemoryModel> memory_;
  MemoryNeeds needs_;
  std::unique_ptr<Llc> llc_;
  std::uint32_t sector_bytes_ = 0;
  std::optional<RowAddresses> addresses_;     ///< if missed ids are looked at
  std::vector<std::uint64_t> row_addresses_;  ///< scratch
  std::vector<std::uint64_t> lines_;          ///< scratch
};

}  // namespace dsasim
