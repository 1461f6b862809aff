#pragma once

#include "dsasim/zeroed_array.hpp"
#include "predict/predictor.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace dsasim {

class Neighbours final : public Predictor {
 public:
  static constexpr std::string_view name = "neighbours";
  static constexpr std::string_view sentence =
      "The selection before; then the positions around each of its entries, the nearest first.";
  static constexpr bool needs_positions = true;
  static constexpr double place_bytes = sizeof(std::uint64_t);

  explicit Neighbours(const PredictorSetup& setup) : added_at_(setup.id_limit) {}

  void rank(const Moment& now, Ranking& ranking) override {
    const auto selected = now.own->latest();
    for (std::uint32_t distance = 0; distance <= farthest && !ranking.full(); ++distance) {
      for (const EntryId id : selected) {
        if (value(id) >= distance) {
          add(value(id) - distance, distance, now, ranking);
        }
        add(std::uint64_t{value(id)} + distance, distance, now, ranking);
      }
    }
  }

 private:
  static constexpr std::uint32_t farthest = 64;

  void add(std::uint64_t id, std::uint32_t distance, const Moment& now, Ranking& ranking) {
    if (id < added_at_.size() && added_at_[id] != now.step + 1) {
      added_at_[id] = now.step + 1;
      ranking.add(-static_cast<double>(distance), EntryId{static_cast<std::uint32_t>(id)});
    }
  }

  ZeroedArray<std::uint64_t> added_at_;  ///< by id: one more than the step
};

}  // namespace dsasim
