#include "replay/preload.hpp"

#include "replay/access_order.hpp"

#include <algorithm>

namespace dsasim {
namespace {

/// How many entries of each stream's prompt a cache of this capacity takes, one of each stream in turn.
std::vector<std::uint64_t> shares(std::span<const std::uint64_t> prompt_entries, std::uint64_t capacity_entries) {
  std::vector<std::uint64_t> taken(prompt_entries.size(), 0);
  std::uint64_t left = capacity_entries;
  for (bool any = true; any && left > 0;) {
    // As many whole rounds at once as every stream that has some left can give.
    std::uint64_t open = 0;
    std::uint64_t least = ~std::uint64_t{0};
    for (std::size_t i = 0; i < taken.size(); ++i) {
      if (taken[i] < prompt_entries[i]) {
        ++open;
        least = std::min(least, prompt_entries[i] - taken[i]);
      }
    }
    any = open > 0;
    const std::uint64_t rounds = any ? std::min(least, std::max<std::uint64_t>(left / open, 1)) : 0;
    for (std::size_t i = 0; i < taken.size() && left > 0; ++i) {
      if (taken[i] < prompt_entries[i]) {
        const std::uint64_t more = std::min(rounds, left);
        taken[i] += more;
        left -= more;
      }
    }
  }
  return taken;
}

void insert(Cache& cache, std::uint32_t cache_number, std::uint32_t base, std::uint64_t position, Future* future) {
  const EntryId entry{static_cast<std::uint32_t>(position)};
  if (future != nullptr) {
    const NextUse first_use = future->first_use(cache_number, base + value(entry));
    cache.foresee({&first_use, 1});
  }
  cache.insert(base, entry);
}

/// Whole ones.
std::uint64_t prompt_units_of(const TraceHeader& header, const DirectoryLayout::Stream& stream) {
  return header.requests[stream.request].prompt_tokens / stream.unit.tokens;
}

/// The stream's buffer as it is at the first step whose context does not fit, if there is one: nothing changes it
/// before. So positions that are yet to come can go in at once.
void fill_with_first_positions(Cache& cache, std::uint32_t number, const DirectoryLayout& layout, Future* future) {
  const DirectoryLayout::CacheShape& shape = layout.caches[number];
  if (shape.policy_slots() < shape.directory_entries) {
    for (std::uint64_t position = 0; position < shape.policy_slots(); ++position) {
      insert(cache, number, layout.streams[shape.streams.front()].base, position, future);
    }
  }
}

/// Positions [first, last) of a stream's prompt that are not pinned before the first step.
struct Unpinned {
  std::uint64_t first;
  std::uint64_t last;
};

Unpinned unpinned_of(const TraceReader& trace, const ReplayConfig& config, const DirectoryLayout::Stream& stream) {
  const RequestInfo& request = trace.header().requests[stream.request];
  const std::uint64_t begin = config.steps ? config.steps->first : 0;
  const std::uint64_t own = begin - std::min<std::uint64_t>(begin, request.start_step);
  Unpinned range{.first = 0, .last = prompt_units_of(trace.header(), stream)};
  if (config.pins.any() && own < trace.extent(stream.request).steps) {
    const std::uint64_t recent =
        first_of_newest(config.pins.recent_entries, trace.queries(stream.request, own).context_tokens,
                        trace.header().unit_of(stream.layer));
    range.last = std::min(range.last, recent);
    range.first = std::min<std::uint64_t>(config.pins.sink_entries, range.last);
  }
  return range;
}

void fill(Cache& cache, std::uint32_t number, const DirectoryLayout& layout, const TraceReader& trace,
          const ReplayConfig& config, Future* future) {
  const auto& streams = layout.caches[number].streams;
  std::vector<Unpinned> ranges;
  std::vector<std::uint64_t> prompt_entries;
  for (const std::uint32_t stream : streams) {
    ranges.push_back(unpinned_of(trace, config, layout.streams[stream]));
    prompt_entries.push_back(ranges.back().last - ranges.back().first);
  }
  const auto taken = shares(prompt_entries, layout.caches[number].policy_slots());
  const std::uint64_t rounds = *std::max_element(taken.begin(), taken.end());
  for (std::uint64_t round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < streams.size(); ++i) {
      const std::uint64_t from = config.warm == Warm::first ? ranges[i].first : ranges[i].last - taken[i];
      if (round < taken[i]) {
        insert(cache, number, layout.streams[streams[i]].base, from + round, future);
      }
    }
  }
}

}  // namespace

void preload(std::span<const std::unique_ptr<Cache>> caches, const DirectoryLayout& layout, const TraceReader& trace,
             const ReplayConfig& config, Future* future) {
  const bool keeps_fitting = keeps_fitting_context(config);
  for (std::uint32_t number = 0; number < caches.size(); ++number) {
    const DirectoryLayout::Stream& stream = layout.streams[layout.caches[number].streams.front()];
    const std::uint64_t prompt_tokens = trace.header().requests[stream.request].prompt_tokens;
    if (keeps_fitting && prompt_tokens / trace.header().unit_of(stream.layer) <= layout.capacity(stream)) {
      fill_with_first_positions(*caches[number], number, layout, future);
    } else if (config.warm != Warm::none) {
      fill(*caches[number], number, layout, trace, config, future);
    }
  }
}

}  // namespace dsasim
