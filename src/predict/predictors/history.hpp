#pragma once

#include "dsasim/cache/reuse_table.hpp"
#include "dsasim/zeroed_array.hpp"
#include "predict/predictor.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace dsasim {

/// The table of `rt` (docs/policies.md) for the next step alone, over all candidates: a cell averages whether the
/// entries that were in it were selected. With `layer`, entries that the layer before selects at this step have cells
/// of their own, and are candidates as well.
template <bool layer>
class TablePredictor : public Predictor {
 public:
  static constexpr bool needs_positions = false;
  static constexpr double place_bytes = sizeof(std::uint16_t);
  static constexpr bool reads_layer_before = layer;

  explicit TablePredictor(const PredictorSetup& setup)
      : table_(setup.longest_selection, layer ? 2 : 1), frequencies_(setup.id_limit), candidates_(table_.cells()) {}

  void rank(const Moment& now, Ranking& ranking) override {
    candidates_from_ = now.own->candidates_from();
    now.own->for_each_candidate([&](EntryId id, std::uint64_t step) { add(now, id, now.step - step - 1, ranking); });
    if (guesses_by_layer(now)) {
      for (const EntryId id : now.before->latest()) {
        if (!is_own_candidate(now.own->last_step(id))) {
          add(now, id, unknown_age, ranking);
        }
      }
    }
  }

  void learn(const Moment& now) override {
    table_.forget();
    for (std::size_t i = 0; i < now.own->latest().size(); ++i) {
      const EntryId id = now.own->latest()[i];
      const std::uint64_t step_before = now.own->steps_before()[i];
      const bool is_own = is_own_candidate(step_before);
      if (is_own || (guesses_by_layer(now) && now.selected_before(id))) {
        const std::uint32_t cell = view(now, id, is_own ? now.step - step_before - 1 : unknown_age).cell;
        table_.learn(cell, ReuseTable::one / 2);
        --candidates_[cell];
      }
      std::uint16_t& frequency = frequencies_[value(id)];  // 0 where there is no step before
      frequency = ReuseTable::selected(table_.frequency(frequency, now.step - step_before));
    }
    for (std::uint32_t cell = 0; cell < candidates_.size(); ++cell) {
      table_.learn_none(cell, std::exchange(candidates_[cell], 0));
    }
    candidates_from_ = Past::never;
  }

 private:
  static constexpr std::uint64_t unknown_age = std::uint64_t{1} << 20U;

  /// Of the last rank().
  bool is_own_candidate(std::uint64_t last_step) const noexcept {
    return last_step != Past::never && last_step >= candidates_from_;
  }
  bool guesses_by_layer(const Moment& now) const noexcept {
    return layer && candidates_from_ != Past::never && now.before != nullptr && now.before->latest_step() == now.step;
  }

  ReuseTable::View view(const Moment& now, EntryId id, std::uint64_t age) const noexcept {
    return table_.view(frequencies_[value(id)], age, now.distance(id), layer && now.selected_before(id) ? 1 : 0);
  }

  void add(const Moment& now, EntryId id, std::uint64_t age, Ranking& ranking) {
    const auto seen = view(now, id, age);
    ++candidates_[seen.cell];
    if (ranking.least_rank() != least_rank_) {
      least_rank_ = ranking.least_rank();
      least_expected_ = static_cast<std::uint32_t>(std::max(least_rank_, 0.0));
    }
    if (table_.reaches(seen, least_expected_)) {
      ranking.add_ranked_by(
          [&] { return table_.expected(seen) + static_cast<double>(seen.frequency) / ReuseTable::one; }, id);
    }
  }

  ReuseTable table_;
  ZeroedArray<std::uint16_t> frequencies_;  ///< by id: as of the last selection
  std::vector<std::uint32_t> candidates_;   ///< by cell: how many the last rank() added
  double least_rank_ = 0;  ///< of a guess, when it was last looked at; what is expected of it is the integer below
  std::uint32_t least_expected_ = 0;
  std::uint64_t candidates_from_ = Past::never;  ///< of these, those of the layer's own: the step; `never` if none are
};

class OwnHistory final : public TablePredictor<false> {
 public:
  static constexpr std::string_view name = "history";
  static constexpr std::string_view sentence =
      "A table, learned for each layer, of how often entries of an age and a slow frequency are selected next.";
  using TablePredictor::TablePredictor;
};

class HistoryAndLayer final : public TablePredictor<true> {
 public:
  static constexpr std::string_view name = "history+layer";
  static constexpr std::string_view sentence =
      "The same table, which also tells apart what the layer before selects at this step.";
  using TablePredictor::TablePredictor;
};

}  // namespace dsasim
