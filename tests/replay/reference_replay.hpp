#pragma once

// A whole replay once more, from the contract's words alone, as plain as it can be written: nested loops, sets and
// linear searches. The fast replay is compared with it, row by row.

#include "cache/reference_cache.hpp"
#include "dsasim/replay/replay.hpp"
#include "predict/reference_predictors.hpp"
#include "replay/small_traces.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace dsasim::test {

/// A capacity of numerator / denominator units; the text is what the user writes.
struct PlainCapacity {
  std::string text;
  Capacity::Unit unit;
  std::uint64_t numerator;
  std::uint64_t denominator;
};

struct PlainCounters {
  std::uint64_t accesses = 0;
  std::uint64_t hits = 0;
  std::uint64_t cache_hits = 0;
  std::uint64_t compulsory_misses = 0;
  std::uint64_t evictions = 0;
  std::uint64_t fetched_rows = 0;
  std::uint64_t fetched_bytes = 0;
  std::uint64_t missed_pages = 0;
  std::uint64_t gather_ns = 0;
  PrefetchCounts prefetch = {};

  std::uint64_t misses() const { return accesses - hits; }
  std::uint64_t demand_misses() const { return misses() - prefetch.avoided; }
  PlainCounters& operator+=(const PlainCounters& other) {
    accesses += other.accesses;
    hits += other.hits;
    cache_hits += other.cache_hits;
    compulsory_misses += other.compulsory_misses;
    evictions += other.evictions;
    fetched_rows += other.fetched_rows;
    fetched_bytes += other.fetched_bytes;
    missed_pages += other.missed_pages;
    gather_ns += other.gather_ns;
    prefetch.issued += other.prefetch.issued;
    prefetch.useful += other.prefetch.useful;
    prefetch.avoided += other.prefetch.avoided;
    prefetch.evictions += other.prefetch.evictions;
    prefetch.bytes += other.prefetch.bytes;
    return *this;
  }
};

struct PlainRow {
  std::uint64_t step = 0;
  std::uint32_t layer = 0;
  std::uint32_t request = 0;
  PlainCounters counters;
};

/// Counters and PlainCounters name their fields alike.
template <class C>
std::string counters_text(const C& c) {
  const PrefetchCounts& ahead = c.prefetch;
  return fmt::format("accesses {} hits {} of the cache {} compulsory {} evictions {} rows {} bytes {} pages {} ns {}",
                     c.accesses, c.hits, c.cache_hits, c.compulsory_misses, c.evictions, c.fetched_rows,
                     c.fetched_bytes, c.missed_pages, c.gather_ns) +
         fmt::format(" prefetched {} useful {} avoided {} evictions {} bytes {}", ahead.issued, ahead.useful,
                     ahead.avoided, ahead.evictions, ahead.bytes);
}
template <class R>
std::string row_text(const R& row) {
  return fmt::format("step {} layer {} request {}: {}", row.step, row.layer, row.request, counters_text(row.counters));
}

inline std::uint64_t longest_selection(const PlainTrace& trace) {
  std::size_t longest = 0;
  for (const PlainRequest& request : trace.requests) {
    for (const PlainStep& step : request) {
      for (const PlainSelection& selection : step) {
        longest = std::max(longest, selection.size());
      }
    }
  }
  return longest;
}

/// The most entries, or blocks of so many, that the queries of a step select together in one layer.
inline std::uint64_t longest_union(const PlainTrace& trace, std::uint32_t block_entries = 1) {
  const std::size_t layers = trace.header.layers.size();
  std::size_t longest = 0;
  for (const PlainRequest& request : trace.requests) {
    for (const PlainStep& step : request) {
      std::vector<std::set<std::uint32_t>> selected(layers);
      for (std::size_t row = 0; row < step.size(); ++row) {
        for (const std::uint32_t id : step[row]) {
          selected[row % layers].insert(id / block_entries);
        }
        longest = std::max(longest, selected[row % layers].size());
      }
    }
  }
  return longest;
}

/// Whether some step of some request has queries that it does not accept.
inline bool rejects_queries(const PlainTrace& trace) {
  return std::ranges::any_of(trace.queries, [](const auto& steps) {
    return std::ranges::any_of(steps, [](const PlainQueries& step) { return step.accepted < step.queries; });
  });
}

/// Tokens of a request before a step.
inline std::uint64_t tokens_before(const PlainTrace& trace, std::size_t request, std::size_t step) {
  std::uint64_t tokens = trace.header.requests[request].prompt_tokens;
  for (std::size_t i = 0; i < step; ++i) {
    tokens += trace.queries_of(request, i).accepted;
  }
  return tokens;
}

/// By layer: of a row of its KV store; 0 unless all are known.
inline std::vector<std::uint64_t> row_bytes(const PlainTrace& trace, const ReplayConfig& config) {
  std::vector<std::uint64_t> bytes;
  for (std::uint32_t layer = 0; layer < trace.header.layers.size(); ++layer) {
    bytes.push_back(config.entry_bytes.value_or(trace.header.store(layer).entry_bytes));
  }
  const bool known = std::ranges::find(bytes, 0U) == bytes.end();
  return known ? bytes : std::vector<std::uint64_t>(bytes.size(), 0);
}

inline std::uint64_t batch_steps(const PlainTrace& trace) {
  std::uint64_t last = 0;
  for (std::size_t request = 0; request < trace.requests.size(); ++request) {
    last = std::max<std::uint64_t>(last, trace.header.requests[request].start_step + trace.requests[request].size());
  }
  return last;
}

/// Of a layer's caches. Fractions round down; a group's entry costs its bytes times its rows.
inline std::uint64_t capacity_entries(const PlainTrace& trace, const PlainCapacity& capacity, std::uint64_t entry_bytes,
                                      std::size_t layer) {
  std::uint64_t whole = capacity.numerator;
  std::uint64_t parts = capacity.denominator;
  if (capacity.unit == Capacity::Unit::longest_selection) {
    whole *= longest_selection(trace);
  } else if (capacity.unit == Capacity::Unit::context) {
    std::uint64_t longest = 0;
    for (std::size_t request = 0; request < trace.requests.size(); ++request) {
      longest = std::max(longest, tokens_before(trace, request, trace.requests[request].size()));
    }
    whole *= longest / trace.header.unit_tokens;
  } else if (capacity.unit == Capacity::Unit::bytes) {
    parts *= entry_bytes * trace.header.kv_rows(static_cast<std::uint32_t>(layer));
  }
  return whole / parts;
}

class ReferenceReplay {
 public:
  /// Nothing in `config` may be left to a default of the trace; its capacity is not read. `capacity_entries` are of the
  /// caches of each layer, or, at scope stream, of each stream (layer * requests + request).
  ReferenceReplay(const PlainTrace& trace, const ReplayConfig& config, std::vector<std::uint64_t> capacity_entries)
      : trace_(trace),
        config_(config),
        row_bytes_(row_bytes(trace, config)),
        capacity_entries_(std::move(capacity_entries)),
        foresees_(policy_needs(config.policy).future) {}

  /// Of a cache with streams of the layer: what its pins hold at most. Every request has as many.
  std::uint64_t pinned_entries(std::uint32_t layer) const {
    std::uint64_t most_queries = 1;
    for (std::uint32_t any = 0; any < requests(); ++any) {
      for (std::size_t step = 0; step < trace_.requests[any].size(); ++step) {
        most_queries = std::max<std::uint64_t>(most_queries, trace_.queries_of(any, step).queries);
      }
    }
    std::uint64_t pinned = 0;
    for (std::uint32_t of = 0; of < layers(); ++of) {
      for (std::uint32_t by = 0; by < requests(); ++by) {
        if (cache_of(of, by) == cache_of(layer, 0) && place_of_store(of) == of) {
          const std::uint64_t unit = trace_.header.unit_of(of);
          const std::uint64_t drafts = (most_queries - 1 + unit - 1) / unit;
          pinned += config_.pins.sink_entries;
          pinned += config_.pins.recent_entries > 0 ? config_.pins.recent_entries + drafts : 0;
        }
      }
    }
    return pinned;
  }

  std::vector<PlainRow> run() {
    list_events();
    make_caches();
    preload();
    guess();
    std::vector<PlainRow> counted;
    for (std::uint64_t step = config_.steps->first; step < config_.steps->last; ++step) {
      for (std::uint32_t layer = 0; layer < layers(); ++layer) {
        std::vector<PlainRow> rows;
        for (std::uint32_t request = 0; request < requests(); ++request) {
          if (decodes(request, step)) {
            rows.push_back(
                {.step = step, .layer = layer, .request = request, .counters = select(step, layer, request)});
          }
        }
        price(layer, rows);
        forget_after(step, layer);
        if (step >= config_.steps->first + config_.warmup_steps) {
          counted.insert(counted.end(), rows.begin(), rows.end());
        }
      }
    }
    return counted;
  }

 private:
  /// What reaches a cache: an access, an entry put in without one, or one that is gone without being evicted.
  enum class What { access, insert, forget };
  struct Event {
    std::uint32_t cache;
    Key key;
    What what;
  };

  std::uint32_t layers() const { return static_cast<std::uint32_t>(trace_.header.layers.size()); }
  std::uint32_t requests() const { return static_cast<std::uint32_t>(trace_.requests.size()); }

  bool decodes(std::uint32_t request, std::uint64_t step) const {
    const std::uint64_t start = trace_.header.requests[request].start_step;
    return step >= start && step - start < trace_.requests[request].size();
  }

  /// The layers that own a KV store are counted, and no others.
  std::uint32_t store_number(std::uint32_t layer) const {
    std::uint32_t number = 0;
    for (std::uint32_t before = 0; before < trace_.header.store(layer).kv_owner; ++before) {
      number += trace_.header.store(before).kv_owner == before ? 1U : 0U;
    }
    return number;
  }

  std::uint32_t cache_of(std::uint32_t layer, std::uint32_t request) const {
    switch (config_.scope) {
      case Scope::shared:
        return 0;
      case Scope::layer:
        return store_number(layer);
      case Scope::request:
        return request;
      case Scope::stream:
        break;
    }
    return store_number(layer) * requests() + request;
  }
  std::uint64_t capacity_of(std::uint32_t layer, std::uint32_t request) const {
    return capacity_entries_.size() == layers() ? capacity_entries_[layer]
                                                : capacity_entries_[layer * requests() + request];
  }
  Key key_of(std::uint32_t layer, std::uint32_t request, std::uint32_t id) const {
    return (place_of_store(layer) * requests() + request) * 100'000 + id;
  }

  /// Keys are in the order of the first layers that read the stores, as those of a directory are.
  std::uint32_t place_of_store(std::uint32_t layer) const {
    for (std::uint32_t first = 0; first < layer; ++first) {
      if (trace_.header.store(first).kv_owner == trace_.header.store(layer).kv_owner) {
        return first;
      }
    }
    return layer;
  }

  std::uint64_t own_step(std::uint64_t step, std::uint32_t request) const {
    return step - trace_.header.requests[request].start_step;
  }
  PlainQueries queries_of(std::uint64_t step, std::uint32_t request) const {
    return trace_.queries_of(request, own_step(step, request));
  }

  SelectionOrigin origin_of(std::uint64_t step, std::uint32_t layer, std::uint32_t request, std::uint32_t query) const {
    const std::uint64_t tokens = tokens_before(trace_, request, own_step(step, request)) + query + 1;
    const std::uint64_t context = tokens / trace_.header.unit_of(layer);
    const bool positions = trace_.header.ids == IdKind::logical && context > 0;
    return {.base = key_of(layer, request, 0), .step = step, .query = positions ? context - 1 : 0};
  }

  const PlainSelection& logged(std::uint64_t step, std::uint32_t layer, std::uint32_t request,
                               std::uint32_t query) const {
    return trace_.requests[request][own_step(step, request)][query * layers() + layer];
  }

  /// The entry at the query's own position: with units of several tokens, it exists at their last token's step.
  std::optional<std::uint32_t> new_entry(std::uint64_t step, std::uint32_t layer, std::uint32_t request) const {
    const RequestInfo& info = trace_.header.requests[request];
    const std::uint64_t position = info.prompt_tokens + (step - info.start_step);
    const std::uint32_t unit = trace_.header.unit_of(layer);
    const bool complete = (position + 1) % unit == 0;
    if (!complete || capacity_of(layer, request) == 0) {
      return std::nullopt;
    }
    return static_cast<std::uint32_t>(position / unit);
  }
  /// Put into the cache before the accesses of a step: what it allocates, or what it no longer pins.
  std::vector<std::uint32_t> inserted(std::uint64_t step, std::uint32_t layer, std::uint32_t request) const {
    const auto entry = config_.new_token == NewToken::allocate ? new_entry(step, layer, request) : std::nullopt;
    if (entry) {
      return units_of({*entry}, step, layer, request);
    }
    const bool moved = place_of_store(layer) != layer;  // for the layer before that reads the same store
    return moved || capacity_of(layer, request) == 0 ? std::vector<std::uint32_t>() : let_go(step, layer, request);
  }

  // ---- Pins ----

  /// With so many tokens in the context.
  bool is_pinned(std::uint64_t tokens, std::uint32_t unit, std::uint64_t id) const {
    const std::uint64_t entries = tokens / unit + (tokens % unit == 0 ? 0 : 1);
    const Pins& pins = config_.pins;
    return id < pins.sink_entries || (pins.recent_entries > 0 && id + pins.recent_entries >= entries);
  }
  /// Tokens that the first query of a step sees; in a pause there is none.
  std::uint64_t first_sees(std::uint64_t own_step, std::uint32_t request) const {
    return tokens_before(trace_, request, own_step) + (trace_.queries_of(request, own_step).queries > 0 ? 1 : 0);
  }
  std::vector<std::uint32_t> let_go(std::uint64_t step, std::uint32_t layer, std::uint32_t request) const {
    const std::uint64_t own = own_step(step, request);
    const std::uint32_t unit = trace_.header.unit_of(layer);
    const bool begins = own == 0 || step == config_.steps->first;
    const std::uint64_t before = begins ? tokens_before(trace_, request, own) : first_sees(own - 1, request);
    std::vector<std::uint32_t> gone;
    const std::uint64_t written = tokens_before(trace_, request, own);  // accepted drafts were held, too
    for (std::uint32_t id = 0; id * std::uint64_t{unit} < written; ++id) {
      if (is_pinned(before, unit, id) && !is_pinned(first_sees(own, request), unit, id)) {
        gone.push_back(id);
      }
    }
    return gone;
  }
  std::uint64_t policy_slots(std::uint32_t layer, std::uint32_t request) const {
    const std::uint64_t entries =
        capacity_of(layer, request) - std::min(pinned_entries(layer), capacity_of(layer, request));
    return entries / block_of(layer, request) * parts_of(layer);
  }

  // ---- What a cache holds ----

  /// Entries of a block. Where nothing is reserved there are none.
  std::uint32_t block_of(std::uint32_t layer, std::uint32_t request) const {
    return capacity_of(layer, request) == 0 ? 1 : config_.granularity.block_entries;
  }
  /// Units of an entry, its tokens.
  std::uint32_t parts_of(std::uint32_t layer) const {
    return config_.granularity.tokens ? trace_.header.unit_of(layer) : 1;
  }
  std::uint64_t tokens_of_unit(std::uint32_t layer, std::uint32_t request) const {
    return std::uint64_t{trace_.header.unit_of(layer)} / parts_of(layer) * block_of(layer, request);
  }
  /// Of these entries, each unit where it comes first; without tokens that no query of the step sees.
  std::vector<std::uint32_t> units_of(const std::vector<std::uint32_t>& ids, std::uint64_t step, std::uint32_t layer,
                                      std::uint32_t request) const {
    const std::uint64_t tokens =
        tokens_before(trace_, request, own_step(step, request)) + queries_of(step, request).queries;
    std::vector<std::uint32_t> units;
    for (const std::uint32_t id : ids) {
      for (std::uint32_t part = 0; part < parts_of(layer); ++part) {
        const std::uint32_t unit = (id * parts_of(layer) + part) / block_of(layer, request);
        const bool exists = parts_of(layer) == 1 || unit < tokens;
        if (exists && std::ranges::find(units, unit) == units.end()) {
          units.push_back(unit);
        }
      }
    }
    return units;
  }

  /// As the last query of the step finds it, in whole entries.
  std::uint64_t context_of(std::uint64_t step, std::uint32_t layer, std::uint32_t request) const {
    const std::uint64_t tokens = tokens_before(trace_, request, own_step(step, request));
    return (tokens + queries_of(step, request).queries) / trace_.header.unit_of(layer);
  }
  /// SGLang's buffer: a context that fits it lives in it.
  bool lives_in_buffer(std::uint64_t context, std::uint32_t layer, std::uint32_t request) const {
    return config_.policy.name == "hisparse" && config_.scope == Scope::stream &&
           config_.new_token == NewToken::pinned && context <= capacity_of(layer, request);
  }
  /// An entry outside the cache, so that its access is a hit and not the cache's.
  bool is_resident(std::uint64_t step, std::uint32_t layer, std::uint32_t request, std::uint32_t id) const {
    const std::uint64_t context = context_of(step, layer, request);
    if (capacity_of(layer, request) == 0 || trace_.header.ids == IdKind::physical) {
      return false;
    }
    const bool pinned = config_.new_token == NewToken::pinned && id + 1 == context;
    const bool in_recent_block = context > 0 && id / 64 + config_.resident_blocks > (context - 1) / 64;
    return pinned || in_recent_block || lives_in_buffer(context, layer, request) ||
           is_pinned(first_sees(own_step(step, request), request), trace_.header.unit_of(layer), id);
  }

  /// A policy that replaces by selection sees the queries of a step together.
  bool unites_steps(std::uint32_t layer, std::uint32_t request) const {
    return trace_.header.has_queries && policy_needs(config_.policy).whole_selection && capacity_of(layer, request) > 0;
  }

  /// What the cache sees of a step, a selection after the other: by query, or what they select together, each entry
  /// where it comes first.
  std::vector<std::vector<Key>> accesses(std::uint64_t step, std::uint32_t layer, std::uint32_t request) const {
    std::vector<std::vector<Key>> all;
    for (std::uint32_t query = 0; query < queries_of(step, request).queries; ++query) {
      all.push_back(accesses_of(step, layer, request, query));
    }
    if (all.empty() || !unites_steps(layer, request)) {
      return all;  // in a pause nothing selects
    }
    std::vector<Key> together;
    for (const std::vector<Key>& keys : all) {
      for (const Key key : keys) {
        if (std::ranges::find(together, key) == together.end()) {
          together.push_back(key);
        }
      }
    }
    return {together};
  }

  /// The selection in the order of its accesses, without the resident entries.
  std::vector<Key> accesses_of(std::uint64_t step, std::uint32_t layer, std::uint32_t request,
                               std::uint32_t query) const {
    PlainSelection ids = logged(step, layer, request, query);
    if (config_.order == Order::ascending) {
      std::sort(ids.begin(), ids.end());
    }
    std::erase_if(ids, [&](std::uint32_t id) { return is_resident(step, layer, request, id); });
    std::vector<Key> keys;
    for (const std::uint32_t unit : units_of(ids, step, layer, request)) {
      keys.push_back(key_of(layer, request, unit));
    }
    return keys;
  }

  void list_events() {
    for (std::uint64_t step = config_.steps->first; step < config_.steps->last; ++step) {
      for (std::uint32_t layer = 0; layer < layers(); ++layer) {
        for (std::uint32_t request = 0; request < requests(); ++request) {
          if (!decodes(request, step)) {
            continue;
          }
          const std::uint32_t cache = cache_of(layer, request);
          for (const std::uint32_t entry : inserted(step, layer, request)) {
            events_.push_back({.cache = cache, .key = key_of(layer, request, entry), .what = What::insert});
          }
          for (const std::vector<Key>& keys : accesses(step, layer, request)) {
            for (const Key key : keys) {
              events_.push_back({.cache = cache, .key = key, .what = What::access});
            }
          }
        }
      }
      for (const auto& [cache, key] : rejected(step)) {
        events_.push_back({.cache = cache, .key = key, .what = What::forget});
      }
    }
  }

  /// Entries at positions that a step's queries had and its new context has not, in each layer's cache.
  std::vector<std::pair<std::uint32_t, Key>> rejected(std::uint64_t step) const {
    std::vector<std::pair<std::uint32_t, Key>> gone;
    for (std::uint32_t layer = 0; layer < layers(); ++layer) {
      for (std::uint32_t request = 0; request < requests(); ++request) {
        if (!decodes(request, step)) {
          continue;
        }
        const PlainQueries queries = queries_of(step, request);
        const std::uint64_t tokens = tokens_before(trace_, request, own_step(step, request));
        const std::uint64_t unit = tokens_of_unit(layer, request);
        std::set<std::uint64_t> ids;
        for (std::uint64_t position = tokens + queries.accepted; position < tokens + queries.queries; ++position) {
          if (position / unit * unit >= tokens + queries.accepted) {  // nothing of it stays
            ids.insert(position / unit);
          }
        }
        for (const std::uint64_t id : ids) {
          gone.emplace_back(cache_of(layer, request), key_of(layer, request, static_cast<std::uint32_t>(id)));
        }
      }
    }
    return gone;
  }

  void forget_after(std::uint64_t step, std::uint32_t layer) {
    if (layer + 1 < layers()) {
      return;
    }
    for (const auto& [cache, key] : rejected(step)) {
      touched_[cache].erase(key);
      if (caches_.contains(cache)) {
        caches_.at(cache).forget(key);
      }
      ++at_;
    }
  }

  /// Belady's knowledge, by looking forward: accesses of this cache from event `from` on, until one of the key.
  NextUse search(std::size_t from, std::uint32_t cache, Key key) const {
    if (!foresees_) {
      return never_again;  // nobody asks
    }
    NextUse distance = 0;
    for (std::size_t i = from; i < events_.size(); ++i) {
      if (events_[i].cache != cache || events_[i].what == What::insert) {
        continue;
      }
      if (events_[i].key == key) {
        return events_[i].what == What::forget ? never_again : distance;
      }
      distance += events_[i].what == What::access ? 1U : 0U;
    }
    return never_again;
  }
  NextUse next_use_after_access(std::size_t event) const {
    const NextUse distance = search(event + 1, events_[event].cache, events_[event].key);
    return distance == never_again ? never_again : distance + 1;
  }

  void make_caches() {
    for (std::uint32_t layer = 0; layer < layers(); ++layer) {
      for (std::uint32_t request = 0; request < requests(); ++request) {
        const std::uint32_t number = cache_of(layer, request);
        if (policy_slots(layer, request) > 0 && !caches_.contains(number)) {
          caches_.emplace(number,
                          ReferenceCache(config_.policy, policy_slots(layer, request), number, longest_union(trace_)));
        }
      }
    }
  }

  void preload() {
    for (auto& [number, cache] : caches_) {
      if (config_.warm == Warm::none) {
        continue;
      }
      struct Stream {
        std::uint32_t layer;
        std::uint32_t request;
        std::vector<std::uint64_t> positions;  ///< of its prompt, without those that are pinned
        std::uint64_t share;
      };
      std::vector<Stream> streams;
      std::uint64_t left = 0;
      for (std::uint32_t layer = 0; layer < layers(); ++layer) {
        for (std::uint32_t request = 0; request < requests(); ++request) {
          if (cache_of(layer, request) == number && place_of_store(layer) == layer) {
            left = policy_slots(layer, request);
            streams.push_back(
                {.layer = layer, .request = request, .positions = preloadable(layer, request), .share = 0});
          }
        }
      }
      // Dealt like cards: a stream whose prompt is used up is passed over.
      for (bool any = true; any;) {
        any = false;
        for (Stream& stream : streams) {
          if (left > 0 && stream.share < stream.positions.size()) {
            ++stream.share;
            --left;
            any = true;
          }
        }
      }
      std::uint64_t rounds = 0;
      for (const Stream& stream : streams) {
        rounds = std::max(rounds, stream.share);
      }
      // In turns, oldest first: `first` counts from the beginning of the prompts, `prompt-tail` from their ends.
      for (std::uint64_t round = 0; round < rounds; ++round) {
        for (const Stream& stream : streams) {
          std::optional<std::uint64_t> position;
          if (config_.warm == Warm::first && round < stream.share) {
            position = stream.positions[round];
          } else if (config_.warm == Warm::prompt_tail && round < stream.share) {
            position = stream.positions[stream.positions.size() - stream.share + round];
          }
          if (position) {
            const Key key = key_of(stream.layer, stream.request, static_cast<std::uint32_t>(*position));
            cache.insert(key, search(0, number, key));
          }
        }
      }
    }
  }

  std::vector<std::uint64_t> preloadable(std::uint32_t layer, std::uint32_t request) const {
    const RequestInfo& info = trace_.header.requests[request];
    const std::uint32_t unit = trace_.header.unit_of(layer);
    const std::uint64_t own = config_.steps->first > info.start_step ? config_.steps->first - info.start_step : 0;
    std::vector<std::uint64_t> positions;
    for (std::uint64_t position = 0; position < info.prompt_tokens / tokens_of_unit(layer, request); ++position) {
      const bool decodes = own < trace_.requests[request].size();
      if (!decodes || !is_pinned(tokens_before(trace_, request, own), unit, position)) {
        positions.push_back(position);
      }
    }
    return positions;
  }

  /// When a context that lived in the buffer has outgrown it: the first positions are in it, the first is the oldest.
  void leave_buffer(std::uint64_t step, std::uint32_t layer, std::uint32_t request) {
    const std::uint64_t prompt = trace_.header.requests[request].prompt_tokens / trace_.header.unit_of(layer);
    const std::uint32_t number = cache_of(layer, request);
    if (!lives_in_buffer(prompt, layer, request) || lives_in_buffer(context_of(step, layer, request), layer, request) ||
        capacity_of(layer, request) == 0 || !left_buffer_.insert(number).second) {
      return;
    }
    const std::uint64_t slots = policy_slots(layer, request);
    caches_.at(number) = ReferenceCache(config_.policy, slots, number, longest_union(trace_));
    for (std::uint32_t id = 0; id < slots; ++id) {
      caches_.at(number).insert(key_of(layer, request, id), never_again);
    }
  }

  PlainCounters select(std::uint64_t step, std::uint32_t layer, std::uint32_t request) {
    leave_buffer(step, layer, request);
    const std::uint32_t number = cache_of(layer, request);
    PlainCounters counters;
    const std::uint32_t queries = queries_of(step, request).queries;
    for (std::uint32_t query = 0; query < queries; ++query) {
      const PlainSelection& selection = logged(step, layer, request, query);
      counters.accesses +=
          config_.granularity.tokens ? units_of(selection, step, layer, request).size() : selection.size();
    }
    std::vector<Key> missed;
    for (const std::uint32_t entry : inserted(step, layer, request)) {
      const Key key = key_of(layer, request, entry);
      if (caches_.contains(number)) {
        counters.evictions += caches_.at(number).insert(key, search(at_ + 1, number, key));
      } else {
        touched_[number].insert(key);  // it was there, and is not any more
      }
      ++at_;
    }
    const std::vector<Key> ahead = fetch_ahead(step, layer, request, counters);
    const auto selections = accesses(step, layer, request);
    for (std::uint32_t i = 0; i < selections.size(); ++i) {
      const std::uint32_t query = unites_steps(layer, request) ? queries - 1 : i;
      select(origin_of(step, layer, request, query), number, selections[i], counters, missed);
    }
    counters.hits = counters.accesses - missed.size();
    find_ahead(ahead, step, layer, request, missed, counters.prefetch);
    counters.prefetch.bytes = counters.prefetch.issued * trace_.header.kv_rows(layer) * row_bytes_[layer];
    const std::uint64_t block = block_of(layer, request);
    counters.fetched_rows = missed.size() * trace_.header.kv_rows(layer) * block;
    counters.fetched_bytes = counters.fetched_rows * (row_bytes_[layer] / parts_of(layer));
    std::set<std::uint64_t> pages;
    for (const Key key : missed) {
      for (std::uint64_t i = 0; i < block; ++i) {  // a block is fetched whole
        const std::uint64_t row = std::uint64_t{key - key_of(layer, request, 0)} * block + i;
        pages.insert(row * (trace_.header.unit_of(layer) / parts_of(layer)) / *config_.page_tokens);
      }
    }
    counters.missed_pages = pages.size();
    return counters;
  }

  // ---- Prefetches ----

  void guess() {
    for (std::uint32_t layer = 0; layer < layers() && config_.prefetch.any(); ++layer) {
      for (std::uint32_t request = 0; request < requests(); ++request) {
        guesses_[{layer, request}] =
            PlainPrediction(trace_, config_.prefetch.predictor, {}).orders(request, layer, *config_.steps);
      }
    }
  }

  /// The first of the guess that are whole in the context and not at hand.
  std::vector<Key> fetch_ahead(std::uint64_t step, std::uint32_t layer, std::uint32_t request,
                               PlainCounters& counters) {
    const std::uint32_t number = cache_of(layer, request);
    std::vector<Key> ahead;
    if (!config_.prefetch.any() || capacity_of(layer, request) == 0) {
      return ahead;
    }
    const std::uint64_t tokens = tokens_before(trace_, request, own_step(step, request)) + 1;
    for (const std::uint32_t id : guesses_[{layer, request}][own_step(step, request)]) {
      const Key key = key_of(layer, request, id);
      const bool exists =
          trace_.header.ids == IdKind::physical || (std::uint64_t{id} + 1) * trace_.header.unit_of(layer) <= tokens;
      const bool at_hand =
          is_resident(step, layer, request, id) || (caches_.contains(number) && caches_.at(number).contains(key));
      if (exists && !at_hand && ahead.size() < config_.prefetch.rows) {
        ahead.push_back(key);
      }
    }
    counters.prefetch.issued = ahead.size();
    for (std::size_t i = ahead.size(); i-- > 0 && config_.prefetch.into == PrefetchInto::buffer;) {
      if (caches_.contains(number)) {
        counters.prefetch.evictions += caches_.at(number).insert(ahead[i], never_again);
      } else {
        touched_[number].insert(ahead[i]);
      }
    }
    return ahead;
  }

  void find_ahead(const std::vector<Key>& ahead, std::uint64_t step, std::uint32_t layer, std::uint32_t request,
                  std::vector<Key>& missed, PrefetchCounts& counts) const {
    for (const Key key : ahead) {
      const bool missing = std::ranges::find(missed, key) != missed.end();
      bool selected = false;
      for (const std::uint32_t id : logged(step, layer, request, 0)) {
        selected = selected || key_of(layer, request, id) == key;
      }
      if (config_.prefetch.into == PrefetchInto::side && missing) {
        ++counts.avoided;
        std::erase(missed, key);
      }
      counts.useful += selected && (config_.prefetch.into == PrefetchInto::side || !missing) ? 1U : 0U;
    }
  }

  /// One selection, or what several select together.
  void select(SelectionOrigin from, std::uint32_t number, const std::vector<Key>& keys, PlainCounters& counters,
              std::vector<Key>& missed) {
    if (!caches_.contains(number)) {
      missed.insert(missed.end(), keys.begin(), keys.end());
      for (const Key key : keys) {
        counters.compulsory_misses += touched_[number].insert(key).second ? 1U : 0U;
      }
      at_ += keys.size();
      return;
    }
    std::vector<NextUse> next_uses;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      next_uses.push_back(next_use_after_access(at_ + i));
    }
    std::vector<std::uint16_t> scores;
    for (const Key key : keys) {  // as write_trace() writes them
      scores.push_back(static_cast<std::uint16_t>(31 * (key - from.base)));
    }
    from.scores = scores;
    const std::size_t missed_before = missed.size();
    const SelectionOutcome outcome = caches_.at(number).select(from, keys, next_uses, missed);
    counters.cache_hits += keys.size() - (missed.size() - missed_before);
    at_ += keys.size();
    counters.compulsory_misses += outcome.compulsory_misses;
    counters.evictions += outcome.evictions;
  }

  /// `serial` memory: one time for the gather of all requests, in each layer of the group, shared out by missed rows.
  void price(std::uint32_t layer, std::vector<PlainRow>& rows) const {
    std::uint64_t pages = 0;
    std::uint64_t misses = 0;
    for (const PlainRow& row : rows) {
      pages += row.counters.missed_pages;
      misses += row.counters.demand_misses();
    }
    if (misses == 0) {
      return;
    }
    const double ns = static_cast<double>(pages * trace_.header.kv_rows(layer)) * config_.memory.serial_miss_ns();
    const auto total = static_cast<std::uint64_t>(std::floor(ns + 0.5));
    std::uint64_t left = total;
    std::vector<std::uint64_t> remainders;
    for (PlainRow& row : rows) {
      const std::uint64_t product = total * row.counters.demand_misses();
      row.counters.gather_ns = product / misses;
      left -= row.counters.gather_ns;
      remainders.push_back(product % misses);
    }
    for (; left > 0; --left) {
      const auto largest = std::max_element(remainders.begin(), remainders.end());  // of equals, the first
      ++rows[static_cast<std::size_t>(largest - remainders.begin())].counters.gather_ns;
      *largest = 0;
    }
  }

  const PlainTrace& trace_;
  const ReplayConfig& config_;
  std::vector<std::uint64_t> row_bytes_;
  std::vector<std::uint64_t> capacity_entries_;
  bool foresees_;
  std::map<std::uint32_t, ReferenceCache> caches_;
  std::map<std::uint32_t, std::set<Key>> touched_;  ///< by cache without capacity
  std::set<std::uint32_t> left_buffer_;             ///< caches whose stream's context has outgrown them
  /// By layer and request: see PlainPrediction::orders().
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::map<std::uint64_t, std::vector<std::uint32_t>>> guesses_;
  std::vector<Event> events_;
  std::size_t at_ = 0;  ///< the next event
};

}  // namespace dsasim::test
