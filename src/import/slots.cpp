#include "slots.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dsasim {
namespace {

std::span<const std::int64_t> without_padding(std::span<const std::int64_t> row) noexcept {
  while (!row.empty() && row.back() < 0) {
    row = row.first(row.size() - 1);
  }
  return row;
}

bool any_lists_everything(std::span<const std::int64_t> ids, std::uint32_t top_k, std::uint64_t context) noexcept {
  for (std::size_t begin = 0; begin < ids.size(); begin += top_k) {
    if (without_padding(ids.subspan(begin, top_k)).size() == context) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::optional<std::size_t> find_slot(std::span<const std::int64_t> ids, std::uint64_t context) noexcept {
  std::int64_t largest = -1;
  for (const std::int64_t id : ids) {
    largest = std::max(largest, id);  // no exit, so that it vectorises
  }
  const auto limit = static_cast<std::int64_t>(context);
  if (largest < limit) {
    return std::nullopt;
  }
  const auto found = std::find_if(ids.begin(), ids.end(), [limit](std::int64_t id) { return id >= limit; });
  return static_cast<std::size_t>(found - ids.begin());
}

void SlotWitnesses::add(std::span<const std::int64_t> ids, std::uint32_t top_k, std::uint64_t context) noexcept {
  const auto limit = static_cast<std::int64_t>(context);
  for (std::size_t begin = 0; begin < ids.size() && !has_enough(); begin += top_k) {
    std::int64_t largest = -1;
    std::uint64_t beyond = 0;
    for (const std::int64_t id : ids.subspan(begin, top_k)) {
      largest = std::max(largest, id);
      least_id_ = id < 0 ? least_id_ : std::min(least_id_, id);
      beyond += id >= limit ? 1U : 0U;
    }
    selections_ += largest < 0 ? 0U : 1U;
    if (beyond == 0) {
      continue;
    }
    ++witnesses_;
    ids_beyond_ += beyond;
    const std::int64_t distance = largest - limit + 1;
    at_farthest_ = distance > farthest_ ? 0 : at_farthest_;
    farthest_ = std::max(farthest_, distance);
    at_farthest_ += distance == farthest_ ? 1U : 0U;
  }
}

bool SlotWitnesses::prove_slots() const noexcept {
  const bool many = ids_beyond_ >= 2 && witnesses_ * 2 >= selections_;
  const bool are_late_positions = witnesses_ >= 2 && at_farthest_ * 2 > witnesses_ && least_id_ < farthest_;
  return many && !are_late_positions;
}

bool SlotPages::learn(std::span<const std::int64_t> ids, std::uint32_t top_k, std::uint64_t context) {
  if (is_known_.empty() && !any_lists_everything(ids, top_k, context)) {
    reason_ = fmt::format("no selection of its first step lists all {} entries", context);
    return false;
  }
  while (is_known_.size() * page_ < context) {
    unknown_.insert(unknown_.end(), is_known_.size());
    is_known_.push_back(false);
  }
  for (const bool everything : {true, false}) {
    for (std::size_t begin = 0; begin < ids.size(); begin += top_k) {
      const std::span<const std::int64_t> row = without_padding(ids.subspan(begin, top_k));
      if (everything && row.size() == context && !learn_everything(row)) {
        return false;
      }
      if (!everything && row.size() != context && !learn_some(row, context)) {
        return false;
      }
    }
  }
  return true;
}

bool SlotPages::learn_everything(std::span<const std::int64_t> row) {
  for (std::size_t position = 0; position < row.size(); ++position) {
    const auto slot = static_cast<std::uint64_t>(row[position]);
    const std::size_t offset = position % page_;
    if (row[position] < 0 || slot % page_ != offset ||
        (offset > 0 && slot != static_cast<std::uint64_t>(row[position - 1]) + 1)) {
      reason_ = fmt::format("a selection of all {} entries has slot {} at place {}, which does not fit pages of {}",
                            row.size(), row[position], position, page_);
      return false;
    }
    if (offset == 0 && !learn_page(slot / page_, position / page_)) {
      return false;
    }
  }
  return true;
}

bool SlotPages::learn_some(std::span<const std::int64_t> row, std::uint64_t context) {
  for (const std::int64_t slot : row) {
    if (slot < 0) {
      continue;  // refused when it is written
    }
    const auto known = position_page_of_.find(static_cast<std::uint64_t>(slot) / page_);
    if (known != position_page_of_.end()) {
      if (known->second * page_ + static_cast<std::uint64_t>(slot) % page_ >= context) {
        reason_ = fmt::format("slot {} would hold a position beyond the context of {} entries", slot, context);
        return false;
      }
      continue;
    }
    const std::optional<std::uint64_t> page = only_page_for(slot, context);
    if (!page || !learn_page(static_cast<std::uint64_t>(slot) / page_, *page)) {
      return false;
    }
  }
  return true;
}

/// Only the newest page can be too short for the slot's place in its page.
std::optional<std::uint64_t> SlotPages::only_page_for(std::int64_t slot, std::uint64_t context) {
  std::size_t possible = unknown_.size();
  if (possible > 0 && *unknown_.rbegin() * page_ + static_cast<std::uint64_t>(slot) % page_ >= context) {
    --possible;
  }
  if (possible != 1) {
    reason_ = fmt::format("slot {} could hold a position of {} pages of {}, in a context of {} entries", slot, possible,
                          page_, context);
    return std::nullopt;
  }
  return *unknown_.begin();
}

bool SlotPages::learn_page(std::uint64_t slot_page, std::uint64_t position_page) {
  const auto [known, is_new] = position_page_of_.try_emplace(slot_page, position_page);
  if (is_new && !is_known_[position_page]) {
    is_known_[position_page] = true;
    unknown_.erase(position_page);
    return true;
  }
  if (is_new || known->second != position_page) {
    reason_ = fmt::format("the {} slots from {} on would hold two pages of positions, or a page lie in two places",
                          page_, slot_page * page_);
    return false;
  }
  return true;
}

std::optional<std::int64_t> SlotPages::position(std::int64_t slot) const {
  const auto known = position_page_of_.find(static_cast<std::uint64_t>(slot) / page_);
  if (known == position_page_of_.end()) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(known->second * page_ + static_cast<std::uint64_t>(slot) % page_);
}

}  // namespace dsasim
