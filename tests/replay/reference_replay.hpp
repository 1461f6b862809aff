#pragma once

// A whole replay once more, from the contract's words alone, as plain as it can be written: nested loops, sets and
// linear searches. The fast replay is compared with it, row by row.

#include "cache/reference_cache.hpp"
#include "dsasim/replay/replay.hpp"
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
  std::uint64_t compulsory_misses = 0;
  std::uint64_t evictions = 0;
  std::uint64_t fetched_rows = 0;
  std::uint64_t missed_pages = 0;
  std::uint64_t gather_ns = 0;

  std::uint64_t misses() const { return accesses - hits; }
  PlainCounters& operator+=(const PlainCounters& other) {
    accesses += other.accesses;
    hits += other.hits;
    compulsory_misses += other.compulsory_misses;
    evictions += other.evictions;
    fetched_rows += other.fetched_rows;
    missed_pages += other.missed_pages;
    gather_ns += other.gather_ns;
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
  return fmt::format("accesses {} hits {} compulsory {} evictions {} rows {} pages {} ns {}", c.accesses, c.hits,
                     c.compulsory_misses, c.evictions, c.fetched_rows, c.missed_pages, c.gather_ns);
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

inline std::uint64_t batch_steps(const PlainTrace& trace) {
  std::uint64_t last = 0;
  for (std::size_t request = 0; request < trace.requests.size(); ++request) {
    last = std::max<std::uint64_t>(last, trace.header.requests[request].start_step + trace.requests[request].size());
  }
  return last;
}

/// Of a layer's caches. Fractions round down; a group's entry costs its bytes times the group's size.
inline std::uint64_t capacity_entries(const PlainTrace& trace, const PlainCapacity& capacity, std::uint64_t entry_bytes,
                                      std::size_t layer) {
  std::uint64_t whole = capacity.numerator;
  std::uint64_t parts = capacity.denominator;
  if (capacity.unit == Capacity::Unit::longest_selection) {
    whole *= longest_selection(trace);
  } else if (capacity.unit == Capacity::Unit::context) {
    std::uint64_t longest = 0;
    for (std::size_t request = 0; request < trace.requests.size(); ++request) {
      longest = std::max(longest, trace.header.requests[request].prompt_tokens + trace.requests[request].size());
    }
    whole *= longest / trace.header.unit_tokens;
  } else if (capacity.unit == Capacity::Unit::bytes) {
    parts *= entry_bytes * trace.header.layers[layer].group_size;
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
        capacity_entries_(std::move(capacity_entries)),
        foresees_(policy_needs(config.policy).future) {}

  std::vector<PlainRow> run() {
    list_events();
    make_caches();
    preload();
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
        if (step >= config_.steps->first + config_.warmup_steps) {
          counted.insert(counted.end(), rows.begin(), rows.end());
        }
      }
    }
    return counted;
  }

 private:
  /// What reaches a cache: an access, or an entry put in without one.
  struct Event {
    std::uint32_t cache;
    Key key;
    bool is_insert;
  };

  std::uint32_t layers() const { return static_cast<std::uint32_t>(trace_.header.layers.size()); }
  std::uint32_t requests() const { return static_cast<std::uint32_t>(trace_.requests.size()); }

  bool decodes(std::uint32_t request, std::uint64_t step) const {
    const std::uint64_t start = trace_.header.requests[request].start_step;
    return step >= start && step - start < trace_.requests[request].size();
  }

  std::uint32_t cache_of(std::uint32_t layer, std::uint32_t request) const {
    switch (config_.scope) {
      case Scope::shared:
        return 0;
      case Scope::layer:
        return layer;
      case Scope::request:
        return request;
      case Scope::stream:
        break;
    }
    return layer * requests() + request;
  }
  std::uint64_t capacity_of(std::uint32_t layer, std::uint32_t request) const {
    return capacity_entries_.size() == layers() ? capacity_entries_[layer]
                                                : capacity_entries_[layer * requests() + request];
  }
  Key key_of(std::uint32_t layer, std::uint32_t request, std::uint32_t id) const {
    return (layer * requests() + request) * 100'000 + id;
  }

  SelectionOrigin origin_of(std::uint64_t step, std::uint32_t layer, std::uint32_t request) const {
    const std::uint64_t context = context_of(step, request);
    const bool positions = trace_.header.ids == IdKind::logical && context > 0;
    return {.base = key_of(layer, request, 0), .step = step, .query = positions ? context - 1 : 0};
  }

  const PlainSelection& logged(std::uint64_t step, std::uint32_t layer, std::uint32_t request) const {
    return trace_.requests[request][step - trace_.header.requests[request].start_step][layer];
  }

  /// The entry at the query's own position: with units of several tokens, it exists at their last token's step.
  std::optional<std::uint32_t> new_entry(std::uint64_t step, std::uint32_t layer, std::uint32_t request) const {
    const RequestInfo& info = trace_.header.requests[request];
    const std::uint64_t position = info.prompt_tokens + (step - info.start_step);
    const bool complete = (position + 1) % trace_.header.unit_tokens == 0;
    if (!complete || capacity_of(layer, request) == 0) {
      return std::nullopt;
    }
    return static_cast<std::uint32_t>(position / trace_.header.unit_tokens);
  }
  std::optional<std::uint32_t> allocated(std::uint64_t step, std::uint32_t layer, std::uint32_t request) const {
    return config_.new_token == NewToken::allocate ? new_entry(step, layer, request) : std::nullopt;
  }

  std::uint64_t context_of(std::uint64_t step, std::uint32_t request) const {
    const RequestInfo& info = trace_.header.requests[request];
    return (info.prompt_tokens + (step - info.start_step) + 1) / trace_.header.unit_tokens;
  }
  /// SGLang's buffer: a context that fits it lives in it.
  bool lives_in_buffer(std::uint64_t context, std::uint32_t layer, std::uint32_t request) const {
    return config_.policy.name == "hisparse" && config_.scope == Scope::stream &&
           config_.new_token == NewToken::pinned && context <= capacity_of(layer, request);
  }
  /// An entry outside the cache, so that its access is a hit and not the cache's.
  bool is_resident(std::uint64_t step, std::uint32_t layer, std::uint32_t request, std::uint32_t id) const {
    const std::uint64_t context = context_of(step, request);
    if (capacity_of(layer, request) == 0 || trace_.header.ids == IdKind::physical) {
      return false;
    }
    const bool pinned = config_.new_token == NewToken::pinned && id + 1 == context;
    const bool in_recent_block = id / 64 + config_.resident_blocks > (context - 1) / 64;
    return pinned || in_recent_block || lives_in_buffer(context, layer, request);
  }

  /// The selection in the order of its accesses, without the resident entries.
  std::vector<Key> accesses(std::uint64_t step, std::uint32_t layer, std::uint32_t request) const {
    PlainSelection ids = logged(step, layer, request);
    if (config_.order == Order::ascending) {
      std::sort(ids.begin(), ids.end());
    }
    std::vector<Key> keys;
    for (const std::uint32_t id : ids) {
      if (!is_resident(step, layer, request, id)) {
        keys.push_back(key_of(layer, request, id));
      }
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
          if (const auto entry = allocated(step, layer, request)) {
            events_.push_back({.cache = cache, .key = key_of(layer, request, *entry), .is_insert = true});
          }
          for (const Key key : accesses(step, layer, request)) {
            events_.push_back({.cache = cache, .key = key, .is_insert = false});
          }
        }
      }
    }
  }

  /// Belady's knowledge, by looking forward: accesses of this cache from event `from` on, until one of the key.
  NextUse search(std::size_t from, std::uint32_t cache, Key key) const {
    if (!foresees_) {
      return never_again;  // nobody asks
    }
    NextUse distance = 0;
    for (std::size_t i = from; i < events_.size(); ++i) {
      if (events_[i].cache == cache && !events_[i].is_insert) {
        if (events_[i].key == key) {
          return distance;
        }
        ++distance;
      }
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
        if (capacity_of(layer, request) > 0 && !caches_.contains(number)) {
          caches_.emplace(
              number, ReferenceCache(config_.policy, capacity_of(layer, request), number, longest_selection(trace_)));
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
        std::uint64_t prompt_entries;
        std::uint64_t share;
      };
      std::vector<Stream> streams;
      std::uint64_t left = 0;
      for (std::uint32_t layer = 0; layer < layers(); ++layer) {
        for (std::uint32_t request = 0; request < requests(); ++request) {
          if (cache_of(layer, request) == number) {
            left = capacity_of(layer, request);
            const std::uint64_t prompt = trace_.header.requests[request].prompt_tokens / trace_.header.unit_tokens;
            streams.push_back({.layer = layer, .request = request, .prompt_entries = prompt, .share = 0});
          }
        }
      }
      // Dealt like cards: a stream whose prompt is used up is passed over.
      for (bool any = true; any;) {
        any = false;
        for (Stream& stream : streams) {
          if (left > 0 && stream.share < stream.prompt_entries) {
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
            position = round;
          } else if (config_.warm == Warm::prompt_tail && round < stream.share) {
            position = stream.prompt_entries - stream.share + round;
          }
          if (position) {
            const Key key = key_of(stream.layer, stream.request, static_cast<std::uint32_t>(*position));
            cache.insert(key, search(0, number, key));
          }
        }
      }
    }
  }

  /// When a context that lived in the buffer has outgrown it: the first positions are in it, the first is the oldest.
  void leave_buffer(std::uint64_t step, std::uint32_t layer, std::uint32_t request) {
    const std::uint64_t prompt = trace_.header.requests[request].prompt_tokens / trace_.header.unit_tokens;
    const std::uint32_t number = cache_of(layer, request);
    if (!lives_in_buffer(prompt, layer, request) || lives_in_buffer(context_of(step, request), layer, request) ||
        capacity_of(layer, request) == 0 || !left_buffer_.insert(number).second) {
      return;
    }
    caches_.at(number) = ReferenceCache(config_.policy, capacity_of(layer, request), number, longest_selection(trace_));
    for (std::uint32_t id = 0; id < capacity_of(layer, request); ++id) {
      caches_.at(number).insert(key_of(layer, request, id), never_again);
    }
  }

  PlainCounters select(std::uint64_t step, std::uint32_t layer, std::uint32_t request) {
    leave_buffer(step, layer, request);
    const std::uint32_t number = cache_of(layer, request);
    const auto entry = allocated(step, layer, request);
    const std::vector<Key> keys = accesses(step, layer, request);
    PlainCounters counters{.accesses = logged(step, layer, request).size()};
    std::vector<Key> missed;
    if (capacity_of(layer, request) == 0) {
      missed = keys;
      for (const Key key : keys) {
        counters.compulsory_misses += touched_[number].insert(key).second ? 1U : 0U;
      }
      at_ += keys.size();
    } else {
      ReferenceCache& cache = caches_.at(number);
      if (entry) {
        const Key key = key_of(layer, request, *entry);
        counters.evictions += cache.insert(key, search(at_ + 1, number, key));
        ++at_;
      }
      std::vector<NextUse> next_uses;
      for (std::size_t i = 0; i < keys.size(); ++i) {
        next_uses.push_back(next_use_after_access(at_ + i));
      }
      SelectionOrigin from = origin_of(step, layer, request);
      std::vector<std::uint16_t> scores;
      for (const Key key : keys) {  // as write_trace() writes them
        scores.push_back(static_cast<std::uint16_t>(31 * (key - from.base)));
      }
      from.scores = scores;
      const SelectionOutcome outcome = cache.select(from, keys, next_uses, missed);
      at_ += keys.size();
      counters.compulsory_misses = outcome.compulsory_misses;
      counters.evictions += outcome.evictions;
    }
    counters.hits = counters.accesses - missed.size();
    counters.fetched_rows = missed.size() * trace_.header.layers[layer].group_size;
    std::set<std::uint64_t> pages;
    for (const Key key : missed) {
      const std::uint64_t token = std::uint64_t{key - key_of(layer, request, 0)} * trace_.header.unit_tokens;
      pages.insert(token / *config_.page_tokens);
    }
    counters.missed_pages = pages.size();
    return counters;
  }

  /// `serial` memory: one time for the gather of all requests, in each layer of the group, shared out by missed rows.
  void price(std::uint32_t layer, std::vector<PlainRow>& rows) const {
    std::uint64_t pages = 0;
    std::uint64_t misses = 0;
    for (const PlainRow& row : rows) {
      pages += row.counters.missed_pages;
      misses += row.counters.misses();
    }
    if (misses == 0) {
      return;
    }
    const double ns =
        static_cast<double>(pages * trace_.header.layers[layer].group_size) * config_.memory.serial_miss_ns();
    const auto total = static_cast<std::uint64_t>(std::floor(ns + 0.5));
    std::uint64_t left = total;
    std::vector<std::uint64_t> remainders;
    for (PlainRow& row : rows) {
      const std::uint64_t product = total * row.counters.misses();
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
  std::vector<std::uint64_t> capacity_entries_;
  bool foresees_;
  std::map<std::uint32_t, ReferenceCache> caches_;
  std::map<std::uint32_t, std::set<Key>> touched_;  ///< by cache without capacity
  std::set<std::uint32_t> left_buffer_;             ///< caches whose stream's context has outgrown them
  std::vector<Event> events_;
  std::size_t at_ = 0;  ///< the next event
};

}  // namespace dsasim::test
