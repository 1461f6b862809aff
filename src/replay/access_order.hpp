#pragma once

#include "dsasim/replay/replay.hpp"
#include "dsasim/zeroed_array.hpp"
#include "replay/cache_unit.hpp"
#include "replay/first_sight.hpp"
#include "trace/selection_block.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
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

/// Ids [first, last) of a stream.
struct IdRange {
  std::uint32_t first = 0;
  std::uint32_t last = 0;

  bool empty() const noexcept { return first >= last; }
  std::uint32_t size() const noexcept { return empty() ? 0 : last - first; }
};

/// Of the entries that are gone after a step: those of the queries that it rejects, below `id_limit`.
inline IdRange forgotten_ids(const DecodeStep& step, std::uint32_t unit_tokens, std::uint64_t id_limit) noexcept {
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
  IdRange inserted = {};                        ///< put into the cache before the accesses, in order
  std::uint32_t resident_below = 0;             ///< those before it are hits that the cache does not see
  std::uint32_t resident_from = none_resident;  ///< likewise it and those after it
  std::uint32_t resident_end = 0;               ///< no id is as large
  CacheUnit unit = {};                          ///< that the cache holds; `inserted` are units
  std::uint64_t tokens_end = 0;                 ///< no token that the step's queries see is as large

  bool any_resident() const noexcept { return resident_from != none_resident || resident_below != 0; }
  bool is_resident(EntryId id) const noexcept { return value(id) >= resident_from || value(id) < resident_below; }

  static constexpr std::uint32_t none_resident = std::numeric_limits<std::uint32_t>::max();
};

/// True if a context that fits the buffer lives in it, position p in slot p: nothing misses, and the order of
/// replacement is not touched. So it is in SGLang, whose newest entry has a slot of its own besides.
inline bool keeps_fitting_context(const ReplayConfig& config) {
  return config.scope == Scope::stream && config.new_token == NewToken::pinned &&
         policy_needs(config.policy).keeps_fitting_context;
}

/// Of so many newest entries of a context, the first.
inline std::uint32_t first_of_newest(std::uint32_t count, std::uint64_t context_tokens, std::uint32_t unit) noexcept {
  const std::uint64_t entries = begun_entries(context_tokens, unit);
  return static_cast<std::uint32_t>(entries - std::min<std::uint64_t>(entries, count));
}

/// The entries of a stream that a step pins, and those that its pins let go before its accesses.
class PinWindow {
 public:
  PinWindow(const TraceReader& trace, const ReplayConfig& config) : trace_(trace), config_(config) {
    std::vector<bool> is_read(trace.layer_count());  // by layer: the store that it owns
    reads_first_.reserve(is_read.size());
    for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
      const std::uint32_t owner = trace.header().store(layer).kv_owner;
      reads_first_.push_back(!is_read[owner]);
      is_read[owner] = true;
    }
  }

  /// Adds what is pinned at a step of the batch at which the request decodes, `now` of its own.
  void add_to(EntriesApart& apart, const DecodeStep& now, std::uint32_t layer, std::uint32_t request,
              std::uint64_t step) const {
    const Pins& pins = config_.pins;
    apart.resident_below = pins.sink_entries;
    if (pins.recent_entries == 0) {
      return;
    }
    const std::uint32_t unit = trace_.header().unit_of(layer);
    const std::uint64_t own = step - trace_.header().requests[request].start_step;
    apart.resident_from = first_recent(now, unit);
    apart.resident_end = static_cast<std::uint32_t>(begun_entries(now.context_tokens + now.queries, unit));
    if (!reads_first_[layer]) {
      return;  // the store's entries were moved for the layer before
    }
    const bool begins = own == 0 || (config_.steps && step == config_.steps->first);
    const std::uint32_t before = begins ? first_of_newest(config_.pins.recent_entries, now.context_tokens, unit)
                                        : first_recent(trace_.queries(request, own - 1), unit);
    apart.inserted = {.first = std::max(before, pins.sink_entries), .last = apart.resident_from};
  }

 private:
  /// As the first query sees the context: a step may reject the others, and no entry comes back.
  std::uint32_t first_recent(const DecodeStep& step, std::uint32_t unit) const noexcept {
    return first_of_newest(config_.pins.recent_entries, step.context_tokens + std::min(step.queries, 1U), unit);
  }

  const TraceReader& trace_;
  const ReplayConfig& config_;
  std::vector<bool> reads_first_;  ///< by layer: no layer before it reads its store
};

/// What a cache sees of a selection: its ids in the configured order, without those that are resident elsewhere, and as
/// the units that the cache holds. One place, because Belady's look into the future must number exactly the accesses
/// that the replay makes.
class AccessOrder {
 public:
  AccessOrder(const TraceReader& trace, const ReplayConfig& config)
      : trace_(trace),
        config_(config),
        pins_(trace, config),
        keeps_fitting_context_(keeps_fitting_context(config)),
        unites_steps_(policy_needs(config.policy).whole_selection && trace.header().has_queries),
        units_(cache_units(trace.header(), config.granularity)),
        united_in_(unites_steps_ ? most_ids(trace) : 0),
        blocks_(config.granularity.block_entries > 1 ? most_ids(trace) : 0) {}

  /// Of a stream at a step of the batch, `at` of its request's own, of a cache of this capacity; none at 0. With
  /// several queries, as the last of them finds it.
  EntriesApart apart(const DecodeStep& at, std::uint32_t layer, std::uint32_t request, std::uint64_t step,
                     std::uint64_t capacity_entries) const {
    EntriesApart apart = newest(at, trace_.header().unit_of(layer), capacity_entries);
    if (config_.pins.any() && capacity_entries > 0) {
      pins_.add_to(apart, at, layer, request, step);
    }
    if (!config_.granularity.is_entry()) {
      apart.unit = unit_at(units_[layer], capacity_entries);
      apart.tokens_end = at.context_tokens + at.queries;
      apart.inserted = {.first = static_cast<std::uint32_t>(apart.unit.first_of(apart.inserted.first)),
                        .last = static_cast<std::uint32_t>(apart.unit.ids(apart.inserted.last))};
    }
    return apart;
  }

  /// True if a cache of this capacity sees the queries of a step together: united().
  bool unites_steps(std::uint64_t capacity_entries) const noexcept { return unites_steps_ && capacity_entries > 0; }

  /// What the queries of a step access together, each entry once, in the order of their first accesses; valid until the
  /// next call.
  std::span<const EntryId> united(const SelectionRows& rows, const EntriesApart& apart) {
    united_in_.begin();
    united_.clear();
    for (std::uint32_t query = 0; query < rows.count; ++query) {
      for (const EntryId id : accesses(rows[query], apart)) {
        if (united_in_.is_first(value(id))) {
          united_.push_back(id);
        }
      }
    }
    return united_;
  }

  /// What a selection refers to, residents included: its entries, or their tokens where the cache holds tokens.
  static std::uint64_t references(const SelectionView& selection, const EntriesApart& apart) noexcept {
    if (apart.unit.parts == 1) {
      return selection.size;
    }
    std::uint64_t tokens = 0;
    for (const EntryId id : std::span(selection.ids, selection.size)) {
      const IdRange parts = parts_of(id, apart);
      tokens += parts.size();
    }
    return tokens;
  }

  /// The accesses to the cache, each unit once; valid until the next call and as long as the selection.
  std::span<const EntryId> accesses(const SelectionView& selection, const EntriesApart& apart) {
    const std::span<const EntryId> entries = accessed_entries(selection, apart);
    return apart.unit.is_entry() ? entries : units_of(entries, apart);
  }

  /// The scores of the accesses, of a trace that has scores; valid until the next call.
  std::span<const std::uint16_t> scores(const SelectionView& selection, const EntriesApart& apart) {
    scored_.clear();
    for (std::uint32_t i = 0; i < selection.size; ++i) {
      if (!apart.is_resident(selection.ids[i])) {
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

  /// The accesses for a cache that takes sets, where nothing is pinned; valid until the next call and as long as the
  /// selection.
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
  /// No unit that a cache holds has an id as large.
  std::uint64_t most_ids(const TraceReader& trace) const {
    std::uint64_t ids = 0;
    for (const CacheUnit& unit : units_) {
      ids = std::max(ids, unit.ids(trace.id_limit()));
    }
    return ids;
  }

  /// The tokens of an entry; of the one that is being filled, those that there are.
  static IdRange parts_of(EntryId id, const EntriesApart& apart) noexcept {
    const std::uint64_t first = apart.unit.first_of(value(id));
    return {.first = static_cast<std::uint32_t>(first),
            .last = static_cast<std::uint32_t>(std::min(first + apart.unit.parts, apart.tokens_end))};
  }

  /// Each block once, where an entry of it comes first; or the tokens of each entry.
  std::span<const EntryId> units_of(std::span<const EntryId> entries, const EntriesApart& apart) {
    unit_ids_.clear();
    if (apart.unit.parts > 1) {
      for (const EntryId id : entries) {
        const IdRange parts = parts_of(id, apart);
        for (std::uint32_t token = parts.first; token < parts.last; ++token) {
          unit_ids_.push_back(EntryId{token});
        }
      }
      return unit_ids_;
    }
    blocks_.begin();
    for (const EntryId id : entries) {
      const auto block = static_cast<std::uint32_t>(apart.unit.first_of(value(id)));
      if (blocks_.is_first(block)) {
        unit_ids_.push_back(EntryId{block});
      }
    }
    return unit_ids_;
  }

  std::span<const EntryId> accessed_entries(const SelectionView& selection, const EntriesApart& apart) {
    const std::span<const EntryId> logged{selection.ids, selection.size};
    if (selection.ascending) {  // residents come first and last
      const auto end = std::lower_bound(logged.begin(), logged.end(), EntryId{apart.resident_from});
      const auto begin = apart.resident_below == 0
                             ? logged.begin()
                             : std::lower_bound(logged.begin(), end, EntryId{apart.resident_below});
      return {begin, end};
    }
    const bool sort = config_.order == Order::ascending;
    const auto is_resident = [&](EntryId id) { return apart.is_resident(id); };
    const bool drop = apart.any_resident() && std::any_of(logged.begin(), logged.end(), is_resident);
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

  /// Of a layer whose ids stand for so many tokens: what is resident outside the capacity, and what is allocated.
  EntriesApart newest(const DecodeStep& step, std::uint32_t unit_tokens,
                      std::uint64_t capacity_entries) const noexcept {
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
      return {.inserted = {.first = last, .last = last + 1}};
    }
    return {};
  }

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

  const TraceReader& trace_;
  const ReplayConfig& config_;
  PinWindow pins_;
  bool keeps_fitting_context_;
  bool unites_steps_;
  std::vector<CacheUnit> units_;  ///< by layer
  FirstSight united_in_;          ///< of ids in a union
  FirstSight blocks_;             ///< in a selection
  std::vector<EntryId> united_;
  std::vector<EntryId> unit_ids_;
  std::vector<EntryId> scratch_;
  std::vector<std::pair<EntryId, std::uint16_t>> scored_;
  std::vector<std::uint16_t> scores_;
  std::vector<std::uint64_t> words_;
};

}  // namespace dsasim
