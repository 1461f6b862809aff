// Counts, for every entry of every stream at every step, what it did in the state it was in.

#include "dsasim/generate/measure.hpp"

#include "dsasim/error.hpp"

#include "generate/entry_state.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace dsasim {
namespace {

using synthesis::EntryState;

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

/// What happened to entries without and with the peer, and what the tables, which do not know of it, let expect.
struct PeerTally {
  std::array<double, 2> expected{};
  std::array<double, 2> seen{};

  void count(std::size_t peer, double probability, bool happens) noexcept {
    expected[peer] += probability;
    seen[peer] += static_cast<double>(happens);
  }
  PeerRatio ratio() const noexcept {
    return {expected[0] > 0 ? seen[0] / expected[0] : 1, expected[1] > 0 ? seen[1] / expected[1] : 1};
  }
};

struct LayerPeerTallies {
  PeerTally leave;
  PeerTally come_back;
  PeerTally first;
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
    const std::uint64_t most = context_entries(header_, request_, steps_ == 0 ? 0 : steps_ - 1);
    states_.assign(layers_, std::vector<EntryState>(most));
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
        move_on(step, states_[layer]);
        std::swap(selected_, peer_);
      }
    }
  }

  std::uint64_t prompt_entries() const noexcept { return prompt_entries_; }
  std::uint64_t steps() const noexcept { return steps_; }
  const EntryState& state(std::uint32_t layer, std::uint64_t id) const noexcept { return states_[layer][id]; }
  bool selected(std::uint64_t id) const noexcept { return selected_[id] != 0; }
  std::size_t peer(std::uint64_t id) const noexcept { return peer_[id]; }

 private:
  void move_on(std::uint64_t step, std::vector<EntryState>& states) {
    for (std::size_t id = 0; id < states.size(); ++id) {
      if (states[id].selected() != (selected_[id] != 0)) {
        if (selected_[id] != 0) {
          states[id].enter(step);
        } else {
          states[id].leave(step);
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
  std::vector<std::uint8_t> selected_;
  std::vector<std::uint8_t> peer_;
};

void count(const RequestWalk& walk, std::uint64_t step, std::uint32_t layer, std::uint64_t context,
           LayerTallies& tallies) {
  for (std::uint64_t id = 0; id < context; ++id) {
    const EntryState& state = walk.state(layer, id);
    const bool selected = walk.selected(id);
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

/// With the tables known: what the peer changes, and how much each step exchanges.
Exchange compare(const RequestWalk& walk, std::uint64_t step, std::uint32_t layer, std::uint64_t context,
                 const LayerStatistics& statistics, LayerPeerTallies& tallies) {
  Exchange exchange;
  for (std::uint64_t id = 0; id < context; ++id) {
    const EntryState& state = walk.state(layer, id);
    const bool selected = walk.selected(id);
    const std::size_t peer = walk.peer(id);
    if (!state.touched()) {
      const double first =
          id < walk.prompt_entries()
              ? statistics.first_prompt[distance_bucket(walk.prompt_entries() - id)][observation_bucket(step)]
              : statistics.first_decoded[distance_bucket(context - id)];
      tallies.first.count(peer, first, selected);
      exchange.expected_entrants += first;
    } else if (state.selected()) {
      const double leave = statistics.leave[state.activity_class()][duration_bucket(step - state.since())];
      tallies.leave.count(peer, leave, !selected);
      exchange.expected_leavers += leave;
      exchange.variance += leave * (1 - leave);
      exchange.leavers += static_cast<double>(!selected);
    } else {
      const double back = statistics.come_back[state.activity_class()][duration_bucket(step - state.since())];
      tallies.come_back.count(peer, back, selected);
      exchange.expected_entrants += back;
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

std::vector<LayerStatistics> statistics_of(const std::vector<LayerTallies>& tallies) {
  LayerTallies pooled;
  for (const LayerTallies& layer : tallies) {
    pooled += layer;
  }
  std::vector<LayerStatistics> statistics;
  statistics.reserve(tallies.size());
  for (const LayerTallies& layer : tallies) {
    statistics.push_back(statistics_of(layer, pooled));
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

}  // namespace

SelectionModel measure(const TraceReader& trace,
                       const std::function<void(std::uint64_t steps_done, std::uint64_t steps_total)>& progress) {
  const TraceHeader& header = trace.header();
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
  std::vector<LayerPeerTallies> peers(header.layers.size());
  std::vector<Exchange> exchanges;
  for (std::uint32_t request = 0; request < model.requests; ++request) {
    RequestWalk(trace, request).run([&](auto step, auto layer, auto context, const RequestWalk& walk) {
      advance(layer);
      const Exchange exchange = compare(walk, step, layer, context, model.statistics[layer], peers[layer]);
      if (step > 0) {
        exchanges.push_back(exchange);
      }
    });
  }
  for (std::size_t layer = 1; layer < peers.size(); ++layer) {
    model.statistics[layer].peer_leave = peers[layer].leave.ratio();
    model.statistics[layer].peer_come_back = peers[layer].come_back.ratio();
    model.statistics[layer].peer_first = peers[layer].first.ratio();
  }
  model.churn = churn_of(exchanges, header.layers.size());
  return model;
}

}  // namespace dsasim
