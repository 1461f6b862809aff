#pragma once

#include "predict/predictor.hpp"

#include <string_view>

namespace dsasim {

/// The paper's yardstick, made longer: after the selection before come the entries of the one before that, and so on.
/// What a hot buffer evicted last comes in this order.
class Previous final : public Predictor {
 public:
  static constexpr std::string_view name = "previous";
  static constexpr std::string_view sentence = "The selection before; then those before it, the latest first.";
  static constexpr bool needs_positions = false;
  static constexpr double place_bytes = 0;

  explicit Previous(const PredictorSetup& /*setup*/) {}

  void rank(const Moment& now, Ranking& ranking) override {
    now.own->for_each_candidate([&](EntryId id, std::uint64_t step) { ranking.add(static_cast<double>(step), id); });
  }
};

}  // namespace dsasim
