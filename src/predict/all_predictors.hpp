#pragma once

#include "predict/predictor.hpp"
#include "predict/predictors/ema.hpp"
#include "predict/predictors/history.hpp"
#include "predict/predictors/layer_before.hpp"
#include "predict/predictors/neighbours.hpp"
#include "predict/predictors/previous.hpp"
#include "predict/predictors/slash.hpp"
#include "predict/predictors/vertical.hpp"

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

}  // namespace dsasim
