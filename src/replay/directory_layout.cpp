#include "replay/directory_layout.hpp"

#include "dsasim/error.hpp"
#include "replay/access_order.hpp"

#include <algorithm>

namespace dsasim {
namespace {

/// Ids of one stream: those in the trace, and all positions if the configuration puts some in by itself.
std::uint64_t ids_of(const TraceReader& trace, const ReplayConfig& config, std::uint32_t request) {
  const RequestExtent& extent = trace.extent(request);
  if (config.warm == Warm::none && config.new_token == NewToken::demand) {
    return extent.id_limit;
  }
  const TraceHeader& header = trace.header();
  const std::uint64_t positions = (header.requests[request].prompt_tokens + extent.steps) / header.unit_tokens;
  return std::max(positions, extent.id_limit);  // which an entry that is being filled may exceed
}

/// How many of its `ids` are ever in a cache that preload() leaves empty.
std::uint64_t used_ids_of(const TraceReader& trace, const ReplayConfig& config, std::uint32_t request,
                          std::uint64_t ids) {
  const RequestExtent& extent = trace.extent(request);
  const std::uint64_t inserted = config.new_token == NewToken::demand ? 0 : extent.steps;
  return std::min(ids, extent.layer_accesses + inserted);
}

std::uint32_t cache_of(Scope scope, std::uint32_t layer, std::uint32_t request, std::uint32_t requests) {
  switch (scope) {
    case Scope::shared:
      return 0;
    case Scope::layer:
      return layer;
    case Scope::request:
      return request;
    case Scope::stream:
      break;
  }
  return layer * requests + request;
}

/// Of one number for all, one for each layer, or one for each stream.
std::uint64_t capacity_of(std::span<const std::uint64_t> capacity_entries, std::uint32_t layer, std::uint32_t request,
                          std::uint32_t layers, std::uint32_t requests) {
  if (capacity_entries.size() == 1) {
    return capacity_entries[0];
  }
  return capacity_entries.size() == layers ? capacity_entries[layer]
                                           : capacity_entries[std::size_t{layer} * requests + request];
}

}  // namespace

DirectoryLayout make_layout(const TraceReader& trace, const ReplayConfig& config,
                            std::span<const std::uint64_t> capacity_entries) {
  const std::uint32_t layers = trace.layer_count();
  const std::uint32_t requests = trace.request_count();
  std::vector<std::uint64_t> entries(std::size_t{cache_of(config.scope, layers - 1, requests - 1, requests)} + 1);
  const bool preloads = config.warm != Warm::none || keeps_fitting_context(config);
  DirectoryLayout layout;
  layout.caches.resize(entries.size());
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    for (std::uint32_t request = 0; request < requests; ++request) {
      const std::uint32_t cache = cache_of(config.scope, layer, request, requests);
      const std::uint64_t base = entries[cache];
      const std::uint64_t ids = (ids_of(trace, config, request) + 63) / 64 * 64;  // sets begin at whole words
      entries[cache] += ids;
      constexpr std::uint64_t most = 0xFFFF'FFF0;
      if (entries[cache] > most) {
        throw ConfigError("`scope`", "the streams of one cache have {} ids together, at most {} can be told apart",
                          entries[cache], most);
      }
      layout.caches[cache].used_entries += preloads ? ids : used_ids_of(trace, config, request, ids);
      layout.caches[cache].capacity_entries = capacity_of(capacity_entries, layer, request, layers, requests);
      layout.caches[cache].streams.push_back(static_cast<std::uint32_t>(layout.streams.size()));
      layout.streams.push_back(
          {.layer = layer, .request = request, .cache = cache, .base = static_cast<std::uint32_t>(base)});
    }
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    layout.caches[i].directory_entries = static_cast<std::uint32_t>(entries[i]);
  }
  return layout;
}

}  // namespace dsasim
