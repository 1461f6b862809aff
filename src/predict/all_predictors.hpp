#pragma once

#include "dsasim/config/names.hpp"
#include "dsasim/error.hpp"
#include "dsasim/trace/reader.hpp"
#include "predict/predictor.hpp"
#include "predict/predictors/ema.hpp"
#include "predict/predictors/history.hpp"
#include "predict/predictors/layer_before.hpp"
#include "predict/predictors/neighbours.hpp"
#include "predict/predictors/previous.hpp"
#include "predict/predictors/slash.hpp"
#include "predict/predictors/vertical.hpp"

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string_view>
#include <tuple>
#include <vector>

namespace dsasim {

/// The registry, in the order of the tables. A new predictor is its header, a line here, its definition in
/// docs/predict.md, and its case in tests/predict/reference_predictors.hpp.
using AllPredictors = std::tuple<  //
    Previous,                      //
    Ema,                           //
    Vertical,                      //
    Neighbours,                    //
    Slash,                         //
    LayerBefore,                   //
    OwnHistory, HistoryAndLayer>;

/// A row of the registry.
struct PredictorKind {
  std::string_view name;
  std::string_view sentence;
  bool needs_positions;
  bool reads_layer_before;
  double place_bytes;
  std::unique_ptr<Predictor> (*make)(const PredictorSetup& setup);
};

inline std::vector<PredictorKind> predictor_kinds() {
  return []<class... P>(std::tuple<P...>* /*list*/) {
    return std::vector<PredictorKind>{{.name = P::name,
                                       .sentence = P::sentence,
                                       .needs_positions = P::needs_positions,
                                       .reads_layer_before = P::reads_layer_before,
                                       .place_bytes = P::place_bytes,
                                       .make = [](const PredictorSetup& setup) -> std::unique_ptr<Predictor> {
                                         return std::make_unique<P>(setup);
                                       }}...};
  }(static_cast<AllPredictors*>(nullptr));
}

/// Throws ConfigError, of the option, for a name that is none; `others` are known to the option besides, and come
/// first.
inline PredictorKind find_predictor(std::string_view option, std::string_view name,
                                    std::initializer_list<std::string_view> others = {}) {
  const std::vector<PredictorKind> known = predictor_kinds();
  const auto found = std::find_if(known.begin(), known.end(), [&](const auto& kind) { return kind.name == name; });
  if (found == known.end()) {
    std::vector<std::string_view> names = others;
    std::transform(known.begin(), known.end(), std::back_inserter(names), [](const auto& kind) { return kind.name; });
    throw ConfigError(option, "unknown predictor {}", unknown_name(name, names));
  }
  return *found;
}

/// Whether the ids of the trace tell the predictor what it needs.
inline bool can_predict(const PredictorKind& kind, const TraceReader& trace) {
  return !kind.needs_positions || trace.header().ids == IdKind::logical;
}

/// Throws ConfigError, of the option, where they do not.
inline void require_positions(std::string_view option, const PredictorKind& kind, const TraceReader& trace) {
  if (!can_predict(kind, trace)) {
    throw ConfigError(option, "{} needs positions, and the ids of {} are slots", kind.name, trace.name());
  }
}

}  // namespace dsasim
