// Counts, for every entry of every stream at every step, what it did in the state it was in.

#include "dsasim/generate/measure.hpp"

#include "dsasim/error.hpp"

#include "generate/entry_state.hpp"
#include "generate/surroundings.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>

namespace dsasim {
namespace {

using synthesis::EntryState;
using synthesis::SurroundingsTally;

/// Enough for the balance of selections to settle.
constexpr std::uint32_t settling_steps = 64;

struct Tally {
  double seen = 0;
  double happened = 0;

  void count(bool happens) noexcept {
    seen += 1;
    happened += static_cast<double>(happens);
  }
  Tally& operator+=(const Tally& other) noexcept {
    seen += other.seen;
    happened += other.happened;
    return *this;
  }
};

using HistoryTallies = std::array<std::array<Tally, duration_buckets>, activity_classes>;

struct LayerTallies {
  HistoryTallies leave{};
  HistoryTallies come_back{};
  std::array<std::array<Tally, observation_buckets>, distance_buckets> first_prompt{};
  std::array<Tally, distance_buckets> first_decoded{};
  SelectionShares shares;  ///< sums, not divided yet
  double ids = 0;
  double exchangeable = 0;  ///< of ids: there was a step before

  LayerTallies& operator+=(const LayerTallies& other) noexcept {
    for (std::size_t activity = 0; activity < activity_classes; ++activity) {
      for (std::size_t bucket = 0; bucket < duration_buckets; ++bucket) {
        leave[activity][bucket] += other.leave[activity][bucket];
        come_back[activity][bucket] += other.come_back[activity][bucket];
      }
    }
    for (std::size_t distance = 0; distance < distance_buckets; ++distance) {
      for (std::size_t observed = 0; observed < observation_buckets; ++observed) {
        first_prompt[distance][observed] += other.first_prompt[distance][observed];
      }
      first_decoded[distance] += other.first_decoded[distance];
    }
    return *this;
  }
};

/// What surrounds those that leave, come back, and come for the first time.
struct LayerSurroundings {
  SurroundingsTally leave;
  SurroundingsTally come_back;
  SurroundingsTally first;
};

/// Entries exchanged in one layer's step: those that left, and how many the tables let expect to leave and to enter.
struct Exchange {
  double expected_leavers = 0;
  double expected_entrants = 0;
  double leavers = 0;
  double variance = 0;  ///< of leavers, by chance
};

/// Walks over one request, and keeps the states of all its entries.
class RequestWalk {
 public:
  RequestWalk(const TraceReader& trace, std::uint32_t request)
      : header_(trace.header()),
        request_(header_.requests[request]),
        prompt_entries_(request_.prompt_tokens / header_.unit_tokens),
        steps_(trace.extent(request).steps),
        cursor_(trace, request, 0, steps_),
        layers_(trace.layer_count()) {
    // An entry that is still being filled has a state, but is not among the context that is measured.
    const std::uint64_t most = selectable_entries(header_, request_, steps_ == 0 ? 0 : steps_ - 1);
    states_.assign(layers_, std::vector<EntryState>(most));
    selected_of_page_.assign(layers_, std::vector<std::uint8_t>(most / page_entries + 1));
    selected_.assign(most, 0);
    peer_.assign(most, 0);
  }

  /// Calls visit(step, layer, context, peer bits, selected bits, states) for each selection, then moves the states on.
  template <class Visit>
  void run(Visit&& visit) {
    for (std::uint64_t step = 0; cursor_.next(); ++step) {
      const std::uint64_t context = context_entries(header_, request_, step);
      std::ranges::fill(peer_, 0);
      for (std::uint32_t layer = 0; layer < layers_; ++layer) {
        std::ranges::fill(selected_, 0);
        const SelectionView selection = cursor_.selection(layer);
        std::for_each(selection.ids, selection.ids + selection.size, [this](EntryId id) { selected_[value(id)] = 1; });
        visit(step, layer, context, *this);
        move_on(step, layer);
        std::swap(selected_, peer_);
      }
    }
  }

  std::uint64_t prompt_entries() const noexcept { return prompt_entries_; }
  std::uint64_t steps() const noexcept { return steps_; }
  const EntryState& state(std::uint32_t layer, std::uint64_t id) const noexcept { return states_[layer][id]; }
  bool selected(std::uint64_t id) const noexcept { return selected_[id] != 0; }
  bool selected_by_peer(std::uint64_t id) const noexcept { return peer_[id] != 0; }
  /// What surrounds an entry whose activity class is known.
  SurroundingsTally::Spot spot(std::uint32_t layer, std::uint64_t id, std::uint64_t context,
                               std::size_t activity) const noexcept {
    const std::uint32_t others =
        selected_of_page_[layer][id / page_entries] - (states_[layer][id].selected() ? 1U : 0U);
    return {.activity = activity, .peer = peer_[id], .place = place_of(id, context - id), .crowd = crowd_of(others)};
  }

 private:
  void move_on(std::uint64_t step, std::uint32_t layer) {
    std::vector<EntryState>& states = states_[layer];
    for (std::size_t id = 0; id < states.size(); ++id) {
      if (states[id].selected() != (selected_[id] != 0)) {
        if (selected_[id] != 0) {
          states[id].enter(step, id >= prompt_entries_);
          ++selected_of_page_[layer][id / page_entries];
        } else {
          states[id].leave(step);
          --selected_of_page_[layer][id / page_entries];
        }
      }
    }
  }

  const TraceHeader& header_;
  const RequestInfo& request_;
  std::uint64_t prompt_entries_;
  std::uint64_t steps_;
  RequestCursor cursor_;
  std::uint32_t layers_;
  std::vector<std::vector<EntryState>> states_;
  std::vector<std::vector<std::uint8_t>> selected_of_page_;  ///< by layer and page: entries, at the step before
  std::vector<std::uint8_t> selected_;
  std::vector<std::uint8_t> peer_;
};

void count(const RequestWalk& walk, std::uint64_t step, std::uint32_t layer, std::uint64_t context,
           LayerTallies& tallies) {
  std::uint64_t last_page = max_entry_ids;
  for (std::uint64_t id = 0; id < context; ++id) {
    const EntryState& state = walk.state(layer, id);
    const bool selected = walk.selected(id);
    if (selected) {
      tallies.ids += 1;
      tallies.shares.place[place_of(id, context - id)] += 1;
      if (step > 0) {
        tallies.exchangeable += 1;
        tallies.shares.exchanged += static_cast<double>(!walk.state(layer, id).selected());
      }
      tallies.shares.with_peer += static_cast<double>(walk.selected_by_peer(id));
      tallies.shares.pages += static_cast<double>(id / page_entries != std::exchange(last_page, id / page_entries));
    }
    if (!state.touched()) {
      Tally& tally = id < walk.prompt_entries()
                         ? tallies.first_prompt[distance_bucket(walk.prompt_entries() - id)][observation_bucket(step)]
                         : tallies.first_decoded[distance_bucket(context - id)];
      tally.count(selected);
    } else if (state.selected()) {
      tallies.leave[state.activity_class()][duration_bucket(step - state.since())].count(!selected);
    } else {
      tallies.come_back[state.activity_class()][duration_bucket(step - state.since())].count(selected);
    }
  }
}

/// With the tables known: what surroundings change, and how much each step exchanges.
Exchange compare(const RequestWalk& walk, std::uint64_t step, std::uint32_t layer, std::uint64_t context,
                 const LayerStatistics& statistics, LayerSurroundings& tallies) {
  Exchange exchange;
  for (std::uint64_t id = 0; id < context; ++id) {
    const EntryState& state = walk.state(layer, id);
    const bool selected = walk.selected(id);
    if (!state.touched()) {
      const double expected_first =
          id < walk.prompt_entries()
              ? statistics.first_prompt[distance_bucket(walk.prompt_entries() - id)][observation_bucket(step)]
              : statistics.first_decoded[distance_bucket(context - id)];
      tallies.first.count(walk.spot(layer, id, context, step == 0 ? 0 : 1), expected_first, selected);
      exchange.expected_entrants += expected_first;
      continue;
    }
    const std::size_t activity = state.activity_class();
    const std::size_t bucket = duration_bucket(step - state.since());
    const SurroundingsTally::Spot spot = walk.spot(layer, id, context, activity);
    if (state.selected()) {
      const double expected_leave = statistics.leave[activity][bucket];
      tallies.leave.count(spot, expected_leave, !selected);
      exchange.expected_leavers += expected_leave;
      exchange.variance += expected_leave * (1 - expected_leave);
      exchange.leavers += static_cast<double>(!selected);
    } else {
      const double expected_back = statistics.come_back[activity][bucket];
      tallies.come_back.count(spot, expected_back, selected);
      exchange.expected_entrants += expected_back;
    }
  }
  return exchange;
}

/// A ratio of tallies; with few of them it leans on what all layers together have.
double probability(const Tally& tally, const Tally& pooled) {
  constexpr double weight_of_pool = 4;
  const double pool = pooled.seen > 0 ? pooled.happened / pooled.seen : 0;
  return (tally.happened + weight_of_pool * pool) / (tally.seen + weight_of_pool);
}

/// Buckets that no entry has reached are taken for the last one that was reached.
template <std::size_t N>
void extend(std::array<double, N>& probabilities, const std::array<Tally, N>& pooled) {
  std::size_t known = 0;
  for (std::size_t bucket = 0; bucket < N; ++bucket) {
    if (pooled[bucket].seen > 0) {
      known = bucket;
    } else if (bucket > 0) {
      probabilities[bucket] = probabilities[known];
    }
  }
}

LayerStatistics statistics_of(const LayerTallies& own, const LayerTallies& pooled) {
  LayerStatistics statistics;
  for (std::size_t activity = 0; activity < activity_classes; ++activity) {
    for (std::size_t bucket = 0; bucket < duration_buckets; ++bucket) {
      statistics.leave[activity][bucket] = probability(own.leave[activity][bucket], pooled.leave[activity][bucket]);
      statistics.come_back[activity][bucket] =
          probability(own.come_back[activity][bucket], pooled.come_back[activity][bucket]);
    }
    extend(statistics.leave[activity], pooled.leave[activity]);
    extend(statistics.come_back[activity], pooled.come_back[activity]);
  }
  for (std::size_t distance = 0; distance < distance_buckets; ++distance) {
    for (std::size_t observed = 0; observed < observation_buckets; ++observed) {
      statistics.first_prompt[distance][observed] =
          probability(own.first_prompt[distance][observed], pooled.first_prompt[distance][observed]);
    }
    extend(statistics.first_prompt[distance], pooled.first_prompt[distance]);
    statistics.first_decoded[distance] = probability(own.first_decoded[distance], pooled.first_decoded[distance]);
  }
  return statistics;
}

SelectionShares shares_of(const LayerTallies& tallies) {
  SelectionShares shares = tallies.shares;
  const double ids = std::max(tallies.ids, 1.0);
  std::ranges::for_each(shares.place, [ids](double& place) { place /= ids; });
  shares.with_peer /= ids;
  shares.pages /= ids;
  shares.exchanged /= std::max(tallies.exchangeable, 1.0);
  return shares;
}

std::vector<LayerStatistics> statistics_of(const std::vector<LayerTallies>& tallies) {
  LayerTallies pooled;
  for (const LayerTallies& layer : tallies) {
    pooled += layer;
  }
  std::vector<LayerStatistics> statistics;
  statistics.reserve(tallies.size());
  for (const LayerTallies& layer : tallies) {
    statistics.push_back(statistics_of(layer, pooled));
    statistics.back().shares = shares_of(layer);
  }
  return statistics;
}

/// Factors of [step * layers + layer]. What chance alone makes of a step is taken out: the generator adds it again.
std::vector<double> churn_of(const std::vector<Exchange>& exchanges, std::size_t layers) {
  std::vector<double> churn(exchanges.size(), 1);
  for (std::size_t layer = 0; layer < layers; ++layer) {
    double spread = 0;
    double chance = 0;
    for (std::size_t at = layer; at < exchanges.size(); at += layers) {
      const Exchange& step = exchanges[at];
      if (const double expected = std::sqrt(step.expected_leavers * step.expected_entrants); expected > 0) {
        churn[at] = step.leavers / expected;
        spread += (churn[at] - 1) * (churn[at] - 1);
        chance += step.variance / (expected * expected);
      }
    }
    const double kept = spread > chance ? std::sqrt((spread - chance) / spread) : 0;
    for (std::size_t at = layer; at < exchanges.size(); at += layers) {
      churn[at] = 1 + kept * (churn[at] - 1);
    }
  }
  return churn;
}

/// How unsettled each step of a request was, over all layers.
std::vector<double> step_churn(std::span<const Exchange> exchanges, std::size_t layers) {
  std::vector<double> churn;
  for (std::size_t first = 0; first < exchanges.size(); first += layers) {
    double leavers = 0;
    double expected = 0;
    for (const Exchange& exchange : exchanges.subspan(first, layers)) {
      leavers += exchange.leavers;
      expected += std::sqrt(exchange.expected_leavers * exchange.expected_entrants);
    }
    churn.push_back(expected > 0 ? leavers / expected : 1);
  }
  return churn;
}

/// Of the steps that both have.
double correlation(std::span<const double> a, std::span<const double> b) {
  const std::size_t steps = std::min(a.size(), b.size());
  const auto mean = [steps](std::span<const double> of) {
    return std::accumulate(of.begin(), of.begin() + static_cast<std::ptrdiff_t>(steps), 0.0) /
           static_cast<double>(std::max<std::size_t>(steps, 1));
  };
  const double mean_a = mean(a);
  const double mean_b = mean(b);
  double both = 0;
  double square_a = 0;
  double square_b = 0;
  for (std::size_t step = 0; step < steps; ++step) {
    both += (a[step] - mean_a) * (b[step] - mean_b);
    square_a += (a[step] - mean_a) * (a[step] - mean_a);
    square_b += (b[step] - mean_b) * (b[step] - mean_b);
  }
  const double scale = std::sqrt(square_a * square_b);
  return scale > 0 ? both / scale : 0;
}

/// The mean correlation of two requests' churn; 0 for a single one, and where requests are unsettled at different
/// times.
double common_churn_of(const std::vector<std::vector<double>>& churn) {
  double sum = 0;
  double pairs = 0;
  for (std::size_t a = 0; a < churn.size(); ++a) {
    for (std::size_t b = a + 1; b < churn.size(); ++b) {
      sum += correlation(churn[a], churn[b]);
      pairs += 1;
    }
  }
  return pairs > 0 ? std::max(sum / pairs, 0.0) : 0;
}

}  // namespace

SelectionModel measure(const TraceReader& trace,
                       const std::function<void(std::uint64_t steps_done, std::uint64_t steps_total)>& progress) {
  const TraceHeader& header = trace.header();
  trace.require_single_queries("`like`");
  trace.require_equal_stores("`like`");
  if (header.ids != IdKind::logical) {
    throw TraceError(trace.name(), "has physical ids, expected positions: what is near the query cannot be measured");
  }
  SelectionModel model;
  model.top_k = trace.longest_selection();
  model.prompt_tokens = header.requests[0].prompt_tokens;
  model.steps = trace.longest_request_steps();
  model.requests = trace.request_count();
  model.unit_tokens = header.unit_tokens;
  model.entry_bytes = header.entry_bytes;
  model.model = header.model;
  model.layers = header.layers;

  std::uint64_t done = 0;
  const std::uint64_t total = 2 * model.steps * model.requests;
  const auto advance = [&](std::uint32_t layer) {
    if (layer == 0 && progress) {
      progress(++done, total);
    }
  };
  std::vector<LayerTallies> tallies(header.layers.size());
  for (std::uint32_t request = 0; request < model.requests; ++request) {
    RequestWalk(trace, request).run([&](auto step, auto layer, auto context, const RequestWalk& walk) {
      advance(layer);
      count(walk, step, layer, context, tallies[layer]);
    });
  }
  model.statistics = statistics_of(tallies);
  std::vector<LayerSurroundings> surroundings(header.layers.size());
  std::vector<Exchange> exchanges;
  std::vector<std::vector<double>> churn;  // by request
  for (std::uint32_t request = 0; request < model.requests; ++request) {
    const std::size_t first = exchanges.size();
    RequestWalk(trace, request).run([&](auto step, auto layer, auto context, const RequestWalk& walk) {
      advance(layer);
      const Exchange exchange = compare(walk, step, layer, context, model.statistics[layer], surroundings[layer]);
      if (step > 0) {
        exchanges.push_back(exchange);
      }
    });
    churn.push_back(step_churn(std::span(exchanges).subspan(first), header.layers.size()));
  }
  for (std::size_t layer = 0; layer < surroundings.size(); ++layer) {
    model.statistics[layer].leave_by = surroundings[layer].leave.fit();
    model.statistics[layer].come_back_by = surroundings[layer].come_back.fit();
    model.statistics[layer].first_by = surroundings[layer].first.fit();
  }
  model.settling_steps = settling_steps;
  model.common_churn = common_churn_of(churn);
  model.churn = churn_of(exchanges, header.layers.size());
  return model;
}

}  // namespace dsasim
