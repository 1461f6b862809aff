#pragma once

#include "dsasim/types.hpp"
#include "predict/past.hpp"
#include "predict/ranking.hpp"

#include <cstdint>

namespace dsasim {

// The manual for whoever adds a predictor. It is a header in predictors/ and a line in all_predictors.hpp: a class with
//
//   static constexpr std::string_view name, sentence    what it guesses, as a sentence for people
//   static constexpr bool needs_positions               ids that are slots tell it nothing
//   static constexpr double place_bytes                 what it keeps for each id
//   static constexpr bool reads_layer_before            where it uses Moment::before
//
// Each (request, layer) gets an object of its own. It may use what that layer selected at steps before, and what the
// layer before it selected at this step and before: a serving stack has both when it could begin to fetch.

/// What is known of a stream before its first selection.
struct PredictorSetup {
  std::uint64_t id_limit = 0;           ///< every id is below, and every guess
  std::uint64_t context_entries = 0;    ///< at the last step
  std::uint32_t longest_selection = 0;  ///< of the trace
};

/// When a selection is guessed, and what is known then.
struct Moment {
  std::uint64_t step = 0;        ///< of the request
  std::uint64_t query = 0;       ///< the id of the query's own entry; 0 if ids are slots
  bool has_positions = true;     ///< ids are positions
  const Past* own = nullptr;     ///< of the layer; not empty when a guess is made
  const Past* before = nullptr;  ///< of the layer before, this step included; null in the first layer

  /// In entries; 0 if ids are slots.
  std::int64_t distance(EntryId id) const noexcept {
    return has_positions ? static_cast<std::int64_t>(query) - static_cast<std::int64_t>(value(id)) : 0;
  }
  /// True if the layer before selects it at this step.
  bool selected_before(EntryId id) const noexcept { return before != nullptr && before->last_step(id) == step; }
};

class Predictor {
 public:
  static constexpr bool reads_layer_before = false;

  Predictor() = default;
  virtual ~Predictor() = default;
  Predictor(const Predictor&) = delete;
  Predictor& operator=(const Predictor&) = delete;

  /// Adds candidates for the selection that is next. Not called for the stream's first.
  virtual void rank(const Moment& now, Ranking& ranking) = 0;
  /// The layer has selected: now.own->latest() says what. `now` is otherwise that of rank().
  virtual void learn(const Moment& /*now*/) {}
};

}  // namespace dsasim
