#include "allocate/split.hpp"

#include "dsasim/checked.hpp"
#include "dsasim/error.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <tuple>
#include <utility>

namespace dsasim {
namespace {

__extension__ using Wide = __int128;

using Parts = std::span<const std::vector<Choice>>;

/// Choices that lose less than all that cost less: the others are never needed.
std::vector<std::size_t> useful(const std::vector<Choice>& choices) {
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (kept.empty() || choices[i].loss < choices[kept.back()].loss) {
      kept.push_back(i);
    }
  }
  return kept;
}

/// From one corner of a part's hull to the next.
struct Edge {
  std::size_t part = 0;
  std::size_t to = 0;
  std::uint64_t cost = 0;  ///< more
  std::uint64_t gain = 0;  ///< less loss
};

/// Whether `a` gains more for its cost.
bool steeper(const Edge& a, const Edge& b) {
  return Wide{a.gain} * b.cost > Wide{b.gain} * a.cost;
}

Edge edge_between(const std::vector<Choice>& choices, std::size_t part, std::size_t from, std::size_t to) {
  return {.part = part,
          .to = to,
          .cost = choices[to].cost - choices[from].cost,
          .gain = choices[from].loss - choices[to].loss};
}

/// The edges of a part's lower convex hull, steepest first; one after the other where they are equally steep.
std::vector<Edge> hull_edges(const std::vector<Choice>& choices, std::size_t part) {
  std::vector<std::size_t> corners;
  for (const std::size_t next : useful(choices)) {
    while (corners.size() >= 2 && steeper(edge_between(choices, part, corners.back(), next),
                                          edge_between(choices, part, corners[corners.size() - 2], corners.back()))) {
      corners.pop_back();
    }
    corners.push_back(next);
  }
  std::vector<Edge> edges;
  for (std::size_t i = 1; i < corners.size(); ++i) {
    edges.push_back(edge_between(choices, part, corners[i - 1], corners[i]));
  }
  return edges;
}

struct HullWalk {
  Split split;
  std::optional<Edge> first_left_out;  ///< none if the budget takes everything
};

HullWalk walk_hulls(Parts parts, std::uint64_t budget) {
  std::vector<Edge> edges;
  HullWalk walk{.split = Split(parts.size(), 0), .first_left_out = {}};
  std::uint64_t left = budget;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    const auto hull = hull_edges(parts[part], part);
    edges.insert(edges.end(), hull.begin(), hull.end());
    left -= parts[part].front().cost;
  }
  std::stable_sort(edges.begin(), edges.end(), steeper);
  std::vector<bool> stopped(parts.size(), false);
  for (const Edge& edge : edges) {
    if (stopped[edge.part]) {
      continue;
    }
    if (edge.cost <= left) {
      left -= edge.cost;
      walk.split[edge.part] = edge.to;
    } else {
      stopped[edge.part] = true;
      walk.first_left_out = walk.first_left_out ? walk.first_left_out : edge;
    }
  }
  return walk;
}

/// The dynamic program of least_loss_split(), within gaps that are tried one after the other.
class GapSearch {
 public:
  GapSearch(Parts parts, std::uint64_t budget, const Edge& price) : parts_(parts), budget_(budget) {
    const std::uint64_t common = std::gcd(price.gain, price.cost);
    p_ = static_cast<Wide>(price.gain / common);
    q_ = static_cast<Wide>(price.cost / common);
    for (std::size_t part = 0; part < parts.size(); ++part) {
      useful_.push_back(useful(parts[part]));
      Wide best = priced(part, 0);
      for (const std::size_t choice : useful_.back()) {
        best = std::min(best, priced(part, choice));
        unit_ = std::gcd(unit_, cost_of(part, choice));
      }
      best_.push_back(best);
      lower_bound_ += best;
      budget_ -= parts[part].front().cost;
    }
    budget_ -= budget_ % unit_;  // what no sum of costs can use
    lower_bound_ -= p_ * static_cast<Wide>(budget_);
  }

  /// The gap of a loss with nothing left of the budget: the largest that a split with this loss may have.
  Wide gap_of(std::uint64_t loss) const { return q_ * static_cast<Wide>(loss) - lower_bound_; }
  Wide gap_of_one() const { return q_; }

  /// The best split within a gap, if there is one; of those that differ from `near` in each part by at most `most_away`
  /// of its choices within the gap.
  std::optional<Split> search(Wide gap, const Split& near, std::size_t most_away);

 private:
  struct Candidate {
    std::uint64_t cost = 0;
    Wide excess = 0;
    std::uint32_t choice = 0;
  };
  /// The choices of the parts so far.
  struct State {
    std::uint64_t cost = 0;
    Wide excess = 0;
    std::uint32_t number = 0;  ///< among those of its part, by cost
  };
  /// How a state came about.
  struct Origin {
    std::uint32_t state = 0;  ///< of the part before
    std::uint32_t choice = 0;
  };
  struct Cell {
    Wide excess = 0;
    Origin origin;
    bool used = false;
  };

  /// Beyond the part's cheapest choice.
  std::uint64_t cost_of(std::size_t part, std::size_t choice) const {
    return parts_[part][choice].cost - parts_[part].front().cost;
  }
  Wide priced(std::size_t part, std::size_t choice) const {
    return q_ * static_cast<Wide>(parts_[part][choice].loss) + p_ * static_cast<Wide>(cost_of(part, choice));
  }
  std::vector<Candidate> candidates_of(std::size_t part, Wide gap) const;
  void find_candidates(Wide gap, const Split& near, std::size_t most_away);
  void extend(std::size_t part, Wide gap, std::vector<State>& states);
  void fill_cells(std::size_t part, Wide gap, const std::vector<State>& states, std::uint64_t first_cost);

  Parts parts_;
  std::uint64_t budget_;  ///< beyond the cheapest choices
  std::vector<std::vector<std::size_t>> useful_;
  Wide p_ = 0, q_ = 1;      ///< the price
  std::vector<Wide> best_;  ///< by part: the least priced choice
  Wide lower_bound_ = 0;    ///< of q times the loss
  std::uint64_t unit_ = 0;  ///< divides all costs

  // Of the current search.
  std::vector<std::vector<Candidate>> candidates_;  ///< by part, least excess first
  std::vector<std::uint64_t> least_later_;          ///< by part: what it and those after it cost at least,
  std::vector<std::uint64_t> most_later_;           ///< and at most
  std::vector<std::vector<Origin>> origins_;        ///< by part and state
  std::vector<Cell> cells_;                         ///< by cost, of the current part
};

/// By cost.
std::vector<GapSearch::Candidate> GapSearch::candidates_of(std::size_t part, Wide gap) const {
  std::vector<Candidate> candidates;
  for (const std::size_t choice : useful_[part]) {
    const Wide excess = priced(part, choice) - best_[part];
    if (excess <= gap) {
      candidates.push_back(
          {.cost = cost_of(part, choice), .excess = excess, .choice = static_cast<std::uint32_t>(choice)});
    }
  }
  return candidates;
}

void GapSearch::find_candidates(Wide gap, const Split& near, std::size_t most_away) {
  candidates_.assign(parts_.size(), {});
  least_later_.assign(parts_.size() + 1, 0);
  most_later_.assign(parts_.size() + 1, 0);
  for (std::size_t part = parts_.size(); part-- > 0;) {
    const auto all = candidates_of(part, gap);
    const auto at = static_cast<std::size_t>(
        std::lower_bound(all.begin(), all.end(), near[part],
                         [](const Candidate& candidate, std::size_t choice) { return candidate.choice < choice; }) -
        all.begin());
    const std::size_t first = at - std::min(at, most_away);
    const std::size_t last = at + std::min(all.size() - at, most_away + 1);
    auto& candidates = candidates_[part];
    candidates.assign(all.begin() + static_cast<std::ptrdiff_t>(first),
                      all.begin() + static_cast<std::ptrdiff_t>(last));
    least_later_[part] = least_later_[part + 1] + candidates.front().cost;
    most_later_[part] = most_later_[part + 1] + candidates.back().cost;
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate& a, const Candidate& b) { return a.excess < b.excess; });
  }
}

/// Of all ways to a cost, the one with the least excess; the first found among equals. `states` come by their excess.
void GapSearch::fill_cells(std::size_t part, Wide gap, const std::vector<State>& states, std::uint64_t first_cost) {
  const std::uint64_t most_cost = budget_ - least_later_[part + 1];
  for (const State& state : states) {
    for (const Candidate& candidate : candidates_[part]) {
      const Wide excess = state.excess + candidate.excess;
      if (excess > gap) {
        break;
      }
      const std::uint64_t cost = state.cost + candidate.cost;
      if (cost > most_cost) {
        continue;
      }
      const std::uint64_t reach = cost + most_later_[part + 1];
      if (reach < budget_ && excess + p_ * static_cast<Wide>(budget_ - reach) > gap) {
        continue;  // so much of the budget would be left over
      }
      Cell& cell = cells_[(cost - first_cost) / unit_];
      if (!cell.used || excess < cell.excess) {
        cell = {.excess = excess, .origin = {.state = state.number, .choice = candidate.choice}, .used = true};
      }
    }
  }
}

void GapSearch::extend(std::size_t part, Wide gap, std::vector<State>& states) {
  const auto by_cost = [](const auto& a, const auto& b) { return a.cost < b.cost; };
  const auto [least, most] = std::minmax_element(states.begin(), states.end(), by_cost);
  const auto& candidates = candidates_[part];
  const auto [cheapest, dearest] = std::minmax_element(candidates.begin(), candidates.end(), by_cost);
  const std::uint64_t first_cost = least->cost + cheapest->cost;
  const std::uint64_t last_cost = std::min(most->cost + dearest->cost, budget_ - least_later_[part + 1]);
  constexpr std::uint64_t most_cells = std::uint64_t{1} << 28U;
  if (last_cost >= first_cost && (last_cost - first_cost) / unit_ >= most_cells) {
    throw ConfigError("`granularity`", "expected a coarser granularity: {} sums of sizes, at most {}",
                      (last_cost - first_cost) / unit_, most_cells);
  }
  cells_.assign(last_cost < first_cost ? 0 : (last_cost - first_cost) / unit_ + 1, {});
  fill_cells(part, gap, states, first_cost);

  states.clear();
  auto& origins = origins_.emplace_back();
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    if (cells_[i].used) {
      states.push_back({.cost = first_cost + i * unit_,
                        .excess = cells_[i].excess,
                        .number = static_cast<std::uint32_t>(origins.size())});
      origins.push_back(cells_[i].origin);
    }
  }
  std::stable_sort(states.begin(), states.end(), [](const State& a, const State& b) { return a.excess < b.excess; });
}

std::optional<Split> GapSearch::search(Wide gap, const Split& near, std::size_t most_away) {
  find_candidates(gap, near, most_away);
  if (least_later_.front() > budget_) {
    return std::nullopt;
  }
  origins_.clear();
  std::vector<State> states = {{}};
  for (std::size_t part = 0; part < parts_.size() && !states.empty(); ++part) {
    extend(part, gap, states);
  }
  if (states.empty()) {
    return std::nullopt;
  }
  const auto rank = [&](const State& state) {
    return std::tuple(state.excess + p_ * static_cast<Wide>(budget_ - state.cost), state.cost);
  };
  std::uint32_t at = std::min_element(states.begin(), states.end(), [&](const State& a, const State& b) {
                       return rank(a) < rank(b);
                     })->number;
  Split split(parts_.size());
  for (std::size_t part = parts_.size(); part-- > 0;) {
    split[part] = origins_[part][at].choice;
    at = origins_[part][at].state;
  }
  return split;
}

}  // namespace

Split hull_split(Parts parts, std::uint64_t budget) {
  return walk_hulls(parts, budget).split;
}

Split least_loss_split(Parts parts, std::uint64_t budget) {
  const HullWalk walk = walk_hulls(parts, budget);
  Split best = walk.split;
  if (!walk.first_left_out) {
    return best;
  }
  GapSearch search(parts, budget, *walk.first_left_out);
  // Of all splits that lose less than the best so far; negative if there are none.
  const auto widest = [&] { return search.gap_of(sum_of(parts, best).loss) - search.gap_of_one(); };
  for (const std::size_t most_away : {2U, 8U, 32U}) {
    if (auto better = widest() < 0 ? std::nullopt : search.search(widest(), walk.split, most_away)) {
      best = std::move(*better);
    }
  }
  constexpr Wide first_part = 1024;
  for (Wide gap = std::max(search.gap_of_one(), widest() / first_part); widest() >= 0; gap *= 2) {
    if (auto least = search.search(std::min(gap, widest()), walk.split, std::numeric_limits<std::uint32_t>::max())) {
      return *least;
    }
    if (gap >= widest()) {
      break;
    }
  }
  return best;
}

Choice sum_of(Parts parts, const Split& split) {
  Choice sum;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    sum.cost = checked_sum(sum.cost, parts[part][split[part]].cost, "the cost of a split");
    sum.loss = checked_sum(sum.loss, parts[part][split[part]].loss, "what a split loses");
  }
  return sum;
}

}  // namespace dsasim
