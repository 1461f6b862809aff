#pragma once

// The predictors once more, from docs/predict.md, as plainly as they can be written: every guess looks at every id and
// at all selections so far.

#include "cache/reference_ranks.hpp"
#include "dsasim/predict/predict.hpp"
#include "replay/small_traces.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace dsasim::test {

class PlainPrediction {
 public:
  PlainPrediction(const PlainTrace& trace, const std::string& predictor, std::vector<std::uint64_t> guesses)
      : trace_(trace), predictor_(predictor), guesses_(std::move(guesses)) {
    for (const PlainRequest& request : trace.requests) {
      for (const PlainStep& step : request) {
        for (const PlainSelection& selection : step) {
          top_k_ = std::max(top_k_, selection.size());
        }
      }
    }
  }

  /// By guess, of one layer over all requests.
  std::vector<GuessCounts> counts(std::uint32_t layer, StepRange steps) {
    std::vector<GuessCounts> counts(guesses_.size());
    for (std::size_t request = 0; request < trace_.requests.size(); ++request) {
      visit(request, layer, steps,
            [&](std::uint64_t, const Ranks& ranks, const Set& now, const Set& had) { add(ranks, now, had, counts); });
    }
    return counts;
  }

  /// By step of a request at which a guess is made: all of it, the likeliest first.
  std::map<std::uint64_t, std::vector<std::uint32_t>> orders(std::size_t request, std::uint32_t layer,
                                                             StepRange steps) {
    std::map<std::uint64_t, std::vector<std::uint32_t>> orders;
    visit(request, layer, steps, [&](std::uint64_t step, const Ranks& ranks, const Set&, const Set&) {
      for (const auto& [rank, id] : order_of(ranks)) {
        orders[step].push_back(id);
      }
    });
    return orders;
  }

 private:
  using Set = std::set<std::uint32_t>;
  using Ranks = std::map<std::uint32_t, double>;

  std::int64_t query(std::size_t request, std::uint64_t step) const {
    const auto context = context_entries(trace_.header, trace_.header.requests[request], step);
    return trace_.header.ids == IdKind::physical || context == 0 ? 0 : static_cast<std::int64_t>(context) - 1;
  }

  std::int64_t distance(std::size_t request, std::uint64_t step, std::uint32_t id) const {
    return trace_.header.ids == IdKind::physical ? 0 : query(request, step) - std::int64_t{id};
  }

  /// Calls f(step, ranks, what the step selects, what was selected before) for each guess.
  template <class F>
  void visit(std::size_t request, std::uint32_t layer, StepRange steps, F&& f) {
    const PlainRequest& selected = trace_.requests[request];
    table_.emplace(static_cast<std::int64_t>(top_k_), predictor_ == "history" ? 1 : 2);
    frequency_.clear();
    cells_.clear();
    std::uint32_t id_limit = 0;
    for (const PlainStep& step : selected) {
      for (const PlainSelection& selection : step) {
        for (const std::uint32_t id : selection) {
          id_limit = std::max(id_limit, id + 1);
        }
      }
    }
    const std::uint64_t start = trace_.header.requests[request].start_step;
    const std::uint64_t first = steps.first - std::min(start, steps.first);
    const std::uint64_t last = std::min<std::uint64_t>(steps.last - std::min(start, steps.last), selected.size());
    std::optional<std::uint64_t> before;
    for (std::uint64_t step = first; step < last; ++step) {
      const PlainSelection& ids = selected[step][layer];
      if (ids.empty()) {
        continue;
      }
      const Set now(ids.begin(), ids.end());
      if (before) {
        const Ranks ranks = ranks_of(request, layer, first, *before, step, id_limit);
        const PlainSelection& had = selected[*before][layer];
        f(step, ranks, now, Set(had.begin(), had.end()));
      }
      learn(now, step);
      before = step;
    }
  }

  static std::vector<std::pair<double, std::uint32_t>> order_of(const Ranks& ranks) {
    std::vector<std::pair<double, std::uint32_t>> order;
    for (const auto& [id, rank] : ranks) {
      order.emplace_back(rank, id);
    }
    std::sort(order.rbegin(), order.rend());
    return order;
  }

  void add(const Ranks& ranks, const Set& now, const Set& had, std::vector<GuessCounts>& counts) const {
    const auto order = order_of(ranks);
    for (std::size_t guess = 0; guess < guesses_.size(); ++guess) {
      GuessCounts more{.selections = 1, .entries = now.size()};
      for (const std::uint32_t id : now) {
        more.new_entries += had.contains(id) ? 0U : 1U;
      }
      for (std::size_t i = 0; i < order.size() && i < guesses_[guess]; ++i) {
        const bool held = now.contains(order[i].second);
        ++more.guessed;
        more.held += held ? 1U : 0U;
        more.new_held += held && !had.contains(order[i].second) ? 1U : 0U;
      }
      counts[guess] += more;
    }
  }

  /// By id, the last step of [first, end) at which the layer selected it, if that is at most 256 before its last
  /// selection.
  std::map<std::uint32_t, std::uint64_t> last_steps(std::size_t request, std::uint32_t layer, std::uint64_t first,
                                                    std::uint64_t end) const {
    std::map<std::uint32_t, std::uint64_t> last;
    std::uint64_t latest = 0;
    for (std::uint64_t step = first; step < end; ++step) {
      for (const std::uint32_t id : trace_.requests[request][step][layer]) {
        last[id] = step;
        latest = step;
      }
    }
    std::erase_if(last, [latest](const auto& one) { return one.second + 256 < latest; });
    return last;
  }

  Ranks ranks_of(std::size_t request, std::uint32_t layer, std::uint64_t first, std::uint64_t before,
                 std::uint64_t step, std::uint32_t id_limit) {
    const PlainRequest& selected = trace_.requests[request];
    const auto own = last_steps(request, layer, first, step);
    Ranks ranks;
    if (predictor_ == "previous" || predictor_ == "layer-before") {
      if (predictor_ == "layer-before" && layer == 0) {
        return ranks;
      }
      for (const auto& [id, last] : predictor_ == "previous" ? own : last_steps(request, layer - 1, first, step + 1)) {
        ranks[id] = static_cast<double>(last);
      }
    } else if (predictor_ == "ema" || predictor_ == "vertical") {
      for (const auto& [id, last] : own) {
        double average = 0;
        double count = 0;
        for (std::uint64_t past = first, at = first; past < step; ++past) {
          const PlainSelection& ids = selected[past][layer];
          if (std::find(ids.begin(), ids.end(), id) != ids.end()) {
            average = average * decayed(1, 0.9, past - at) + (1 - 0.9);
            count += 1;
            at = past;
          }
        }
        ranks[id] = predictor_ == "vertical" ? count : average * decayed(1, 0.9, step - last);
      }
    } else if (predictor_ == "neighbours") {
      for (std::uint32_t id = 0; id < id_limit; ++id) {
        std::int64_t nearest = 65;
        for (const std::uint32_t other : selected[before][layer]) {
          nearest = std::min(nearest, std::abs(std::int64_t{id} - std::int64_t{other}));
        }
        if (nearest <= 64) {
          ranks[id] = -static_cast<double>(nearest);
        }
      }
    } else if (predictor_ == "slash") {
      for (std::uint64_t past = before - std::min(before - first, std::uint64_t{256}); past < step; ++past) {
        for (const std::uint32_t id : selected[past][layer]) {
          const std::int64_t moved = query(request, step) - distance(request, past, id);
          if (distance(request, past, id) >= 0 && moved >= 0 && moved < id_limit) {
            ranks[static_cast<std::uint32_t>(moved)] = static_cast<double>(past);
          }
        }
      }
    } else {
      look_up(request, layer, step, own, ranks);
    }
    return ranks;
  }

  void look_up(std::size_t request, std::uint32_t layer, std::uint64_t step,
               const std::map<std::uint32_t, std::uint64_t>& own, Ranks& ranks) {
    Set of_layer_before;
    if (predictor_ == "history+layer" && layer > 0) {
      const PlainSelection& ids = trace_.requests[request][step][layer - 1];
      of_layer_before = {ids.begin(), ids.end()};
    }
    Set candidates = of_layer_before;
    for (const auto& [id, last] : own) {
      candidates.insert(id);
    }
    cells_.clear();
    for (const std::uint32_t id : candidates) {
      const std::int64_t age = own.contains(id) ? static_cast<std::int64_t>(step - own.at(id)) - 1 : 1 << 20;
      const std::int64_t x = table_->x(frequency_[id].first, age);
      const std::size_t cell = table_->cell(age, x, distance(request, step, id), of_layer_before.contains(id) ? 1 : 0);
      cells_[id] = cell;
      ranks[id] = static_cast<double>(table_->V(cell, x, age)) + static_cast<double>(x) / 65536;
    }
  }

  void learn(const Set& now, std::uint64_t step) {
    std::vector<std::pair<std::size_t, std::int64_t>> learned;
    for (const auto& [id, cell] : cells_) {
      learned.emplace_back(cell, now.contains(id) ? 32768 : 0);
    }
    table_->learn(learned);
    for (const std::uint32_t id : now) {
      auto& [then, at] = frequency_[id];
      then = std::min<std::int64_t>(65535, table_->x(then, static_cast<std::int64_t>(step - at)) + 2048);
      at = step;
    }
  }

  const PlainTrace& trace_;
  std::string predictor_;
  std::vector<std::uint64_t> guesses_;
  std::size_t top_k_ = 1;
  std::optional<PlainReuse> table_;
  std::map<std::uint32_t, std::pair<std::int64_t, std::uint64_t>> frequency_;  ///< E, and the step it is of
  std::map<std::uint32_t, std::size_t> cells_;                                 ///< of the last guess
};

}  // namespace dsasim::test
