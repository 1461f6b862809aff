#pragma once

#include "dsasim/cache/decay_policy.hpp"
#include "dsasim/zeroed_array.hpp"
#include "predict/predictor.hpp"

#include <cstdint>
#include <string_view>

namespace dsasim {

class Ema final : public Predictor {
 public:
  static constexpr std::string_view name = "ema";
  static constexpr std::string_view sentence =
      "The largest moving averages over steps of being selected, which forget a tenth at each step.";
  static constexpr bool needs_positions = false;
  static constexpr double place_bytes = 16;

  explicit Ema(const PredictorSetup& setup) : averages_(setup.id_limit) {}

  void rank(const Moment& now, Ranking& ranking) override {
    now.own->for_each_candidate([&](EntryId id, std::uint64_t step) {
      ranking.add(averages_[value(id)].then * decay.after(now.step - step), id);
    });
  }

  void learn(const Moment& now) override {
    for (const EntryId id : now.own->latest()) {
      Average& average = averages_[value(id)];
      average.then = average.then * decay.after(now.step - average.step) + (1 - kept);
      average.step = now.step;
    }
  }

 private:
  static constexpr double kept = 0.9;
  struct Average {
    double then;         ///< as of the entry's last selection
    std::uint64_t step;  ///< of that
  };

  inline static const DecayTable decay{kept};
  ZeroedArray<Average> averages_;  ///< by id
};

}  // namespace dsasim
