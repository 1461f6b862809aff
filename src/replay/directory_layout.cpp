#include "replay/directory_layout.hpp"

#include "dsasim/error.hpp"
#include "replay/access_order.hpp"

#include <algorithm>
#include <optional>

namespace dsasim {
namespace {

/// Entries of one stream: those in the trace, and all positions if the configuration puts some in by itself.
std::uint64_t entries_of(const TraceReader& trace, const ReplayConfig& config, std::uint32_t layer,
                         std::uint32_t request) {
  const RequestExtent& extent = trace.extent(request);
  if (config.warm == Warm::none && config.new_token == NewToken::demand && config.pins.recent_entries == 0) {
    return extent.id_limit;
  }
  const TraceHeader& header = trace.header();
  const std::uint64_t tokens = header.requests[request].prompt_tokens + extent.accepted;
  const std::uint32_t unit = header.unit_of(layer);
  // An entry that is being filled may be selected; its tokens one by one are also put in.
  const std::uint64_t positions = config.granularity.tokens ? begun_entries(tokens, unit) : tokens / unit;
  return std::max(positions, extent.id_limit);
}

/// How many of its `ids` are ever in a cache that preload() leaves empty.
std::uint64_t used_ids_of(const TraceReader& trace, const ReplayConfig& config, std::uint32_t request,
                          const CacheUnit& unit, std::uint64_t ids) {
  const RequestExtent& extent = trace.extent(request);
  const bool inserts = config.new_token != NewToken::demand || config.pins.recent_entries > 0;
  const std::uint64_t inserted = inserts ? std::max(extent.steps, extent.accepted) : 0;
  return std::min(ids, (extent.layer_accesses + inserted) * unit.parts);
}

std::uint32_t cache_of(Scope scope, std::uint32_t store, std::uint32_t request, std::uint32_t requests) {
  switch (scope) {
    case Scope::shared:
      return 0;
    case Scope::layer:
      return store;
    case Scope::request:
      return request;
    case Scope::stream:
      break;
  }
  return store * requests + request;
}

/// By layer: the number of its KV store, in the order of the layers that own one.
std::vector<std::uint32_t> number_stores(const TraceHeader& header) {
  std::vector<std::uint32_t> number_of(header.layers.size());
  std::uint32_t stores = 0;
  for (std::uint32_t layer = 0; layer < number_of.size(); ++layer) {
    number_of[layer] = header.store(layer).kv_owner == layer ? stores++ : 0;
  }
  for (std::uint32_t layer = 0; layer < number_of.size(); ++layer) {
    number_of[layer] = number_of[header.store(layer).kv_owner];
  }
  return number_of;
}

/// What the pins of a stream may hold at once.
std::uint64_t pinned_of_stream(const TraceReader& trace, const ReplayConfig& config, std::uint32_t layer) {
  const Pins& pins = config.pins;
  const std::uint64_t drafts = begun_entries(std::max(trace.most_queries(), 1U) - 1, trace.header().unit_of(layer));
  return std::uint64_t{pins.sink_entries} +
         (pins.recent_entries == 0 ? 0 : std::uint64_t{pins.recent_entries} + drafts);
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
  const std::vector<std::uint32_t> store_of = number_stores(trace.header());
  const std::vector<CacheUnit> units = cache_units(trace.header(), config.granularity);
  const std::uint32_t stores = *std::max_element(store_of.begin(), store_of.end()) + 1;
  std::vector<std::uint64_t> entries(std::size_t{cache_of(config.scope, stores - 1, requests - 1, requests)} + 1);
  std::vector<std::optional<std::uint32_t>> first_stream(std::size_t{stores} * requests);  // that reads it
  const bool fetches_any = config.prefetch.any() && config.prefetch.into == PrefetchInto::buffer;
  const bool fills_any = config.warm != Warm::none || keeps_fitting_context(config) || fetches_any;
  DirectoryLayout layout;
  layout.caches.resize(entries.size());
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    for (std::uint32_t request = 0; request < requests; ++request) {
      const auto number = static_cast<std::uint32_t>(layout.streams.size());
      auto& first = first_stream[std::size_t{store_of[layer]} * requests + request];
      const std::uint32_t cache = cache_of(config.scope, store_of[layer], request, requests);
      DirectoryLayout::CacheShape& shape = layout.caches[cache];
      shape.capacity_entries = capacity_of(capacity_entries, layer, request, layers, requests);
      const CacheUnit unit = unit_at(units[layer], shape.capacity_entries);
      shape.unit = unit;
      const std::uint64_t wanted = unit.ids(entries_of(trace, config, layer, request));
      const std::uint64_t ids = (wanted + 63) / 64 * 64;  // sets begin at whole words
      const std::uint64_t used = fills_any ? ids : used_ids_of(trace, config, request, unit, ids);
      if (first) {
        shape.used_entries += used;  // more than there are, perhaps: both may select the same
        layout.streams.push_back(layout.streams[*first]);
        layout.streams.back().layer = layer;
        continue;
      }
      first = number;
      if (shape.capacity_entries > 0) {
        shape.pinned_entries += pinned_of_stream(trace, config, layer);
      }
      const std::uint64_t base = entries[cache];
      entries[cache] += ids;
      constexpr std::uint64_t most = 0xFFFF'FFF0;
      if (entries[cache] > most) {
        throw ConfigError("`scope`", "the streams of one cache have {} ids together, at most {} can be told apart",
                          entries[cache], most);
      }
      shape.used_entries += used;
      shape.streams.push_back(number);
      layout.streams.push_back(
          {.layer = layer, .request = request, .cache = cache, .base = static_cast<std::uint32_t>(base), .unit = unit});
    }
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    layout.caches[i].directory_entries = static_cast<std::uint32_t>(entries[i]);
    layout.caches[i].used_entries = std::min(layout.caches[i].used_entries, entries[i]);
  }
  return layout;
}

std::uint64_t pinned_entries(const TraceReader& trace, const ReplayConfig& config, std::uint32_t layer) {
  const bool of_one_layer = config.scope == Scope::layer || config.scope == Scope::stream;
  std::uint64_t entries = of_one_layer ? pinned_of_stream(trace, config, layer) : 0;
  for (std::uint32_t owner = 0; owner < trace.layer_count() && !of_one_layer; ++owner) {
    entries += trace.header().store(owner).kv_owner == owner ? pinned_of_stream(trace, config, owner) : 0;
  }
  return entries * (config.scope == Scope::shared || config.scope == Scope::layer ? trace.request_count() : 1);
}

}  // namespace dsasim
