#pragma once

#include "dsasim/replay/replay.hpp"
#include "dsasim/zeroed_array.hpp"
#include "trace/selection_block.hpp"

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

/// The selections of a step of a stream, one for each of its queries.
struct SelectionRows {
  const trace::SelectionBlock* lane;
  std::uint64_t first;
  std::uint32_t count;

  SelectionView operator[](std::uint32_t query) const noexcept { return (*lane)[first + query]; }
};

/// Where the rows of a request's steps begin in a block of them, and where the last end; nothing where each step has
/// one row. Steps are of the batch.
inline std::vector<std::uint32_t> first_rows(const TraceReader& trace, std::uint32_t request, StepRange steps) {
  std::vector<std::uint32_t> rows;
  if (trace.header().has_queries) {
    const std::uint64_t start = trace.header().requests[request].start_step;
    const std::uint64_t first = trace.queries(request, steps.first - start).first_row;
    for (std::uint64_t step = steps.first; step <= steps.last; ++step) {
      rows.push_back(static_cast<std::uint32_t>(trace.queries(request, step - start).first_row - first));
    }
  }
  return rows;
}

/// The rows of a lane at a step, counted from the block's first.
inline SelectionRows rows_at(const trace::SelectionBlock& lane, const std::vector<std::uint32_t>& first_rows,
                             std::uint64_t step) {
  if (first_rows.empty()) {
    return {.lane = &lane, .first = step, .count = 1};
  }
  return {.lane = &lane, .first = first_rows[step], .count = first_rows[step + 1] - first_rows[step]};
}

/// Ids [first, last) of a stream, of entries that are gone after a step.
struct ForgottenIds {
  std::uint32_t first = 0;
  std::uint32_t last = 0;

  bool empty() const noexcept { return first >= last; }
};

/// Those of the queries that the step rejects, below `id_limit`.
inline ForgottenIds forgotten_ids(const DecodeStep& step, std::uint32_t unit_tokens, std::uint64_t id_limit) noexcept {
  if (step.accepted == step.queries) {
    return {};
  }
  const std::uint64_t first = begun_entries(step.context_tokens + step.accepted, unit_tokens);
  const std::uint64_t last = begun_entries(step.context_tokens + step.queries, unit_tokens);
  return {.first = static_cast<std::uint32_t>(std::min(first, id_limit)),
          .last = static_cast<std::uint32_t>(std::min(last, id_limit))};
}

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
  AccessOrder(const TraceReader& trace, const ReplayConfig& config)
      : config_(config),
        keeps_fitting_context_(keeps_fitting_context(config)),
        unites_steps_(policy_needs(config.policy).whole_selection && trace.header().has_queries),
        selected_in_(unites_steps_ ? trace.id_limit() : 0) {}

  /// Of a layer whose ids stand for so many tokens, at a step, of a cache of this capacity; none at 0. With several
  /// queries, as the last of them finds it.
  EntriesApart apart(const DecodeStep& step, std::uint32_t unit_tokens, std::uint64_t capacity_entries) const noexcept {
    const std::uint64_t tokens = step.context_tokens + step.queries;
    const std::uint64_t context = tokens / unit_tokens;
    if (context == 0 || capacity_entries == 0) {
      return {};
    }
    const auto end = static_cast<std::uint32_t>(begun_entries(tokens, unit_tokens));
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
    const bool appended = context > step.context_tokens / unit_tokens;
    if (config_.new_token == NewToken::allocate && appended) {
      return {.allocated = EntryId{last}};
    }
    return {};
  }

  /// True if a cache of this capacity sees the queries of a step together: united().
  bool unites_steps(std::uint64_t capacity_entries) const noexcept { return unites_steps_ && capacity_entries > 0; }

  /// What the queries of a step access together, each entry once, in the order of their first accesses; valid until the
  /// next call.
  std::span<const EntryId> united(const SelectionRows& rows, const EntriesApart& apart) {
    if (++union_ == 0) {
      std::fill(selected_in_.begin(), selected_in_.end(), 0);
      union_ = 1;
    }
    united_.clear();
    for (std::uint32_t query = 0; query < rows.count; ++query) {
      for (const EntryId id : accesses(rows[query], apart)) {
        if (selected_in_[value(id)] != union_) {
          selected_in_[value(id)] = union_;
          united_.push_back(id);
        }
      }
    }
    return united_;
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

  const ReplayConfig& config_;
  bool keeps_fitting_context_;
  bool unites_steps_;
  ZeroedArray<std::uint32_t> selected_in_;  ///< by id: the number of the last union that has it
  std::uint32_t union_ = 0;
  std::vector<EntryId> united_;
  std::vector<EntryId> scratch_;
  std::vector<std::pair<EntryId, std::uint16_t>> scored_;
  std::vector<std::uint16_t> scores_;
  std::vector<std::uint64_t> words_;
};

}  // namespace dsasim
