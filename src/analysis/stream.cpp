#include "analysis/stream.hpp"

#include <algorithm>

namespace dsasim {

void Stream::begin(const StreamShape& shape, std::uint32_t depth) {
  step_ = 0;
  for (EntrySet& set : sets_) {
    set.reset(shape.id_limit);
  }
  since_.reset(shape.id_limit);
  history_.reset(depth);
  started_.reserve(shape.longest_selection);
  ended_.reserve(shape.longest_selection);
}

std::uint64_t Stream::state_bytes(const StreamShape& shape, std::uint32_t depth) noexcept {
  return 2 * EntrySet::bytes(shape.id_limit) + shape.id_limit * sizeof(std::uint32_t) +
         std::uint64_t{depth} * shape.longest_selection * sizeof(EntryId);
}

Observation Stream::observe(std::span<const EntryId> ids, std::uint64_t query_token,
                            std::span<const EntryId> layer_before) {
  const auto before = step_ == 0 ? std::span<const EntryId>() : history_.ids(1);
  std::swap(sets_[0], sets_[1]);  // now sets_[1] is the step before
  sets_[0].insert(ids);
  find_started(ids);
  find_ended(before);
  sets_[1].clear(before);
  return {.step = step_,
          .query_token = query_token,
          .ids = ids,
          .started = started_,
          .ended = ended_,
          .layer_before = layer_before,
          .set = sets_.data(),
          .history = &history_};
}

/// Without a branch on the answer, which would be mispredicted for one id in three: every id is written, and those that
/// were there before are written over.
void Stream::find_started(std::span<const EntryId> ids) {
  started_.resize(ids.size());
  std::size_t found = 0;
  for (const EntryId id : ids) {
    started_[found].id = id;
    found += 1 - sets_[1].has(id);
  }
  started_.resize(found);
  for (Started& entry : started_) {
    std::uint32_t& since = since_[value(entry.id)];
    entry.age = since == 0 ? Started::never : step_ + 1 - since;
    since = step_ + 1;
  }
}

void Stream::find_ended(std::span<const EntryId> before) {
  ended_.resize(before.size());
  std::size_t found = 0;
  for (const EntryId id : before) {
    ended_[found].id = id;
    found += 1 - sets_[0].has(id);
  }
  ended_.resize(found);
  for (Ended& entry : ended_) {
    std::uint32_t& since = since_[value(entry.id)];
    entry.length = step_ + 1 - since;
    since = step_;  // the step before, plus one
  }
}

void Stream::advance(std::span<const EntryId> ids) {
  history_.push(ids);
  ++step_;
}

std::span<const Ended> Stream::open_runs() {
  ended_.clear();
  if (step_ > 0) {
    for (const EntryId id : history_.ids(1)) {
      ended_.push_back({.id = id, .length = step_ + 1 - since_[value(id)]});
    }
  }
  return ended_;
}

}  // namespace dsasim
