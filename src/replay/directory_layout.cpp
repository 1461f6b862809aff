#include "replay/directory_layout.hpp"

#include "dsasim/error.hpp"

#include <unistd.h>

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
  return (header.requests[request].prompt_tokens + extent.steps) / header.unit_tokens;
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

void check_memory(const TraceReader& trace, std::uint64_t directory_entries) {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page_bytes = ::sysconf(_SC_PAGE_SIZE);
  const double needed = static_cast<double>(directory_entries) * sizeof(std::uint32_t);
  const double machine = static_cast<double>(pages) * static_cast<double>(page_bytes);
  if (pages > 0 && needed > machine) {
    constexpr double gib = 1ULL << 30U;
    throw SystemError(trace.name(), "the directories of its streams need {:.1f} GiB, this machine has {:.1f} GiB",
                      needed / gib, machine / gib);
  }
}

}  // namespace

DirectoryLayout make_layout(const TraceReader& trace, const ReplayConfig& config,
                            std::span<const std::uint64_t> capacity_entries) {
  const std::uint32_t layers = trace.layer_count();
  const std::uint32_t requests = trace.request_count();
  std::vector<std::uint64_t> entries(std::size_t{cache_of(config.scope, layers - 1, requests - 1, requests)} + 1);
  std::uint64_t total = 0;
  DirectoryLayout layout;
  layout.caches.resize(entries.size());
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    for (std::uint32_t request = 0; request < requests; ++request) {
      const std::uint32_t cache = cache_of(config.scope, layer, request, requests);
      const std::uint64_t base = entries[cache];
      const std::uint64_t ids = (ids_of(trace, config, request) + 63) / 64 * 64;  // sets begin at whole words
      entries[cache] += ids;
      total += ids;
      constexpr std::uint64_t most = 0xFFFF'FFF0;
      if (entries[cache] > most) {
        throw ConfigError("--scope", "the streams of one cache have {} ids together, at most {} can be told apart",
                          entries[cache], most);
      }
      layout.caches[cache].capacity_entries =
          capacity_entries[std::min<std::size_t>(layer, capacity_entries.size() - 1)];
      layout.caches[cache].streams.push_back(static_cast<std::uint32_t>(layout.streams.size()));
      layout.streams.push_back(
          {.layer = layer, .request = request, .cache = cache, .base = static_cast<std::uint32_t>(base)});
    }
  }
  check_memory(trace, total);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    layout.caches[i].directory_entries = static_cast<std::uint32_t>(entries[i]);
  }
  return layout;
}

}  // namespace dsasim
