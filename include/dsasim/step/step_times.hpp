#pragma once

#include "dsasim/step/step_energy.hpp"
#include "dsasim/step/step_parts.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace dsasim {

/// Nanoseconds of a decode step, of one (step, layer) or summed: its kernels, and what a cache of rows changes. All are
/// of the model's layers. Docs: docs/step-time.md.
struct PartTimes {
  StepParts kernels;               ///< attention's with the rows as they were, hot or cold
  std::uint64_t gather_ns = 0;     ///< rows of the selection, by the memory model
  std::uint64_t stall_ns = 0;      ///< the part of it that comes on top of the kernels
  std::uint64_t set_aside_ns = 0;  ///< what setting a part of the L2 aside adds to attention

  // These throw Error, naming the quantity, for a sum of 2^64 or more.
  std::uint64_t total_ns() const;
  PartTimes& operator+=(const PartTimes& more);
  friend bool operator==(const PartTimes&, const PartTimes&) = default;
};

/// A (step, layer) with its times, as it is reported.
struct StepTimeRow {
  std::uint64_t step;
  std::uint32_t layer;
  PartTimes times;
  std::uint64_t total_ns;
};

/// Time per output token: of one user, that is the time of a step. P50 to P99 are nearest ranks. Without steps all are
/// of no meaning.
struct Tpot {
  std::uint64_t steps = 0;
  double mean_ns = 0;
  std::uint64_t p50_ns = 0;
  std::uint64_t p95_ns = 0;
  std::uint64_t p99_ns = 0;
  std::uint64_t max_ns = 0;
};
Tpot summarise(std::vector<std::uint64_t> step_ns);

/// What a reservation takes off the mean token, its own cost included, and the error of that by the errors of the
/// kernels' fits.
struct NetGain {
  double ns = 0;
  std::optional<double> error_ns;  ///< none: nobody measured what hits take off these kernels
};

/// What a replay with a model and a GPU says about time. Sums are over the steps that were counted.
struct StepTimes {
  PartTimes totals;  ///< of all layers, and what is outside of those that select
  std::vector<PartTimes> layers;
  Tpot tpot;
  /// Mean TPOT divided by what it would be (a) if every row were in the L2 and that cost nothing, (b) if the rows of a
  /// selection were one contiguous read. 0 without steps.
  double slowdown_all_hit = 0;
  double slowdown_contiguous = 0;
  /// Where the GPU's own memory holds the rows and something is reserved: against a token of which every row misses.
  std::optional<NetGain> gain;
  std::optional<NetGain> perfect_gain;       ///< likewise, if every row hit
  std::vector<std::uint32_t> hidden_layers;  ///< of the model that each layer of the trace stands for
  /// Where steps have several queries: tokens that a request keeps of a step, mean. A step's time is then that of so
  /// many.
  std::optional<double> accepted_tokens;
  std::optional<TokenEnergy> energy;  ///< mean of a token, if asked for
};

}  // namespace dsasim
