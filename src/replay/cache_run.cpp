#include "replay/cache_run.hpp"

#include "dsasim/error.hpp"
#include "replay/no_cache.hpp"
#include "replay/preload.hpp"
#include "trace/block_cursor.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace dsasim {
namespace {

/// The entries of blocks, in their place.
void list_entries(std::vector<EntryId>& blocks, std::uint32_t block_entries) {
  if (block_entries == 1) {
    return;
  }
  const std::size_t count = blocks.size();
  blocks.resize(count * block_entries);
  for (std::size_t block = count; block-- > 0;) {
    const std::uint32_t first = value(blocks[block]) * block_entries;
    for (std::uint32_t i = 0; i < block_entries; ++i) {
      blocks[block * block_entries + i] = EntryId{first + i};
    }
  }
}

}  // namespace

ReplayScratch::ReplayScratch(const TraceReader& trace, const ReplayConfig& config, std::uint32_t page_tokens)
    : order(trace, config) {
  std::vector<std::uint32_t> units;
  const std::vector<CacheUnit> held = cache_units(trace.header(), config.granularity);
  for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
    const std::uint32_t unit = trace.header().unit_of(layer);
    const auto known = std::find(units.begin(), units.end(), unit);
    page_counters.push_back(static_cast<std::uint32_t>(known - units.begin()));
    if (known == units.end()) {
      units.push_back(unit);
      pages.emplace_back(page_tokens, unit / held[layer].parts, rows_below(held[layer], trace.id_limit()));
    }
  }
}

CacheRun::CacheRun(const TraceReader& trace, const ReplayConfig& config, bool sets, const ReplayHooks& hooks,
                   std::uint32_t number)
    : trace_(trace),
      config_(config),
      hooks_(hooks),
      effective_(effective_config(trace, config)),
      timing_(trace, effective_, hooks),
      // What is put in comes between two selections, sets are cut at the end alone and are of entries, and predictors
      // and what counts refreshes take ids.
      sets_(sets && config.new_token != NewToken::allocate && !config.pins.any() && !config.prefetch.any() &&
            config.retention_steps == 0 && config.granularity.is_entry()),
      number_(number),
      lists_missed_(timing_.needs_missed() || hooks.on_missed),
      layout_(make_layout(trace, config, effective_.capacity_entries)) {
  result_.layers.resize(trace.layer_count());
  result_.requests.resize(trace.request_count());
}

void CacheRun::add_to(trace::MemoryPlan& plan) const {
  constexpr double object_bytes = 400;  // of a cache, without its arrays
  plan.add("caches", static_cast<double>(layout_.caches.size()) * object_bytes);
  for (const auto& cache : layout_.caches) {
    const CacheBytes bytes = cache_bytes(config_.policy, DirectoryLayout::slots(cache));
    plan.add("directories",
             bytes.arrays * trace::written_bytes(cache.directory_entries, bytes.place_bytes, cache.used_entries));
    plan.add("last uses of entries",
             config_.retention_steps == 0
                 ? 0
                 : trace::written_bytes(cache.directory_entries, sizeof(std::uint32_t), cache.used_entries));
    plan.add("slots", cache.capacity_entries == 0 ? 0 : bytes.slot_bytes);
  }
  if (config_.prefetch.any()) {
    Prefetcher::add_to(plan, trace_, config_);
  }
}

void CacheRun::make_caches() {
  if (config_.prefetch.any()) {
    prefetcher_.emplace(trace_, config_);
  }
  if (config_.retention_steps > 0) {
    retention_.emplace(layout_, config_.retention_steps, effective_.steps.first);
  }
  for (std::uint32_t number = 0; number < layout_.caches.size(); ++number) {
    const auto& shape = layout_.caches[number];
    const std::uint64_t slots = DirectoryLayout::slots(shape);
    if (slots == 0) {
      caches_.push_back(std::make_unique<NoCache>(shape.directory_entries));
      continue;
    }
    if (slots > max_cache_entries) {
      throw ConfigError("`capacity`", "a cache of {} entries, at most {} are supported", slots, max_cache_entries);
    }
    const CacheUse use{.sets = sets_,
                       .streams = static_cast<std::uint32_t>(shape.streams.size()),
                       .longest_selection = trace_.longest_union()};
    caches_.push_back(
        make_cache(config_.policy, static_cast<std::uint32_t>(slots), shape.directory_entries, number, use));
  }
}

bool CacheRun::needs_future() const noexcept {
  return policy_needs(config_.policy).future &&
         std::any_of(effective_.capacity_entries.begin(), effective_.capacity_entries.end(),
                     [](std::uint64_t capacity) { return capacity > 0; });
}

trace::SelectionForms CacheRun::forms() const noexcept {
  trace::SelectionForms forms{.ids = !sets_, .sets = false};
  for (const auto& cache : caches_) {
    forms.ids = forms.ids || !cache->takes_sets();
    forms.sets = forms.sets || (sets_ && cache->takes_sets());
  }
  return forms;
}

void CacheRun::preload(Future* future) {
  dsasim::preload(caches_, layout_, trace_, config_, future);
}

void CacheRun::begin(std::size_t workers) {
  foresees_ = needs_future();
  needs_scores_ = policy_needs(config_.policy).scores;
  scratch_.reserve(workers);
  for (std::size_t worker = 0; worker < workers; ++worker) {
    scratch_.emplace_back(trace_, config_, effective_.page_tokens);
  }
}

void CacheRun::begin_block(const ReplayBlock& block) {
  rows_.resize((block.steps.last - block.steps.first) * trace_.layer_count() * block.active.size());
  if (lists_missed_) {
    missed_.resize(std::max(missed_.size(), rows_.size()));
  }
}

std::size_t CacheRun::first_row(std::uint64_t step, std::uint32_t layer, std::size_t active) const noexcept {
  return (step * trace_.layer_count() + layer) * active;
}

void CacheRun::replay_part(const ReplayBlock& block, const ReplayPart& part,
                           std::span<const trace::SelectionBlock* const> lanes, std::span<const NextUse> next_uses,
                           std::size_t worker) {
  ReplayScratch& scratch = scratch_[worker];
  walk_part(
      block, part, lanes,
      [&](std::uint64_t step, std::uint32_t layer, std::size_t active, const SelectionRows& selections) {
        const std::uint32_t request = block.active[active];
        const std::size_t row = first_row(step - block.steps.first, layer, block.active.size()) + active;
        rows_[row] = {.step = step,
                      .layer = layer,
                      .request = request,
                      .counters = select(step, layer, request, selections, next_uses, scratch),
                      .run = number_};
        if (lists_missed_) {
          missed_[row].swap(scratch.missed);
        }
      },
      [&](std::uint32_t layer, std::uint32_t request) {
        const auto& stream = layout_.stream(layer, request, trace_.request_count());
        caches_[stream.cache]->release(stream.base, trace::set_words(trace_, request));
      },
      [&](std::uint64_t step) {
        if (trace_.rejects_queries()) {
          forget(step, part, std::span(block.active).subspan(part.first_active, part.last_active - part.first_active));
        }
      });
}

void CacheRun::forget(std::uint64_t step, const ReplayPart& part, std::span<const std::uint32_t> active) {
  for (std::uint32_t layer = part.first_layer; layer < part.last_layer; ++layer) {
    for (const std::uint32_t request : active) {
      const auto& stream = layout_.stream(layer, request, trace_.request_count());
      const DecodeStep at = trace_.queries(request, step - trace_.header().requests[request].start_step);
      const IdRange gone = forgotten_ids(at, stream.unit.tokens, stream.unit.ids(trace_.extent(request).id_limit));
      if (!gone.empty()) {
        caches_[stream.cache]->forget(stream.base, gone.first, gone.last);
      }
    }
  }
}

/// The id of the own entry of a query that sees so many tokens. Slots have no positions.
std::uint64_t CacheRun::query_of(std::uint64_t tokens, std::uint32_t layer) const noexcept {
  const std::uint64_t context = tokens / trace_.header().unit_of(layer);
  return trace_.header().ids == IdKind::physical || context == 0 ? 0 : context - 1;
}

void CacheRun::foresee(Cache& cache, std::size_t count, std::span<const NextUse>& next_uses) const {
  if (foresees_) {
    cache.foresee(next_uses.first(count));
    next_uses = next_uses.subspan(count);
  }
}

/// Puts entries in without an access; the number of evictions.
std::uint64_t CacheRun::put_in(const DirectoryLayout::Stream& stream, std::uint64_t step, IdRange ids,
                               std::span<const NextUse>& next_uses) {
  Cache& cache = *caches_[stream.cache];
  std::uint64_t evictions = 0;
  for (std::uint32_t id = ids.first; id < ids.last; ++id) {
    foresee(cache, 1, next_uses);
    if (retention_ && !cache.contains(stream.base, EntryId{id})) {
      retention_->insert(stream, step, EntryId{id});
    }
    evictions += cache.insert(stream.base, EntryId{id});
  }
  return evictions;
}

Counters CacheRun::select(std::uint64_t step, std::uint32_t layer, std::uint32_t request, const SelectionRows& rows,
                          std::span<const NextUse>& next_uses, ReplayScratch& scratch) {
  const auto& stream = layout_.stream(layer, request, trace_.request_count());
  Cache& cache = *caches_[stream.cache];
  const DecodeStep at = trace_.queries(request, step - trace_.header().requests[request].start_step);
  const EntriesApart apart = scratch.order.apart(at, layer, request, step, layout_.capacity(stream));
  Counters counters;
  counters.evictions = put_in(stream, step, apart.inserted, next_uses);
  scratch.missed.clear();
  const bool predicts = prefetcher_ && rows.count > 0 && rows[0].size > 0;
  const auto upcoming = [&] {
    return Upcoming{.layer = layer,
                    .request = request,
                    .at = at,
                    .own_step = step - trace_.header().requests[request].start_step,
                    .cache = cache,
                    .base = stream.base,
                    .reserves = layout_.reserves(stream)};
  };
  if (predicts) {
    prefetcher_->issue(upcoming(), apart, scratch.ahead, counters.prefetch);
  }
  SelectionOrigin from{.base = stream.base, .step = step};
  // An access left out is a hit: of a resident entry, or of what an access of the step or selection before it found.
  const auto add = [&](std::uint64_t accesses, const SelectionOutcome& outcome) {
    counters.accesses += accesses;
    counters.hits += outcome.hits + (accesses - outcome.accesses);
    counters.cache_hits += outcome.hits;
    counters.compulsory_misses += outcome.compulsory_misses;
    counters.evictions += outcome.evictions;
  };
  // Those that this selection missed are the last of scratch.missed.
  const auto replay = [&](std::uint64_t accesses, std::span<const EntryId> ids) {
    foresee(cache, ids.size(), next_uses);
    const std::size_t missed_before = scratch.missed.size();
    add(accesses, cache.select(from, ids, scratch.missed));
    if (retention_) {
      retention_->select(stream, step, ids, std::span(scratch.missed).subspan(missed_before), counters.retention);
    }
  };
  if (rows.count > 0 && scratch.order.unites_steps(layout_.capacity(stream))) {  // in a pause nothing selects
    std::uint64_t accesses = 0;
    for (std::uint32_t query = 0; query < rows.count; ++query) {
      accesses += AccessOrder::references(rows[query], apart);
    }
    from.query = query_of(at.context_tokens + at.queries, layer);
    replay(accesses, scratch.order.united(rows, apart));
  } else {
    for (std::uint32_t query = 0; query < rows.count; ++query) {
      const SelectionView selection = rows[query];
      from.query = query_of(at.seen_by(query), layer);
      if (sets_ && cache.takes_sets()) {
        add(selection.size, cache.select_set(from, scratch.order.set(selection, apart), scratch.missed));
        continue;
      }
      const auto ids = scratch.order.accesses(selection, apart);
      if (needs_scores_) {
        from.scores = scratch.order.scores(selection, apart);
      }
      replay(AccessOrder::references(selection, apart), ids);
    }
  }
  if (predicts) {
    prefetcher_->settle(upcoming(), rows[0], scratch.ahead, scratch.missed, counters.prefetch);
  }
  counters.fetch(std::uint64_t{trace_.header().kv_rows(layer)} * stream.unit.entries,
                 effective_.row_bytes[layer] / stream.unit.parts);
  list_entries(scratch.missed, stream.unit.entries);
  counters.missed_pages = scratch.pages[scratch.page_counters[layer]].count(scratch.missed);
  return counters;
}

void CacheRun::end_block(const ReplayBlock& block) {
  const std::uint64_t counted_from = effective_.steps.first + config_.warmup_steps;
  for (std::uint64_t step = block.steps.first; step < block.steps.last; ++step) {
    const bool counted = step >= counted_from;
    for (std::uint32_t layer = 0; layer < trace_.layer_count(); ++layer) {
      const std::size_t first = first_row(step - block.steps.first, layer, block.active.size());
      const std::span<StepRow> rows{rows_.data() + first, block.active.size()};
      const std::span<const std::vector<EntryId>> missed =
          lists_missed_ ? std::span(missed_).subspan(first, rows.size()) : std::span<std::vector<EntryId>>();
      timing_.time(rows, missed, counted);
      for (std::size_t row = 0; row < rows.size(); ++row) {
        if (hooks_.on_missed) {
          hooks_.on_missed(rows[row], missed[row]);
        }
        if (counted) {
          count(rows[row]);
        }
      }
    }
    timing_.end_step(counted);
  }
}

void CacheRun::count(const StepRow& row) {
  result_.layers[row.layer] += row.counters;
  result_.requests[row.request] += row.counters;
  if (hooks_.on_row) {
    hooks_.on_row(row);
  }
}

bool CacheRun::invariant() const {
  for (std::size_t number = 0; number < caches_.size(); ++number) {
    // Hours of nothing where slots have numbers up to 2^31 and few are used.
    constexpr std::uint64_t sparse = 1024;
    const auto& shape = layout_.caches[number];
    if (shape.directory_entries / sparse <= shape.used_entries && !caches_[number]->invariant()) {
      return false;
    }
  }
  return true;
}

ReplayResult CacheRun::finish() {
  // Not in a release: it was 14% of a replay of 16 requests, 61 layers and 24 steps.
  assert(invariant());
  for (const Counters& layer : result_.layers) {
    result_.totals += layer;
  }
  result_.step_times = timing_.finish();
  result_.config = std::move(effective_);
  return std::move(result_);
}

}  // namespace dsasim
