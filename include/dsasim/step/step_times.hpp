#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dsasim {

/// What a gather shares its time with.
enum class Overlap : std::uint8_t {
  none,       ///< parts follow each other
  attention,  ///< one kernel gathers rows and computes with those that are there: the longer of the two counts
};
inline constexpr std::array overlap_names = {std::pair<std::string_view, Overlap>{"none", Overlap::none},
                                             std::pair<std::string_view, Overlap>{"attention", Overlap::attention}};

/// `--model`, `--gpu` and what goes with them.
struct StepSpec {
  std::string model;                  ///< in configs/models/, or a file; empty: steps are not timed
  std::string gpu;                    ///< in configs/gpus/, or a file; goes with a model
  std::uint32_t tensor_parallel = 1;  ///< GPUs that share weights, heads and arithmetic evenly
  Overlap overlap = Overlap::attention;

  bool times_steps() const noexcept { return !model.empty(); }
};

/// Nanoseconds of a decode step by part, of one (step, layer) or summed. Docs: docs/step-time.md.
struct PartTimes {
  std::uint64_t indexer_ns = 0;    ///< scan of the keys of the whole context, in layers that own an indexer
  std::uint64_t topk_ns = 0;       ///< selection among the scores
  std::uint64_t gather_ns = 0;     ///< rows of the selection, by the memory model: the stall
  std::uint64_t attention_ns = 0;  ///< arithmetic with these rows
  std::uint64_t rest_ns = 0;       ///< weights and their arithmetic

  // These throw Error, naming the quantity, for a sum of 2^64 or more.
  std::uint64_t total_ns(Overlap overlap) const;
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

/// What a replay with a model and a GPU says about time. Sums are over the steps that were counted.
struct StepTimes {
  PartTimes totals;
  std::vector<PartTimes> layers;
  std::uint64_t other_ns = 0;  ///< head, and layers that no layer of the trace stands for
  Tpot tpot;
  /// Mean TPOT divided by what it would be (a) if the reservation held every row, (b) if the rows of a selection were
  /// one contiguous read. 0 without steps.
  double slowdown_all_hit = 0;
  double slowdown_contiguous = 0;
  std::vector<std::uint32_t> hidden_layers;  ///< of the model that each layer of the trace stands for
};

}  // namespace dsasim
