#pragma once

#include "dsasim/replay/capacity.hpp"
#include "dsasim/trace/reader.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// How much of the next selection a guess holds. docs/predict.md defines the predictors.
struct PredictConfig {
  std::vector<std::string> predictors;  ///< names; none: all, and those that need positions only where ids are these
  std::vector<Capacity> guesses;        ///< entries of a guess, at least one of it; not in bytes
  std::optional<StepRange> steps = {};  ///< as if the trace had no others; otherwise all
  std::uint32_t jobs = 1;               ///< threads; no result depends on it
};

/// Over selections that were guessed: all but each stream's first, and those without entries. A stream is a request's
/// layer.
struct GuessCounts {
  std::uint64_t selections = 0;
  std::uint64_t entries = 0;      ///< of the selections
  std::uint64_t guessed = 0;      ///< entries of the guesses: fewer than asked for where fewer are candidates
  std::uint64_t held = 0;         ///< entries of both
  std::uint64_t new_entries = 0;  ///< of the selections, those that the selection before did not have
  std::uint64_t new_held = 0;     ///< of these, those of the guesses

  GuessCounts& operator+=(const GuessCounts& more);
};

/// By predictor, then by guess.
using GuessTable = std::vector<std::vector<GuessCounts>>;

struct TracePrediction {
  std::string trace;                         ///< name
  std::vector<std::uint64_t> guess_entries;  ///< by guess
  GuessTable pooled;                         ///< over layers and requests
  std::vector<GuessTable> layers;            ///< by layer, over requests
};

struct PredictResult {
  std::vector<std::string> predictors;
  std::vector<Capacity> guesses;
  std::optional<StepRange> steps;
  std::vector<TracePrediction> traces;
  GuessTable together;  ///< of all traces
};

struct PredictorDescription {
  std::string_view name;
  std::string_view sentence;
};
/// In the order of the list in src/predict/all_predictors.hpp.
std::vector<PredictorDescription> predictor_descriptions();

/// Guesses every selection of the traces before it is seen, and counts. One pass over the trace for each predictor.
///
/// Throws ConfigError for unknown predictors, naming those there are; for one that needs positions where ids are slots;
/// for guesses without entries; and without traces. SystemError if the machine has not the memory; TraceError for
/// damage. `on_share` is told how much is done, by one thread at a time.
PredictResult predict(std::span<const TraceReader* const> traces, const PredictConfig& config,
                      const std::function<void(double share)>& on_share = {});

}  // namespace dsasim
