#include "dsasim/replay/replay.hpp"

#include "dsasim/error.hpp"
#include "replay/access_order.hpp"
#include "replay/batch_cursor.hpp"
#include "replay/directory_layout.hpp"
#include "replay/future.hpp"
#include "replay/no_cache.hpp"
#include "replay/preload.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>

namespace dsasim {
namespace {

/// Counts the distinct pages among a selection's misses: a stamp by page, so that nothing is cleared between
/// selections.
class PageCounter {
 public:
  PageCounter(std::uint32_t page_tokens, std::uint32_t unit_tokens)
      : page_tokens_(page_tokens), unit_tokens_(unit_tokens) {}

  std::uint64_t count(std::span<const EntryId> missed) {
    if (++stamp_ == 0) {
      std::fill(stamps_.begin(), stamps_.end(), 0);
      stamp_ = 1;
    }
    std::uint64_t pages = 0;
    for (const EntryId entry : missed) {
      const std::uint64_t page = std::uint64_t{value(entry)} * unit_tokens_ / page_tokens_;
      if (page >= stamps_.size()) {
        stamps_.resize(std::max<std::size_t>(page + 1, 2 * stamps_.size()), 0);
      }
      pages += stamps_[page] != stamp_ ? 1U : 0U;
      stamps_[page] = stamp_;
    }
    return pages;
  }

 private:
  std::uint64_t page_tokens_;
  std::uint64_t unit_tokens_;
  std::uint32_t stamp_ = 0;
  std::vector<std::uint32_t> stamps_;
};

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

class Replay {
 public:
  Replay(const TraceReader& trace, const ReplayConfig& config, const ReplayHooks& hooks)
      : trace_(trace),
        config_(config),
        hooks_(hooks),
        effective_(effective_config(trace, config)),
        order_(trace.header(), config_),
        memory_(make_memory_model(config.memory)),
        pages_(effective_.page_tokens, trace.header().unit_tokens),
        layout_(make_layout(trace, config, effective_.capacity_entries)),
        batch_(trace, effective_.steps.last) {
    result_.layers.resize(trace.layer_count());
    result_.requests.resize(trace.request_count());
    make_caches();
  }

  ReplayResult run() {
    const StepRange steps = effective_.steps;
    for (std::uint64_t step = steps.first; step < steps.last;) {
      batch_.advance(step);
      const std::uint64_t block = batch_.steps_together(step);
      find_active();
      if (!active_.empty()) {  // a gap between two requests may be of any length
        replay_block(step, block);
        count_block(step, block);
      }
      step += block;
      if (hooks_.on_step) {
        hooks_.on_step(step - steps.first, steps.last - steps.first);
      }
    }
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

 private:
  void make_caches() {
    if (policy_needs(config_.policy).future) {
      future_.emplace(trace_, config_, effective_.steps, layout_);
    }
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
      caches_.push_back(make_cache(config_.policy, slots, shape.directory_entries, number));
    }
    preload(caches_, layout_, trace_.header(), config_.warm, future_ ? &*future_ : nullptr);
    if (future_) {
      future_->forget_first_uses();
    }
  }

  void find_active() {
    active_.clear();
    for (std::uint32_t request = 0; request < trace_.request_count(); ++request) {
      if (batch_.decodes(request)) {
        active_.push_back(request);
      }
    }
  }

  /// Where no cache serves two layers, one layer's steps are replayed together, so that its directories are fetched
  /// from memory once a block and not once a step. The counts are the same; they are added up in the order of the
  /// steps.
  void replay_block(std::uint64_t step, std::uint64_t steps) {
    const std::uint32_t layers = trace_.layer_count();
    rows_.resize(steps * layers * active_.size());
    const bool by_layer = (config_.scope == Scope::layer || config_.scope == Scope::stream) && !future_;
    if (by_layer) {
      for (std::uint32_t layer = 0; layer < layers; ++layer) {
        for (std::uint64_t i = 0; i < steps; ++i) {
          replay_layer(step, i, layer);
        }
      }
      return;
    }
    for (std::uint64_t i = 0; i < steps; ++i) {
      for (std::uint32_t layer = 0; layer < layers; ++layer) {
        replay_layer(step, i, layer);
      }
    }
  }

  std::span<StepRow> rows_of(std::uint64_t ahead, std::uint32_t layer) {
    return {rows_.data() + (ahead * trace_.layer_count() + layer) * active_.size(), active_.size()};
  }

  void replay_layer(std::uint64_t step, std::uint64_t ahead, std::uint32_t layer) {
    const auto rows = rows_of(ahead, layer);
    for (std::size_t i = 0; i < active_.size(); ++i) {
      rows[i] = {.step = step + ahead,
                 .layer = layer,
                 .request = active_[i],
                 .counters = select(step, ahead, layer, active_[i])};
    }
  }

  void count_block(std::uint64_t step, std::uint64_t steps) {
    for (std::uint64_t i = 0; i < steps; ++i) {
      count_step(step + i, i);
    }
    for (std::uint64_t i = 1; i < steps; ++i) {
      batch_.advance(step + i);
    }
  }

  void count_step(std::uint64_t step, std::uint64_t ahead) {
    if (step < effective_.steps.first + config_.warmup_steps) {
      return;
    }
    for (std::uint32_t layer = 0; layer < trace_.layer_count(); ++layer) {
      const auto rows = rows_of(ahead, layer);
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

  Counters select(std::uint64_t step, std::uint64_t ahead, std::uint32_t layer, std::uint32_t request) {
    const auto& stream = layout_.stream(layer, request, trace_.request_count());
    Cache& cache = *caches_[stream.cache];
    const SelectionView selection = batch_.selection(request, layer, ahead);
    std::optional<EntryId> new_entry;
    if (layout_.reserves(stream)) {
      new_entry = order_.new_entry(request, step + ahead - trace_.header().requests[request].start_step);
    }
    Counters counters{.accesses = selection.size};
    if (new_entry && order_.inserts()) {
      if (future_) {
        cache.foresee(future_->next(1));
      }
      counters.evictions += cache.insert(stream.base, *new_entry);
    }
    const auto ids = order_.accesses(selection, new_entry);
    if (future_) {
      cache.foresee(future_->next(ids.size()));
    }
    missed_.clear();
    const SelectionOutcome outcome = cache.select(stream.base, ids, missed_);
    counters.hits = outcome.hits + (selection.size - ids.size());  // an access left out is a pinned entry's hit
    counters.compulsory_misses = outcome.compulsory_misses;
    counters.evictions += outcome.evictions;
    counters.fetched_rows = counters.misses() * trace_.header().layers[layer].group_size;
    counters.missed_pages = pages_.count(missed_);
    return counters;
  }

  /// One gather fetches the misses of all requests; each layer of the group makes it once.
  void price(std::uint32_t layer, std::span<StepRow> rows) {
    Gather gather;
    for (const StepRow& row : rows) {
      gather.missed_rows += row.counters.misses();
      gather.missed_pages += row.counters.missed_pages;
    }
    const double ns = memory_->gather_ns(gather) * trace_.header().layers[layer].group_size;
    share_out(static_cast<std::uint64_t>(std::floor(ns + 0.5)), rows);
  }

  const TraceReader& trace_;
  ReplayConfig config_;
  const ReplayHooks& hooks_;
  EffectiveConfig effective_;
  AccessOrder order_;
  std::unique_ptr<const MemoryModel> memory_;
  PageCounter pages_;
  DirectoryLayout layout_;
  BatchCursor batch_;
  ReplayResult result_;
  std::optional<Future> future_;
  std::vector<std::unique_ptr<Cache>> caches_;
  std::vector<EntryId> missed_;
  std::vector<std::uint32_t> active_;  ///< requests that decode in the current block
  std::vector<StepRow> rows_;          ///< of the current block: by step, layer and active request
};

void check_positions(const TraceReader& trace, const ReplayConfig& config) {
  if (trace.header().ids == IdKind::logical) {
    return;
  }
  if (config.warm != Warm::none) {
    throw ConfigError("--warm", "needs positions, and {} holds physical slots; expected none", trace.name());
  }
  if (config.new_token != NewToken::demand) {
    throw ConfigError("--new-token", "needs positions, and {} holds physical slots; expected demand", trace.name());
  }
}

std::uint32_t effective_page_tokens(const TraceReader& trace, const ReplayConfig& config) {
  const std::uint32_t asked = config.page_tokens.value_or(default_page_tokens);
  const std::uint32_t page_tokens = asked == 0 ? trace.header().page_tokens : asked;
  if (page_tokens == 0) {
    throw ConfigError("--page-tokens", "{} does not give its page size; expected a number of tokens", trace.name());
  }
  return page_tokens;
}

StepRange effective_steps(const TraceReader& trace, const ReplayConfig& config) {
  const StepRange steps = config.steps.value_or(StepRange{.first = 0, .last = trace.batch_steps()});
  if (steps.first > steps.last || steps.last > trace.batch_steps()) {
    throw ConfigError("--steps", "expected A:B with A <= B <= {} (the steps of {}), found {}:{}", trace.batch_steps(),
                      trace.name(), steps.first, steps.last);
  }
  if (config.warmup_steps > steps.last - steps.first) {
    throw ConfigError("--warmup-steps", "{} is more than the {} steps replayed", config.warmup_steps,
                      steps.last - steps.first);
  }
  return steps;
}

/// By layer, or one number if they are all equal. They differ only for bytes and groups of different sizes.
std::vector<std::uint64_t> effective_capacity(const TraceReader& trace, const ReplayConfig& config,
                                              std::uint64_t entry_bytes) {
  std::vector<std::uint64_t> entries;
  for (const LayerInfo& layer : trace.header().layers) {
    entries.push_back(config.capacity.entries(trace, entry_bytes * layer.group_size));
  }
  if (std::adjacent_find(entries.begin(), entries.end(), std::not_equal_to<>()) == entries.end()) {
    entries.resize(1);
  } else if (config.scope == Scope::shared || config.scope == Scope::request) {
    throw ConfigError("--capacity",
                      "{} over layers whose groups differ in size is not a number of entries; give entries, or --scope "
                      "layer or stream",
                      config.capacity.text());
  }
  const auto too_small = std::find_if(entries.begin(), entries.end(), [&](std::uint64_t capacity) {
    return capacity > 0 && capacity < trace.longest_selection();
  });
  if (policy_needs(config.policy).whole_selection && too_small != entries.end()) {
    throw ConfigError("--capacity", "{} keeps a whole selection: expected 0 or at least {} entries, found {}",
                      to_string(config.policy), trace.longest_selection(), *too_small);
  }
  return entries;
}

}  // namespace

EffectiveConfig effective_config(const TraceReader& trace, const ReplayConfig& config) {
  check_positions(trace, config);
  EffectiveConfig effective;
  effective.asked = config;
  effective.asked.policy = complete_policy(config.policy);
  effective.entry_bytes = config.entry_bytes.value_or(trace.header().entry_bytes);
  effective.page_tokens = effective_page_tokens(trace, config);
  effective.steps = effective_steps(trace, config);
  effective.capacity_entries = effective_capacity(trace, config, effective.entry_bytes);
  make_memory_model(config.memory);
  return effective;
}

ReplayResult replay(const TraceReader& trace, const ReplayConfig& config, const ReplayHooks& hooks) {
  try {
    return Replay(trace, config, hooks).run();
  } catch (const std::bad_alloc&) {
    throw SystemError(trace.name(), "not enough memory for this replay");
  }
}

}  // namespace dsasim
