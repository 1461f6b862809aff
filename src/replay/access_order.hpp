#pragma once

#include "dsasim/replay/replay.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

namespace dsasim {

/// What a cache sees of a selection: its ids in the configured order, without the pinned one. One place, because
/// Belady's look into the future must number exactly the accesses that the replay makes.
class AccessOrder {
 public:
  AccessOrder(const TraceHeader& header, const ReplayConfig& config) : header_(header), config_(config) {}

  /// The entry that the request's step (counted from its own first) appends, if the configuration treats it apart and
  /// one is appended: with units of 4 tokens, every fourth step.
  std::optional<EntryId> new_entry(std::uint32_t request, std::uint64_t step) const noexcept {
    const RequestInfo& info = header_.requests[request];
    const std::uint64_t context = context_entries(header_, info, step);
    const bool appended = context > (info.prompt_tokens + step) / header_.unit_tokens;
    if (config_.new_token == NewToken::demand || !appended) {
      return std::nullopt;
    }
    return EntryId{static_cast<std::uint32_t>(context - 1)};
  }

  /// True if new entries are put into the cache before the step's accesses.
  bool inserts() const noexcept { return config_.new_token == NewToken::allocate; }

  /// The accesses to the cache; valid until the next call and as long as the selection. `new_entry` is as above.
  std::span<const EntryId> accesses(const SelectionView& selection, std::optional<EntryId> new_entry) {
    const std::span<const EntryId> logged{selection.ids, selection.size};
    const bool sort = config_.order == Order::ascending && !std::is_sorted(logged.begin(), logged.end());
    const bool drop = config_.new_token == NewToken::pinned && new_entry &&
                      std::find(logged.begin(), logged.end(), *new_entry) != logged.end();
    if (!sort && !drop) {
      return logged;
    }
    scratch_.assign(logged.begin(), logged.end());
    if (drop) {
      std::erase(scratch_, *new_entry);
    }
    if (sort) {
      std::sort(scratch_.begin(), scratch_.end());
    }
    return scratch_;
  }

  /// The same for a cache that takes sets; valid until the next call and as long as the selection.
  SelectionView set(const SelectionView& selection, std::optional<EntryId> new_entry) {
    SelectionView view = selection;
    const bool drop = config_.new_token == NewToken::pinned && new_entry && selects(selection, *new_entry);
    if (drop) {
      words_.assign(selection.words, selection.words + selection.word_count);
      words_[value(*new_entry) / 64] &= ~(std::uint64_t{1} << (value(*new_entry) % 64));
      view.words = words_.data();
      --view.size;
    }
    if (config_.order == Order::ascending) {
      view.ascending = true;
    } else if (drop && !selection.ascending) {
      view.ids = accesses(selection, new_entry).data();
    }
    return view;
  }

 private:
  static bool selects(const SelectionView& selection, EntryId entry) noexcept {
    return value(entry) / 64 < selection.word_count &&
           (selection.words[value(entry) / 64] >> (value(entry) % 64) & 1U) != 0;
  }

  const TraceHeader& header_;
  const ReplayConfig& config_;
  std::vector<EntryId> scratch_;
  std::vector<std::uint64_t> words_;
};

}  // namespace dsasim
