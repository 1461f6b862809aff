#pragma once

#include "dsasim/replay/replay.hpp"
#include "replay/gather_cost.hpp"
#include "step/decode_step.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace dsasim {

/// The time of a replay: prices its gathers, and adds decode steps up if there is a model to decode with. Layers come
/// in the order of the replay; those of warm-up steps too, which leave their traces in the last-level cache.
class StepTiming {
 public:
  StepTiming(const TraceReader& trace, const EffectiveConfig& effective, const ReplayHooks& hooks);

  bool needs_missed() const noexcept { return gather_cost_.needs_missed(); }

  /// Prices the gather of one (step, layer), of at least one row: see GatherCost::price(). `counted`: not warm-up.
  void time(std::span<StepRow> rows, std::span<const std::vector<EntryId>> missed, bool counted);
  /// After the last layer of a step.
  void end_step(bool counted);
  std::optional<StepTimes> finish();

 private:
  /// The times of one step, in which all is as it is, all rows hit, or selections are contiguous.
  struct StepSums {
    std::uint64_t actual_ns = 0;
    std::uint64_t all_hit_ns = 0;
    std::uint64_t contiguous_ns = 0;
  };
  void read_streams(std::uint32_t layer, DecodeStep::StreamHits& hits);
  void take_queries(std::span<const StepRow> rows);
  void add_layer(std::span<const StepRow> rows, std::uint64_t gather_ns, const DecodeStep::StreamHits& hits,
                 bool counted);
  /// Of all the layers that a layer of the trace stands for, from that of its group.
  std::uint64_t of_hidden_layers(std::uint32_t layer, std::uint64_t group_ns) const;

  const TraceReader& trace_;
  const EffectiveConfig& effective_;
  const ReplayHooks& hooks_;
  GatherCost gather_cost_;
  std::optional<DecodeStep> step_;
  std::vector<StepQuery> queries_;   ///< of the current step's requests
  std::vector<ByteStream> streams_;  ///< scratch
  StepSums current_;
  StepSums sums_;
  std::vector<std::uint64_t> step_ns_;
  StepTimes result_;
};

}  // namespace dsasim
