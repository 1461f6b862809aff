#include "generate/stream.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace dsasim::synthesis {
namespace {

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

double in_cell(const HistoryTable& table, std::size_t cell) noexcept {
  return table[cell / duration_buckets][cell % duration_buckets];
}

}  // namespace

Stream::Stream(const LayerStatistics& statistics, const StreamSetup& setup, Draws draws)
    : statistics_(statistics),
      setup_(setup),
      balance_(statistics.shares),
      leave_by_(statistics.leave_by, balance_, Weights::Event::leave),
      come_back_by_(statistics.come_back_by, balance_, Weights::Event::enter),
      first_by_(statistics.first_by, balance_, Weights::Event::enter),
      draws_(draws),
      context_(setup.prompt_entries),
      states_(setup.most_entries),
      selected_of_page_(setup.most_entries / page_entries + 1),
      selected_(setup.most_entries) {
  selection_.reserve(setup.top_k);
  count_untouched_prompt();
}

std::span<const EntryId> Stream::next(std::uint64_t context, double churn, const Peer& peer) {
  if (statistics_.anew) {
    context_ = context;
    draw_anew();
    return selection_;
  }
  grow_context(context);
  departed_.begin_step(step_, states_);
  const Expected leaving = sort_selection(peer);
  find_candidates(peer);
  const Expected returning = weigh_departed();
  const Expected first = weigh_untouched();
  leavers_.clear();
  if (leaving.by_weights > 0) {
    // As many leave as enter. Where the two expectations differ, the exchange is their geometric mean.
    const double wanted_leavers =
        churn * balance_.exchange() * std::sqrt(leaving.by_tables * (returning.by_tables + first.by_tables));
    draw_leavers(leave_steering_.value() * wanted_leavers / leaving.by_weights);
    leave_steering_.steer(wanted_leavers, static_cast<double>(leavers_.size()));
  }
  const auto size = std::min<std::size_t>(setup_.top_k, context);
  make_room_for_local(size);
  const std::size_t wanted = size - selection_.size();
  entrants_.clear();
  take_forced(wanted);
  draw_entrants(wanted, returning.by_weights + first.by_weights, peer);
  fill(wanted);
  drop(wanted);
  exchange();
  selected_.list(size, selection_);
  if (balance_.active()) {
    adjust_balance(peer, churn);
  }
  ++step_;
  return selection_;
}

void Stream::draw_anew() {
  for (const EntryId id : selection_) {
    selected_.remove(value(id));
  }
  const auto size = std::min<std::size_t>(setup_.top_k, context_);
  entrants_.clear();
  take_forced(size);
  const double probability = static_cast<double>(size) / static_cast<double>(context_);
  visit_some(draws_, context_, probability, [this](std::uint64_t at) {
    if (const auto id = static_cast<std::uint32_t>(at); !selected_.has(id)) {
      take(id);
    }
  });
  fill(size);
  drop(size);
  selected_.list(size, selection_);
}

std::span<const EntryId> Stream::restart() {
  states_.assign(states_.size(), {});
  departed_ = {};
  untouched_prompt_ = {};
  untouched_decoded_ = {};
  count_untouched_prompt();
  const std::uint64_t context = std::exchange(context_, setup_.prompt_entries);
  grow_context(context);
  step_ = 0;
  entrants_.clear();
  for (const EntryId id : selection_) {
    enter(value(id));
  }
  step_ = 1;
  return selection_;
}

void Stream::count_untouched_prompt() {
  for_each_distance(0, setup_.prompt_entries, [this](std::size_t bucket, std::uint64_t first, std::uint64_t last) {
    untouched_prompt_[bucket] = last - first;
  });
}

/// Entries of decoded tokens get farther from the query; those that cross a bucket's end are counted in the next.
void Stream::grow_context(std::uint64_t context) {
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

/// Finds the cells of all that is selected, and the weights.
Stream::Expected Stream::sort_selection(const Peer& peer) {
  const bool flat = leave_by_.flat();
  std::array<std::uint32_t, 2 * cells> counts{};
  std::array<double, 2 * cells> weights{};
  std::array<double, 2 * cells> limits{};
  for (std::size_t doubled = 0; doubled < 2 * cells && !flat; ++doubled) {
    const std::size_t cell = doubled / 2;
    limits[doubled] = Level::limit(in_cell(statistics_.leave, cell) * leave_level_[cell].value() *
                                   leave_by_.peer(cell / duration_buckets)[doubled % 2]);
  }
  selection_cells_.resize(selection_.size());
  selection_weights_.resize(flat ? 0 : selection_.size());
  for (std::size_t at = 0; at < selection_.size(); ++at) {
    const std::uint32_t id = value(selection_[at]);
    const std::size_t cell = cell_of(states_[id], step_);
    const std::size_t doubled = 2 * cell + peer.has(id);
    ++counts[doubled];
    selection_cells_[at] = static_cast<std::uint16_t>(doubled);
    if (!flat) {
      selection_weights_[at] = leave_by_.at(cell / duration_buckets, place(id), others_of_page(id, 1));
      weights[doubled] += std::min(selection_weights_[at], limits[doubled]);
    }
  }
  Expected expected;
  for (std::size_t cell = 0; cell < cells; ++cell) {
    const PeerRatio& ratio = leave_by_.peer(cell / duration_buckets);
    const double count = static_cast<double>(counts[2 * cell]) + counts[2 * cell + 1];
    const double weight = flat ? counts[2 * cell] * ratio[0] + counts[2 * cell + 1] * ratio[1]
                               : weights[2 * cell] * ratio[0] + weights[2 * cell + 1] * ratio[1];
    leave_level_[cell].add(count, weight);
    expected.by_tables += in_cell(statistics_.leave, cell) * count;
    expected.by_weights += in_cell(statistics_.leave, cell) * weight * leave_level_[cell].value();
  }
  return expected;
}

/// Takes the leavers out of selection_. Without a branch on who leaves: it would be mispredicted for one in three.
void Stream::draw_leavers(double factor) {
  std::array<double, 2 * cells> probabilities{};
  std::array<std::uint32_t, 2 * cells> thresholds{};
  for (std::size_t cell = 0; cell < cells; ++cell) {
    const PeerRatio& ratio = leave_by_.peer(cell / duration_buckets);
    for (std::size_t with = 0; with < 2; ++with) {
      probabilities[2 * cell + with] =
          in_cell(statistics_.leave, cell) * factor * leave_level_[cell].value() * ratio[with];
      thresholds[2 * cell + with] = threshold(probabilities[2 * cell + with]);
    }
  }
  leavers_.resize(selection_.size());
  std::size_t kept = 0;
  std::size_t left = 0;
  const auto draw = [&](auto limit_at) {
    for (std::size_t at = 0; at < selection_.size(); ++at) {
      const std::uint32_t id = value(selection_[at]);
      const bool leaves = static_cast<bool>(static_cast<unsigned>(draws_.bits32() < limit_at(at)) &
                                            static_cast<unsigned>(!is_forced(id)));
      selection_[kept] = selection_[at];
      leavers_[left] = id;
      kept += static_cast<std::size_t>(!leaves);
      left += static_cast<std::size_t>(leaves);
    }
  };
  if (leave_by_.flat()) {
    draw([&](std::size_t at) { return thresholds[selection_cells_[at]]; });
  } else {
    draw([&](std::size_t at) { return threshold(probabilities[selection_cells_[at]] * selection_weights_[at]); });
  }
  selection_.resize(kept);
  leavers_.resize(left);
  for (const std::uint32_t id : leavers_) {
    selected_.remove(id);
  }
}

/// A new local entry comes in even if no other has left.
void Stream::make_room_for_local(std::size_t size) {
  std::size_t missing = 0;
  for (std::uint64_t id = context_ - std::min<std::uint64_t>(setup_.local, context_); id < context_; ++id) {
    missing += static_cast<std::size_t>(!selected_.has(static_cast<std::uint32_t>(id)));
  }
  while (selection_.size() + missing > size) {
    EntryId& chosen = selection_[draws_.below(static_cast<std::uint32_t>(selection_.size()))];
    if (is_forced(value(chosen))) {
      continue;
    }
    selected_.remove(value(chosen));
    leavers_.push_back(value(chosen));
    std::swap(chosen, selection_.back());
    selection_.pop_back();
  }
}

/// Of a context of few entries, the first steps may not have had all sinks.
void Stream::take_forced(std::size_t wanted) {
  take_forced_between(0, std::min<std::uint64_t>(setup_.sinks, context_), wanted);
  take_forced_between(context_ - std::min<std::uint64_t>(setup_.local, context_), context_, wanted);
}

void Stream::take_forced_between(std::uint64_t first, std::uint64_t last, std::size_t wanted) {
  for (auto id = static_cast<std::uint32_t>(first); id < last && entrants_.size() < wanted; ++id) {
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

/// Lists what the peer selected and this layer did not.
void Stream::find_candidates(const Peer& peer) {
  found_.resize(peer.ids.size());
  std::size_t found = 0;
  for (const EntryId id : peer.ids) {
    found_[found] = value(id);
    found += static_cast<std::size_t>(!selected_.has(value(id)));
  }
  // Without a branch on which of the two it is: each is written to both.
  returning_candidates_.resize(found);
  first_candidates_.resize(found);
  std::size_t returning = 0;
  std::size_t first = 0;
  for (std::size_t at = 0; at < found; ++at) {
    returning_candidates_[returning].id = found_[at];
    first_candidates_[first].id = found_[at];
    const bool touched = states_[found_[at]].touched();
    returning += static_cast<std::size_t>(touched);
    first += static_cast<std::size_t>(!touched);
  }
  returning_candidates_.resize(returning);
  first_candidates_.resize(first);
}

/// Of those that may come back.
Stream::Expected Stream::weigh_departed() {
  std::array<double, cells> counts{};
  std::array<double, cells> weights{};
  for (Candidate& candidate : returning_candidates_) {
    const std::size_t cell = cell_of(states_[candidate.id], step_);
    candidate.cell = static_cast<std::uint32_t>(cell);
    const double peer = come_back_by_.peer(cell / duration_buckets)[1];
    if (!come_back_by_.flat()) {
      candidate.weight =
          come_back_by_.at(cell / duration_buckets, place(candidate.id), others_of_page(candidate.id, 0));
    }
    counts[cell] += 1;
    weights[cell] += std::min(candidate.weight * peer,
                              Level::limit(in_cell(statistics_.come_back, cell) * come_back_level_[cell].value()));
  }
  Expected expected;
  for (std::size_t cell = cell_of(first_run_classes, 0); cell < cells; ++cell) {
    const auto out = static_cast<double>(departed_.count(cell));
    weights[cell] +=
        (out - counts[cell]) * come_back_by_.peer(cell / duration_buckets)[0] / met_departed_[cell].value();
    come_back_level_[cell].add(out, weights[cell]);
    expected.by_tables += in_cell(statistics_.come_back, cell) * out;
    expected.by_weights += in_cell(statistics_.come_back, cell) * weights[cell] * come_back_level_[cell].value();
  }
  return expected;
}

/// Of those that were never selected. They count by their probabilities.
Stream::Expected Stream::weigh_untouched() {
  const double all = expected_firsts();
  double candidates = 0;
  double weights = 0;
  for (Candidate& candidate : first_candidates_) {
    candidate.weight = first_weight(candidate.id);
    const double probability = first_probability(candidate.id);
    candidates += probability;
    weights += std::min(probability * candidate.weight * first_by_.peer(first_class())[1], 1 / first_level_.value());
  }
  weights += std::max(all - candidates, 0.0) * first_by_.peer(first_class())[0] / met_first_.value();
  first_level_.add(all, weights);
  return {.by_tables = all, .by_weights = weights * first_level_.value()};
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
  return setup_.popular_page[id / page_entries] ? setup_.popular_share / popular_part
                                                : (1 - setup_.popular_share) / (1 - popular_part);
}

double Stream::first_weight(std::uint32_t id) const noexcept {
  const double popularity = popularity_factor(id);
  return first_by_.flat() ? popularity : popularity * first_by_.at(first_class(), place(id), others_of_page(id, 0));
}

void Stream::draw_from_peer(double factor) {
  std::array<double, cells> probabilities{};
  for (std::size_t cell = 0; cell < cells; ++cell) {
    probabilities[cell] = in_cell(statistics_.come_back, cell) * factor * come_back_level_[cell].value() *
                          come_back_by_.peer(cell / duration_buckets)[1];
  }
  for (const Candidate& candidate : returning_candidates_) {
    if (draws_.bits32() < threshold(probabilities[candidate.cell] * candidate.weight) && !selected_.has(candidate.id)) {
      take(candidate.id);
    }
  }
  const double first = factor * first_level_.value() * first_by_.peer(first_class())[1];
  for (const Candidate& candidate : first_candidates_) {
    if (draws_.bits32() < threshold(first * first_probability(candidate.id) * candidate.weight) &&
        !selected_.has(candidate.id)) {
      take(candidate.id);
    }
  }
}

void Stream::draw_departed(double factor, const Peer& peer) {
  const bool flat = come_back_by_.flat();
  for (std::size_t cell = cell_of(first_run_classes, 0); cell < cells; ++cell) {
    const std::span<const Departed::Entry> entries = departed_.entries(cell);
    const std::size_t activity = cell / duration_buckets;
    const double probability = in_cell(statistics_.come_back, cell) * factor * come_back_level_[cell].value() *
                               come_back_by_.peer(activity)[0];
    const double most = flat ? 1 : come_back_by_.most_between(activity, 0, place_of(context_, context_));
    const double visited = std::min(probability * most, 1.0);
    if (flat) {
      take_some(entries, probability, peer);
      continue;
    }
    double met = 0;
    double weights = 0;
    visit_some(draws_, entries.size(), visited, [&](std::uint64_t at) {
      const Departed::Entry& entry = entries[at];
      if (!may_return(entry, peer)) {
        return;
      }
      const double weight =
          std::min(come_back_by_.at(activity, place(entry.id), others_of_page(entry.id, 0)), Level::limit(probability));
      met += 1;
      weights += weight;
      if (draws_.unit() * visited < probability * weight) {
        take(entry.id);
      }
    });
    met_departed_[cell].add(met, weights);
  }
}

/// Takes each with the same probability. Without a branch on whether it can be taken: two in three cannot.
void Stream::take_some(std::span<const Departed::Entry> entries, double probability, const Peer& peer) {
  std::size_t taken = entrants_.size();
  const std::size_t before = taken;
  entrants_.resize(taken + entries.size() + 1);
  visit_some(draws_, entries.size(), probability, [&](std::uint64_t at) {
    entrants_[taken] = entries[at].id;
    taken += static_cast<std::size_t>(may_return(entries[at], peer));
  });
  entrants_.resize(taken);
  for (std::size_t at = before; at < taken; ++at) {
    selected_.add(entrants_[at]);
  }
}

void Stream::draw_first(double factor, const Peer& peer) {
  met_first_entries_ = 0;
  met_first_sum_ = 0;
  const double scale = factor * first_level_.value() * first_by_.peer(first_class())[0];
  const std::size_t observed = observation_bucket(step_);
  for_each_distance(0, setup_.prompt_entries, [&](std::size_t bucket, std::uint64_t first, std::uint64_t last) {
    draw_first_between(first, last, statistics_.first_prompt[bucket][observed] * scale, peer);
  });
  for_each_distance(setup_.prompt_entries, context_, [&](std::size_t bucket, std::uint64_t first, std::uint64_t last) {
    draw_first_between(first, last, statistics_.first_decoded[bucket] * scale, peer);
  });
  met_first_.add(met_first_entries_, met_first_sum_);
}

void Stream::draw_first_between(std::uint64_t first, std::uint64_t last, double probability, const Peer& peer) {
  const double popularity = setup_.popular_page.empty() ? 1 : std::max(setup_.popular_share / popular_part, 1.0);
  double most = popularity;
  if (!first_by_.flat()) {
    const auto farthest = static_cast<std::uint32_t>(std::max<std::uint64_t>(first, first_place_entries));
    const std::size_t nearest = place_of(last - 1, context_ - (last - 1));
    // Positions at the very start have places of their own.
    const bool at_start = first < first_place_entries;
    most *= first_by_.most_between(first_class(), at_start ? 0 : nearest, at_start ? place_count - 1 : place(farthest));
  }
  const bool weighs = !first_by_.flat() || !setup_.popular_page.empty();
  const double visited = std::min(probability * most, 1.0);
  visit_some(draws_, last - first, visited, [&](std::uint64_t at) {
    const auto id = static_cast<std::uint32_t>(first + at);
    if (states_[id].touched() || selected_.has(id) || peer.has(id) != 0) {
      return;
    }
    if (weighs) {
      const double weight = std::min(first_weight(id), Level::limit(probability));
      met_first_entries_ += probability / visited;
      met_first_sum_ += weight * probability / visited;
      if (draws_.unit() * visited >= probability * weight) {
        return;
      }
    }
    take(id);
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
    if (is_forced(chosen)) {
      continue;
    }
    std::swap(chosen, entrants_.back());
    selected_.remove(entrants_.back());
    entrants_.pop_back();
  }
}

/// Notes who left and who entered.
void Stream::exchange() {
  for (const std::uint32_t id : leavers_) {
    EntryState& state = states_[id];
    state.leave(step_);
    departed_.add(id, state);
    pages_touched_ -= static_cast<std::uint32_t>(--selected_of_page_[id / page_entries] == 0);
  }
  for (const std::uint32_t id : entrants_) {
    enter(id);
    pages_touched_ += static_cast<std::uint32_t>(++selected_of_page_[id / page_entries] == 1);
  }
}

void Stream::adjust_balance(const Peer& peer, double churn) {
  Balance::Seen seen;
  seen.pages = pages_touched_;
  seen.exchanged = leavers_.size();
  for (const EntryId id : selection_) {
    ++seen.place[place(value(id))];
    seen.with_peer += static_cast<std::uint32_t>(peer.has(value(id)));
  }
  balance_.adjust(seen, static_cast<double>(selection_.size()), churn);
  leave_by_.update(balance_);
  come_back_by_.update(balance_);
  first_by_.update(balance_);
}

void Stream::enter(std::uint32_t id) {
  EntryState& state = states_[id];
  if (state.touched()) {
    departed_.remove(state, step_);
  } else if (id < setup_.prompt_entries) {
    --untouched_prompt_[distance_bucket(setup_.prompt_entries - id)];
  } else {
    --untouched_decoded_[distance_bucket(context_ - id)];
  }
  state.enter(step_, id >= setup_.prompt_entries);
}

}  // namespace dsasim::synthesis
