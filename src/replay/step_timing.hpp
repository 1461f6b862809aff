#pragma once

#include "dsasim/replay/replay.hpp"
#include "replay/gather_cost.hpp"
#include "step/energy_meter.hpp"
#include "step/hidden_layers.hpp"
#include "step/step_kernels.hpp"
#include "step/step_streams.hpp"

#include <cstddef>
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
  /// A deployment, over a trace.
  struct Deployed {
    Deployed(const StepSpec& spec, const TraceHeader& header);
    Model model;
    Gpu gpu;
    KernelTable table;
    HiddenLayers hidden;
    StepKernels kernels;
    StepStreams streams;
    EnergyMeter energy;
  };
  /// Hidden layers of one type (StepKernels::types()), among those that a layer of the trace stands for.
  struct LayersOfType {
    std::size_t type;
    std::uint32_t layers;
  };
  /// One layer of a type, for the queries of this step.
  struct TypePrice {
    StepParts cold;  ///< all rows cold
    std::uint64_t hot_ns = 0;
    std::uint64_t set_aside_ns = 0;
  };
  /// Of a step, or of all that are counted.
  struct StepSums {
    std::uint64_t actual_ns = 0;
    std::uint64_t all_hit_ns = 0;
    std::uint64_t contiguous_ns = 0;
    std::uint64_t unreserved_ns = 0;  ///< all rows cold, and nothing set aside
    double gain_error_ns = 0;
    double perfect_error_ns = 0;
  };

  DecodeStep step_of(const StepRow& row) const;
  void read_streams(std::uint32_t layer);
  void take_queries(std::span<const StepRow> rows);
  void meter_layer(std::uint32_t layer, std::span<const StepRow> rows, double cold);
  void meter_others();
  /// Kernels depend on the batch, its contexts and the type of layer: they are priced once a step, not once a layer.
  void price_types(const SelectedRows& selected);
  std::uint64_t attention_ns(std::size_t type, double cold) const;
  double cold_part(const GatherPrice& gather) const noexcept;
  void add_sums(const PartTimes& times, std::uint32_t layer, std::uint64_t hot_ns, std::uint64_t cold_ns);
  void add_layer(std::span<const StepRow> rows, const GatherPrice& gather, bool counted);
  std::uint64_t stall_ns(std::uint64_t gather_ns, std::uint64_t attention_ns) const noexcept;
  double gain_error_ns(double gained_share) const noexcept;
  /// Of all the layers that a layer of the trace stands for, from that of its group.
  std::uint64_t of_hidden_layers(std::uint32_t layer, std::uint64_t group_ns) const;

  const TraceReader& trace_;
  const EffectiveConfig& effective_;
  const ReplayHooks& hooks_;
  GatherCost gather_cost_;
  std::optional<Deployed> deployed_;
  std::vector<std::vector<LayersOfType>> types_of_;  ///< by layer of the trace
  std::vector<StepQuery> queries_;                   ///< of the current step's requests
  StepQueries sums_of_queries_;
  std::uint64_t accepted_now_ = 0;   ///< tokens that the current step's requests keep
  std::uint64_t requests_now_ = 0;   ///< those with a query
  std::uint64_t accepted_ = 0;       ///< of all steps that are counted
  std::uint64_t decoding_ = 0;       ///< likewise, requests with a query
  std::uint64_t selected_rows_ = 0;  ///< of the current (step, layer)
  StepQueries priced_queries_;
  SelectedRows priced_rows_;
  std::vector<TypePrice> priced_;    ///< by type
  std::vector<ByteStream> streams_;  ///< scratch
  StepSums current_;
  StepSums sums_;
  std::vector<std::uint64_t> step_ns_;
  StepTimes result_;
};

}  // namespace dsasim
