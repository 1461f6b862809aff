#pragma once

#include "dsasim/cache/reuse_table.hpp"
#include "dsasim/zeroed_array.hpp"
#include "predict/predictor.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace dsasim {

/// The table of `rt` (docs/policies.md) for the next step alone, over all candidates: a cell averages whether the
/// entries that were in it were selected. With `layer`, entries that the layer before selects at this step have cells
/// of their own, and are candidates as well.
template <bool layer>
class TablePredictor : public Predictor {
 public:
  static constexpr bool needs_positions = false;
  static constexpr double place_bytes = 16;
  static constexpr bool reads_layer_before = layer;

  explicit TablePredictor(const PredictorSetup& setup)
      : table_(setup.longest_selection, layer ? 2 : 1), frequencies_(setup.id_limit) {}

  void rank(const Moment& now, Ranking& ranking) override {
    candidates_.clear();
    now.own->for_each_candidate([&](EntryId id, std::uint64_t step) { add(now, id, now.step - step - 1, ranking); });
    if (layer && now.before != nullptr && now.before->latest_step() == now.step) {
      for (const EntryId id : now.before->latest()) {
        const std::uint64_t step = now.own->last_step(id);
        if (step == Past::never || step + Past::horizon_steps < now.own->latest_step()) {
          add(now, id, unknown_age, ranking);
        }
      }
    }
  }

  void learn(const Moment& now) override {
    table_.forget();
    for (const Candidate& candidate : candidates_) {
      const bool selected = now.own->last_step(candidate.id) == now.step;
      table_.learn(candidate.cell, selected ? ReuseTable::one / 2 : 0);
    }
    for (const EntryId id : now.own->latest()) {
      Frequency& frequency = frequencies_[value(id)];
      frequency.then = ReuseTable::selected(table_.frequency(frequency.then, now.step - frequency.step));
      frequency.step = now.step;
    }
  }

 private:
  static constexpr std::uint64_t unknown_age = std::uint64_t{1} << 20U;
  struct Frequency {
    std::uint64_t step;  ///< of the entry's last selection
    std::uint16_t then;
  };
  struct Candidate {
    EntryId id;
    std::uint32_t cell;
  };

  void add(const Moment& now, EntryId id, std::uint64_t age, Ranking& ranking) {
    const auto view =
        table_.view(frequencies_[value(id)].then, age, now.distance(id), layer && now.selected_before(id) ? 1 : 0);
    candidates_.push_back({.id = id, .cell = view.cell});
    ranking.add(table_.expected(view) + static_cast<double>(view.frequency) / ReuseTable::one, id);
  }

  ReuseTable table_;
  ZeroedArray<Frequency> frequencies_;  ///< by id
  std::vector<Candidate> candidates_;
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
