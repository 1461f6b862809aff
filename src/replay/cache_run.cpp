#include "replay/cache_run.hpp"

#include "dsasim/error.hpp"
#include "replay/no_cache.hpp"
#include "replay/preload.hpp"
#include "trace/block_cursor.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <utility>

namespace dsasim {
namespace {

/// Gives each row its part of `total_ns` in proportion to its misses: the whole parts first, then one nanosecond each
/// to the largest remainders, the earlier request first among equals.
void share_out(std::uint64_t total_ns, std::span<StepRow> rows) {
  const std::uint64_t misses = std::accumulate(rows.begin(), rows.end(), std::uint64_t{0},
                                               [](auto sum, const auto& row) { return sum + row.counters.misses(); });
  if (misses == 0) {
    return;
  }
  __extension__ using Wide = unsigned __int128;
  std::vector<std::pair<std::uint64_t, std::size_t>> remainders;
  std::uint64_t left = total_ns;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Wide product = Wide{total_ns} * rows[i].counters.misses();
    rows[i].counters.gather_ns = static_cast<std::uint64_t>(product / misses);
    left -= rows[i].counters.gather_ns;
    remainders.emplace_back(static_cast<std::uint64_t>(product % misses), i);
  }
  std::stable_sort(remainders.begin(), remainders.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  for (std::uint64_t i = 0; i < left; ++i) {
    ++rows[remainders[i].second].counters.gather_ns;
  }
}

}  // namespace

CacheRun::CacheRun(const TraceReader& trace, const ReplayConfig& config, bool sets, const ReplayHooks& hooks)
    : trace_(trace),
      config_(config),
      hooks_(hooks),
      effective_(effective_config(trace, config)),
      memory_(make_memory(config.memory).model),
      sets_(sets && config.new_token != NewToken::allocate),  // an allocation comes between two selections
      layout_(make_layout(trace, config, effective_.capacity_entries)) {
  result_.layers.resize(trace.layer_count());
  result_.requests.resize(trace.request_count());
  make_caches();
}

void CacheRun::make_caches() {
  for (std::uint32_t number = 0; number < layout_.caches.size(); ++number) {
    const auto& shape = layout_.caches[number];
    if (shape.capacity_entries == 0 || shape.directory_entries == 0) {
      caches_.push_back(std::make_unique<NoCache>(shape.directory_entries));
      continue;
    }
    // More slots than ids are never filled: a capacity of "everything" must not cost memory.
    const auto slots =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(shape.capacity_entries, shape.directory_entries));
    if (slots > max_cache_entries) {
      throw ConfigError("--capacity", "a cache of {} entries, at most {} are supported", slots, max_cache_entries);
    }
    const CacheUse use{.sets = sets_,
                       .streams = static_cast<std::uint32_t>(shape.streams.size()),
                       .longest_selection = trace_.longest_selection()};
    caches_.push_back(make_cache(config_.policy, slots, shape.directory_entries, number, use));
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
  dsasim::preload(caches_, layout_, trace_.header(), config_.warm, future);
}

void CacheRun::begin(std::size_t workers) {
  foresees_ = needs_future();
  scratch_.reserve(workers);
  for (std::size_t worker = 0; worker < workers; ++worker) {
    scratch_.emplace_back(trace_.header(), config_, effective_.page_tokens);
  }
}

void CacheRun::begin_block(const ReplayBlock& block) {
  rows_.resize((block.steps.last - block.steps.first) * trace_.layer_count() * block.active.size());
}

std::span<StepRow> CacheRun::rows_of(std::uint64_t step, std::uint32_t layer, std::size_t active) {
  return {rows_.data() + (step * trace_.layer_count() + layer) * active, active};
}

void CacheRun::replay_part(const ReplayBlock& block, const ReplayPart& part,
                           std::span<const trace::SelectionBlock* const> lanes, std::span<const NextUse> next_uses,
                           std::size_t worker) {
  ReplayScratch& scratch = scratch_[worker];
  walk_part(
      block, part, lanes,
      [&](std::uint64_t step, std::uint32_t layer, std::size_t active, const SelectionView& selection) {
        const std::uint32_t request = block.active[active];
        rows_of(step - block.steps.first, layer, block.active.size())[active] = {
            .step = step,
            .layer = layer,
            .request = request,
            .counters = select(step, layer, request, selection, next_uses, scratch)};
      },
      [&](std::uint32_t layer, std::uint32_t request) {
        const auto& stream = layout_.stream(layer, request, trace_.request_count());
        caches_[stream.cache]->release(stream.base, trace::set_words(trace_, request));
      });
}

Counters CacheRun::select(std::uint64_t step, std::uint32_t layer, std::uint32_t request,
                          const SelectionView& selection, std::span<const NextUse>& next_uses, ReplayScratch& scratch) {
  const auto& stream = layout_.stream(layer, request, trace_.request_count());
  Cache& cache = *caches_[stream.cache];
  std::optional<EntryId> new_entry;
  if (layout_.reserves(stream)) {
    new_entry = scratch.order.new_entry(request, step - trace_.header().requests[request].start_step);
  }
  const auto foresee = [&](std::size_t count) {
    if (foresees_) {
      cache.foresee(next_uses.first(count));
      next_uses = next_uses.subspan(count);
    }
  };
  Counters counters{.accesses = selection.size};
  if (new_entry && scratch.order.inserts()) {
    foresee(1);
    counters.evictions += cache.insert(stream.base, *new_entry);
  }
  scratch.missed.clear();
  SelectionOutcome outcome;
  if (sets_ && cache.takes_sets()) {
    outcome = cache.select_set(stream.base, scratch.order.set(selection, new_entry), scratch.missed);
  } else {
    const auto ids = scratch.order.accesses(selection, new_entry);
    foresee(ids.size());
    outcome = cache.select(stream.base, ids, scratch.missed);
  }
  counters.hits = outcome.hits + (selection.size - outcome.accesses);  // an access left out is a pinned entry's hit
  counters.compulsory_misses = outcome.compulsory_misses;
  counters.evictions += outcome.evictions;
  counters.fetched_rows = counters.misses() * trace_.header().layers[layer].group_size;
  counters.missed_pages = scratch.pages.count(scratch.missed);
  return counters;
}

void CacheRun::end_block(const ReplayBlock& block) {
  const std::uint64_t counted_from = effective_.steps.first + config_.warmup_steps;
  for (std::uint64_t step = block.steps.first; step < block.steps.last; ++step) {
    for (std::uint32_t layer = 0; layer < trace_.layer_count() && step >= counted_from; ++layer) {
      const auto rows = rows_of(step - block.steps.first, layer, block.active.size());
      price(layer, rows);
      for (const StepRow& row : rows) {
        result_.layers[layer] += row.counters;
        result_.requests[row.request] += row.counters;
        if (hooks_.on_row) {
          hooks_.on_row(row);
        }
      }
    }
  }
}

/// One gather fetches the misses of all requests; each layer of the group makes it once.
void CacheRun::price(std::uint32_t layer, std::span<StepRow> rows) {
  Gather gather{.row_bytes = effective_.entry_bytes};
  for (const StepRow& row : rows) {
    gather.hit_rows += row.counters.hits;
    gather.missed_rows += row.counters.misses();
    gather.missed_pages += row.counters.missed_pages;
  }
  const double ns = memory_->gather_ns(gather) * trace_.header().layers[layer].group_size;
  share_out(static_cast<std::uint64_t>(std::floor(ns + 0.5)), rows);
}

ReplayResult CacheRun::finish() {
  for (const auto& cache : caches_) {
    if (!cache->invariant()) {
      throw std::logic_error("a cache's bookkeeping is inconsistent after the replay");
    }
  }
  for (const Counters& layer : result_.layers) {
    result_.totals += layer;
  }
  result_.config = std::move(effective_);
  return std::move(result_);
}

}  // namespace dsasim
