#pragma once

#include "predict/predictor.hpp"

#include <string_view>
#include <vector>

namespace dsasim {

/// Slashes of the attention map: entries at the distances from the query that were selected last. The selection before
/// moves on with the query, by an entry in one step, or in as many as an entry has tokens.
class Slash final : public Predictor {
 public:
  static constexpr std::string_view name = "slash";
  static constexpr std::string_view sentence =
      "The selection before, moved on with the query; then the distances of those before it, the latest first.";
  static constexpr bool needs_positions = true;
  static constexpr double place_bytes = Past::place_bytes;

  explicit Slash(const PredictorSetup& setup) : id_limit_(setup.id_limit) { distances_.begin(setup.context_entries); }

  void rank(const Moment& now, Ranking& ranking) override {
    distances_.for_each_candidate([&](EntryId distance, std::uint64_t step) {
      if (value(distance) <= now.query && now.query - value(distance) < id_limit_) {
        ranking.add(static_cast<double>(step), EntryId{static_cast<std::uint32_t>(now.query - value(distance))});
      }
    });
  }

  void learn(const Moment& now) override {
    selected_.clear();
    for (const EntryId id : now.own->latest()) {
      if (value(id) <= now.query) {  // an entry that its tokens are filling is not at a distance yet
        selected_.push_back(EntryId{static_cast<std::uint32_t>(now.query - value(id))});
      }
    }
    distances_.select(now.step, selected_);
  }

 private:
  std::uint64_t id_limit_;
  Past distances_;  ///< in the place of ids
  std::vector<EntryId> selected_;
};

}  // namespace dsasim
