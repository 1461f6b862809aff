#pragma once

#include "dsasim/replay/replay.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace dsasim {

/// Entries of a stream that do not come to its cache as accesses, at one step.
struct EntriesApart {
  std::optional<EntryId> allocated = std::nullopt;  ///< put into the cache before the accesses
  std::uint32_t resident_from = none_resident;      ///< it and those after it are hits that the cache does not see
  std::uint32_t resident_end = 0;                   ///< no id is as large

  static constexpr std::uint32_t none_resident = std::numeric_limits<std::uint32_t>::max();
};

/// True if a context that fits the buffer lives in it, position p in slot p: nothing misses, and the order of
/// replacement is not touched. So it is in SGLang, whose newest entry has a slot of its own besides.
inline bool keeps_fitting_context(const ReplayConfig& config) {
  return config.scope == Scope::stream && config.new_token == NewToken::pinned &&
         policy_needs(config.policy).keeps_fitting_context;
}

/// What a cache sees of a selection: its ids in the configured order, without those that are resident elsewhere. One
/// place, because Belady's look into the future must number exactly the accesses that the replay makes.
class AccessOrder {
 public:
  AccessOrder(const TraceHeader& header, const ReplayConfig& config)
      : header_(header), config_(config), keeps_fitting_context_(keeps_fitting_context(config)) {}

  /// At the request's step (counted from its own first), of a cache of this capacity; none at 0.
  EntriesApart apart(std::uint32_t request, std::uint64_t step, std::uint64_t capacity_entries) const noexcept {
    const RequestInfo& info = header_.requests[request];
    const std::uint64_t context = context_entries(header_, info, step);
    if (context == 0 || capacity_entries == 0) {
      return {};
    }
    const auto end = static_cast<std::uint32_t>(selectable_entries(header_, info, step));
    const auto last = static_cast<std::uint32_t>(context - 1);
    if (config_.resident_blocks > 0) {
      const std::uint32_t newest = last / resident_block_entries;
      const std::uint32_t first = newest - std::min(newest, config_.resident_blocks - 1);
      return {.resident_from = first * resident_block_entries, .resident_end = end};
    }
    if (config_.new_token == NewToken::pinned) {
      return {.resident_from = keeps_fitting_context_ && context <= capacity_entries ? 0 : last, .resident_end = end};
    }
    // With units of 4 tokens, an entry is appended at every fourth step.
    const bool appended = context > (info.prompt_tokens + step) / header_.unit_tokens;
    if (config_.new_token == NewToken::allocate && appended) {
      return {.allocated = EntryId{last}};
    }
    return {};
  }

  /// The accesses to the cache; valid until the next call and as long as the selection.
  std::span<const EntryId> accesses(const SelectionView& selection, const EntriesApart& apart) {
    const std::span<const EntryId> logged{selection.ids, selection.size};
    if (selection.ascending) {  // residents come last
      const auto first_resident = std::lower_bound(logged.begin(), logged.end(), EntryId{apart.resident_from});
      return logged.first(static_cast<std::size_t>(first_resident - logged.begin()));
    }
    const bool sort = config_.order == Order::ascending;
    const auto is_resident = [&](EntryId id) { return value(id) >= apart.resident_from; };
    const bool drop =
        apart.resident_from != EntriesApart::none_resident && std::any_of(logged.begin(), logged.end(), is_resident);
    if (!sort && !drop) {
      return logged;
    }
    scratch_.assign(logged.begin(), logged.end());
    if (drop) {
      std::erase_if(scratch_, is_resident);
    }
    if (sort) {
      std::sort(scratch_.begin(), scratch_.end());
    }
    return scratch_;
  }

  /// The scores of the accesses, of a trace that has scores; valid until the next call.
  std::span<const std::uint16_t> scores(const SelectionView& selection, const EntriesApart& apart) {
    scored_.clear();
    for (std::uint32_t i = 0; i < selection.size; ++i) {
      if (value(selection.ids[i]) < apart.resident_from) {
        scored_.emplace_back(selection.ids[i], selection.scores[i]);
      }
    }
    if (config_.order == Order::ascending) {
      std::sort(scored_.begin(), scored_.end());
    }
    scores_.clear();
    for (const auto& [id, score] : scored_) {
      scores_.push_back(score);
    }
    return scores_;
  }

  /// The accesses for a cache that takes sets; valid until the next call and as long as the selection.
  SelectionView set(const SelectionView& selection, const EntriesApart& apart) {
    SelectionView view = selection;
    const std::uint32_t dropped = residents(selection, apart);
    if (dropped > 0) {
      words_.assign(selection.words, selection.words + selection.word_count);
      std::fill(words_.begin() + apart.resident_from / 64 + 1, words_.end(), 0);
      words_[apart.resident_from / 64] &= below(apart.resident_from);
      view.words = words_.data();
      view.size -= dropped;
    }
    if (config_.order == Order::ascending) {
      view.ascending = true;
    } else if (dropped > 0 && !selection.ascending) {
      view.ids = accesses(selection, apart).data();
    }
    return view;
  }

 private:
  /// Of a word of 64 ids, the bits of those before `id`.
  static std::uint64_t below(std::uint32_t id) noexcept { return (std::uint64_t{1} << (id % 64)) - 1; }

  /// How many of the selected are resident outside the cache.
  static std::uint32_t residents(const SelectionView& selection, const EntriesApart& apart) noexcept {
    std::uint32_t count = 0;
    const std::uint32_t first = apart.resident_from / 64;
    const std::uint32_t last = std::min((apart.resident_end + 63) / 64, selection.word_count);
    for (std::uint32_t word = first; word < last; ++word) {
      const std::uint64_t kept = word == first ? below(apart.resident_from) : 0;
      count += static_cast<std::uint32_t>(std::popcount(selection.words[word] & ~kept));
    }
    return count;
  }

  const TraceHeader& header_;
  const ReplayConfig& config_;
  bool keeps_fitting_context_;
  std::vector<EntryId> scratch_;
  std::vector<std::pair<EntryId, std::uint16_t>> scored_;
  std::vector<std::uint16_t> scores_;
  std::vector<std::uint64_t> words_;
};

}  // namespace dsasim
