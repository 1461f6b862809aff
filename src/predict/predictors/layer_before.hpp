#pragma once

#include "predict/predictor.hpp"

#include <string_view>

namespace dsasim {

class LayerBefore final : public Predictor {
 public:
  static constexpr std::string_view name = "layer-before";
  static constexpr std::string_view sentence =
      "What the layer before selects at this step; then what it selected at steps before, the latest first.";
  static constexpr bool needs_positions = false;
  static constexpr double place_bytes = 0;
  static constexpr bool reads_layer_before = true;

  explicit LayerBefore(const PredictorSetup& /*setup*/) {}

  void rank(const Moment& now, Ranking& ranking) override {
    if (now.before != nullptr && !now.before->empty()) {
      now.before->for_each_candidate(
          [&](EntryId id, std::uint64_t step) { ranking.add(static_cast<double>(step), id); });
    }
  }
};

}  // namespace dsasim
