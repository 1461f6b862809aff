#pragma once

#include "dsasim/zeroed_array.hpp"
#include "predict/predictor.hpp"

#include <cstdint>
#include <string_view>

namespace dsasim {

/// Verticals of the attention map: positions that many queries select.
class Vertical final : public Predictor {
 public:
  static constexpr std::string_view name = "vertical";
  static constexpr std::string_view sentence = "The entries that were selected at the most steps so far.";
  static constexpr bool needs_positions = false;
  static constexpr double place_bytes = sizeof(std::uint64_t);

  explicit Vertical(const PredictorSetup& setup) : steps_(setup.id_limit) {}

  void rank(const Moment& now, Ranking& ranking) override {
    now.own->for_each_candidate(
        [&](EntryId id, std::uint64_t /*step*/) { ranking.add(static_cast<double>(steps_[value(id)]), id); });
  }

  void learn(const Moment& now) override {
    for (const EntryId id : now.own->latest()) {
      ++steps_[value(id)];
    }
  }

 private:
  ZeroedArray<std::uint64_t> steps_;  ///< by id
};

}  // namespace dsasim
