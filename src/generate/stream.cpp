#include "generate/stream.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace dsasim::synthesis {
namespace {

constexpr double popular_pages = 0.125;  // share of the pages
constexpr std::uint32_t page_entries = 16;

/// Calls visit(bucket, first, last) for each bucket of distances from `end`: its entries are first .. last - 1, all of
/// them not below `begin`.
template <class Visit>
void for_each_distance(std::uint64_t begin, std::uint64_t end, Visit&& visit) {
  std::uint64_t last = end;
  for (std::size_t bucket = 0; last > begin; ++bucket) {
    const std::uint64_t first = end - std::min(std::uint64_t{1} << bucket, end - begin);
    visit(bucket, first, last);
    last = first;
  }
}

}  // namespace

void IdSet::list(std::size_t count, std::vector<EntryId>& ids) const {
  ids.resize(count);
  std::size_t at = 0;
  for (std::size_t word = 0; at < count; ++word) {
    for (std::uint64_t left = words_[word]; left != 0; left &= left - 1) {
      ids[at++] = EntryId{static_cast<std::uint32_t>(word * 64) + static_cast<std::uint32_t>(std::countr_zero(left))};
    }
  }
}

Stream::Stream(const LayerStatistics& statistics, const StreamSetup& setup, Draws draws)
    : statistics_(statistics),
      setup_(setup),
      draws_(draws),
      states_(setup.most_entries),
      selected_(setup.most_entries) {
  selection_.reserve(setup.top_k);
  for_each_distance(0, setup.prompt_entries, [this](std::size_t bucket, std::uint64_t first, std::uint64_t last) {
    untouched_prompt_[bucket] = last - first;
  });
}

PeerRatio Stream::Share::factors(const PeerRatio& ratio) const noexcept {
  if (without + with == 0) {
    return ratio;
  }
  const double mean = (without * ratio[0] + with * ratio[1]) / (without + with);
  return {ratio[0] / mean, ratio[1] / mean};
}

std::span<const EntryId> Stream::next(std::uint64_t context, double churn, const Peer& peer) {
  grow_context(context);
  age_departed();
  const double expected_leavers = sort_selection(peer);
  find_candidates(peer);
  const double expected = expected_entrants();
  if (expected_leavers > 0) {
    // As many leave as enter. Where the two expectations differ, the exchange is their geometric mean.
    draw_leavers(churn * std::sqrt(expected / expected_leavers));
  }
  const auto size = std::min<std::size_t>(setup_.top_k, context);
  const std::size_t wanted = size - selection_.size();
  entrants_.clear();
  take_sinks(wanted);
  draw_entrants(wanted, expected, peer);
  fill(wanted);
  drop(wanted);
  enter_all();
  selected_.list(size, selection_);
  ++step_;
  return selection_;
}

/// Entries of decoded tokens get farther from the query; those that cross a bucket's end are counted in the next.
void Stream::grow_context(std::uint64_t context) {
  if (step_ == 0) {
    context_ = setup_.prompt_entries;
  }
  while (context_ < context) {
    ++context_;
    ++untouched_decoded_[0];
    for (std::size_t bucket = 0; (std::uint64_t{1} << bucket) < context_ - setup_.prompt_entries; ++bucket) {
      if (!states_[context_ - 1 - (std::uint64_t{1} << bucket)].touched()) {
        --untouched_decoded_[bucket];
        ++untouched_decoded_[bucket + 1];
      }
    }
  }
}

/// Moves those whose gap has grown into the next bucket, and forgets those that are back.
void Stream::age_departed() {
  for (std::size_t cell = 0; cell < cells; ++cell) {
    Queue& queue = departed_[cell];
    const std::size_t bucket = cell % duration_buckets;
    if (bucket == duration_buckets - 1) {
      if (queue.items.size() > states_.size()) {
        std::erase_if(queue.items, [this](const Departed& departed) { return !still_out(departed); });
      }
      continue;
    }
    while (queue.head < queue.items.size() && duration_bucket(step_ - queue.items[queue.head].since) > bucket) {
      if (const Departed& departed = queue.items[queue.head++]; still_out(departed)) {
        departed_[cell + 1].items.push_back(departed);
        ++departed_[cell + 1].still_out;
        --queue.still_out;
      }
    }
    if (queue.head > queue.items.size() / 2) {
      queue.items.erase(queue.items.begin(), queue.items.begin() + static_cast<std::ptrdiff_t>(queue.head));
      queue.head = 0;
    }
  }
}

/// Finds the cells of all that is selected. How many of them can be expected to leave.
double Stream::sort_selection(const Peer& peer) {
  std::array<std::uint32_t, 2 * cells> counts{};
  selection_cells_.resize(selection_.size());
  std::ranges::transform(selection_, selection_cells_.begin(), [&](EntryId id) {
    const std::size_t doubled = 2 * cell_of(states_[value(id)]) + peer.has(value(id));
    ++counts[doubled];
    return static_cast<std::uint16_t>(doubled);
  });
  double expected = 0;
  for (std::size_t cell = 0; cell < cells; ++cell) {
    leave_shares_[cell].add(counts[2 * cell], counts[2 * cell + 1]);
    expected +=
        statistics_.leave[cell / duration_buckets][cell % duration_buckets] * (counts[2 * cell] + counts[2 * cell + 1]);
  }
  return expected;
}

/// Takes the leavers out of selection_.
void Stream::draw_leavers(double factor) {
  std::array<std::uint32_t, 2 * cells> thresholds{};
  for (std::size_t cell = 0; cell < cells; ++cell) {
    const double leave = statistics_.leave[cell / duration_buckets][cell % duration_buckets] * factor;
    const PeerRatio factors = leave_shares_[cell].factors(statistics_.peer_leave);
    thresholds[2 * cell] = threshold(leave * factors[0]);
    thresholds[2 * cell + 1] = threshold(leave * factors[1]);
  }
  std::size_t kept = 0;
  for (std::size_t at = 0; at < selection_.size(); ++at) {
    if (draws_.bits32() >= thresholds[selection_cells_[at]] || value(selection_[at]) < setup_.sinks) {
      selection_[kept++] = selection_[at];
      continue;
    }
    const std::uint32_t id = value(selection_[at]);
    EntryState& state = states_[id];
    state.leave(step_);
    selected_.remove(id);
    Queue& queue = departed_[cell_of(state.activity_class(), 0)];
    queue.items.push_back({.id = id, .since = static_cast<std::uint32_t>(step_)});
    ++queue.still_out;
  }
  selection_.resize(kept);
}

/// Of a context of few entries, the first steps may not have had them all.
void Stream::take_sinks(std::size_t wanted) {
  for (std::uint32_t id = 0; id < std::min<std::uint64_t>(setup_.sinks, context_) && entrants_.size() < wanted; ++id) {
    if (!selected_.has(id)) {
      take(id);
    }
  }
}

double Stream::expected_firsts() const noexcept {
  const std::size_t observed = observation_bucket(step_);
  double expected = 0;
  for (std::size_t bucket = 0; bucket < distance_buckets; ++bucket) {
    expected += statistics_.first_prompt[bucket][observed] * static_cast<double>(untouched_prompt_[bucket]) +
                statistics_.first_decoded[bucket] * static_cast<double>(untouched_decoded_[bucket]);
  }
  return expected;
}

double Stream::expected_entrants() const noexcept {
  double expected = expected_firsts();
  for (std::size_t cell = 0; cell < cells; ++cell) {
    expected += statistics_.come_back[cell / duration_buckets][cell % duration_buckets] *
                static_cast<double>(departed_[cell].still_out);
  }
  return expected;
}

/// Lists what the peer selected and this layer did not, and counts it.
void Stream::find_candidates(const Peer& peer) {
  candidates_.clear();
  std::array<std::uint32_t, cells + 1> counts{};
  for (const EntryId entry : peer.ids) {
    const std::uint32_t id = value(entry);
    const EntryState& state = states_[id];
    if (!state.selected()) {
      const std::size_t cell = state.touched() ? cell_of(state) : cells;
      ++counts[cell];
      candidates_.push_back({.id = id, .cell = static_cast<std::uint32_t>(cell)});
    }
  }
  for (std::size_t cell = 0; cell <= cells; ++cell) {
    const std::uint64_t all = cell < cells ? departed_[cell].still_out : context_ - touched_;
    enter_shares_[cell].add(static_cast<double>(all - counts[cell]), counts[cell]);
  }
}

/// Draws at least `wanted` entrants, if there are as many that can come.
void Stream::draw_entrants(std::size_t wanted, double expected, const Peer& peer) {
  // A little more than needed, then the excess goes again at random: that is cheaper than drawing until it fits.
  constexpr double margin = 1.1;
  double factor = expected > 0 ? (margin * static_cast<double>(wanted) + 4) / expected : 1;
  double drawn_factor = 0;
  constexpr int most_rounds = 6;
  for (int round = 0; round < most_rounds && entrants_.size() < wanted; ++round) {
    draw_from_peer(factor);
    draw_departed(factor, peer);
    draw_first(factor, peer);
    drawn_factor += factor;
    const double missing = static_cast<double>(wanted) - static_cast<double>(entrants_.size());
    factor = std::max(drawn_factor * (margin * missing + 4) / (static_cast<double>(entrants_.size()) + 1),
                      drawn_factor / 16);
  }
}

void Stream::take(std::uint32_t id) {
  selected_.add(id);
  entrants_.push_back(id);
}

double Stream::first_probability(std::uint32_t id) const noexcept {
  return id < setup_.prompt_entries
             ? statistics_.first_prompt[distance_bucket(setup_.prompt_entries - id)][observation_bucket(step_)]
             : statistics_.first_decoded[distance_bucket(context_ - id)];
}

double Stream::popularity_factor(std::uint32_t id) const noexcept {
  if (setup_.popular_page.empty()) {
    return 1;
  }
  return setup_.popular_page[id / page_entries] ? setup_.popular_share / popular_pages
                                                : (1 - setup_.popular_share) / (1 - popular_pages);
}

void Stream::draw_from_peer(double factor) {
  std::array<double, cells + 1> probabilities{};
  for (std::size_t cell = 0; cell < cells; ++cell) {
    probabilities[cell] = statistics_.come_back[cell / duration_buckets][cell % duration_buckets] * factor *
                          enter_shares_[cell].factors(statistics_.peer_come_back)[1];
  }
  probabilities[cells] = factor * enter_shares_[cells].factors(statistics_.peer_first)[1];
  for (const Candidate& candidate : candidates_) {
    double probability = probabilities[candidate.cell];
    if (candidate.cell == cells) {
      probability *= first_probability(candidate.id) * popularity_factor(candidate.id);
    }
    if (draws_.bits32() < threshold(probability) && !selected_.has(candidate.id)) {
      take(candidate.id);
    }
  }
}

void Stream::draw_departed(double factor, const Peer& peer) {
  for (std::size_t cell = 0; cell < cells; ++cell) {
    const Queue& queue = departed_[cell];
    const double probability = statistics_.come_back[cell / duration_buckets][cell % duration_buckets] * factor *
                               enter_shares_[cell].factors(statistics_.peer_come_back)[0];
    // Those of this very step stand at the end of the first queue.
    std::size_t count = queue.items.size() - queue.head;
    while (cell % duration_buckets == 0 && count > 0 && queue.items[queue.head + count - 1].since == step_) {
      --count;
    }
    visit_some(draws_, count, probability, [&](std::uint64_t at) {
      const Departed& departed = queue.items[queue.head + at];
      if (still_out(departed) && !selected_.has(departed.id) && peer.has(departed.id) == 0) {
        take(departed.id);
      }
    });
  }
}

void Stream::draw_first(double factor, const Peer& peer) {
  const double scale = factor * enter_shares_[cells].factors(statistics_.peer_first)[0];
  const std::size_t observed = observation_bucket(step_);
  for_each_distance(0, setup_.prompt_entries, [&](std::size_t bucket, std::uint64_t first, std::uint64_t last) {
    draw_first_between(first, last, statistics_.first_prompt[bucket][observed] * scale, peer);
  });
  for_each_distance(setup_.prompt_entries, context_, [&](std::size_t bucket, std::uint64_t first, std::uint64_t last) {
    draw_first_between(first, last, statistics_.first_decoded[bucket] * scale, peer);
  });
}

void Stream::draw_first_between(std::uint64_t first, std::uint64_t last, double probability, const Peer& peer) {
  const double most = setup_.popular_page.empty() ? 1 : std::max(setup_.popular_share / popular_pages, 1.0);
  visit_some(draws_, last - first, probability * most, [&](std::uint64_t at) {
    const auto id = static_cast<std::uint32_t>(first + at);
    if (!states_[id].touched() && !selected_.has(id) && peer.has(id) == 0 &&
        (setup_.popular_page.empty() || draws_.unit() * most < popularity_factor(id))) {
      take(id);
    }
  });
}

/// Where the statistics have no more candidates, any entry will do.
void Stream::fill(std::size_t wanted) {
  while (entrants_.size() < wanted) {
    auto id = draws_.below(static_cast<std::uint32_t>(context_));
    while (selected_.has(id)) {
      id = id + 1 < context_ ? id + 1 : 0;
    }
    take(id);
  }
}

void Stream::drop(std::size_t wanted) {
  while (entrants_.size() > wanted) {
    std::uint32_t& chosen = entrants_[draws_.below(static_cast<std::uint32_t>(entrants_.size()))];
    if (chosen < setup_.sinks) {
      continue;
    }
    std::swap(chosen, entrants_.back());
    selected_.remove(entrants_.back());
    entrants_.pop_back();
  }
}

void Stream::enter_all() {
  for (const std::uint32_t id : entrants_) {
    EntryState& state = states_[id];
    if (state.touched()) {
      --departed_[cell_of(state)].still_out;
    } else if (id < setup_.prompt_entries) {
      ++touched_;
      --untouched_prompt_[distance_bucket(setup_.prompt_entries - id)];
    } else {
      ++touched_;
      --untouched_decoded_[distance_bucket(context_ - id)];
    }
    state.enter(step_);
  }
}

}  // namespace dsasim::synthesis
