#pragma once

#include "dsasim/replay/replay.hpp"
#include "replay/cache_unit.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// Which cache serves which stream, and where in its directory the stream's units begin. Streams of a request whose
/// layers read one KV store have one place there: an entry is one of the store's.
struct DirectoryLayout {
  struct Stream {
    std::uint32_t layer = 0;
    std::uint32_t request = 0;
    std::uint32_t cache = 0;
    std::uint32_t base = 0;
    CacheUnit unit = {};  ///< the same in all streams of a cache that reserves anything
  };
  struct CacheShape {
    std::uint32_t directory_entries = 0;  ///< units, like used_entries
    std::uint64_t capacity_entries = 0;
    std::uint64_t pinned_entries = 0;  ///< of them, slots of the streams' pins
    std::uint64_t used_entries = 0;    ///< no more are ever in it: those that the trace selects or a replay puts in
    CacheUnit unit = {};
    /// Numbers of its streams, ascending; of those with one store, the first.
    std::vector<std::uint32_t> streams;

    /// What the policy replaces in. Pins are of entries.
    std::uint64_t policy_slots() const noexcept { return unit.slots(capacity_entries - pinned_entries); }
  };

  std::vector<Stream> streams;  ///< numbered in replay order: layer * requests + request
  /// By scope, numbered by request, by store or as the streams: each layer has its store, or they are fewer.
  std::vector<CacheShape> caches;

  std::uint64_t capacity(const Stream& stream) const noexcept { return caches[stream.cache].capacity_entries; }
  /// Of a cache's policy: its capacity, or all that is ever in it. More would be memory that is never used.
  static std::uint64_t slots(const CacheShape& cache) noexcept {
    return std::min(cache.policy_slots(), cache.used_entries);
  }
  /// What a layout takes, at most: with a cache for each stream.
  static double bytes(std::uint64_t streams) noexcept { return static_cast<double>(streams) * 160; }

  /// False where nothing is reserved: there every access misses, whatever else is configured.
  bool reserves(const Stream& stream) const noexcept { return capacity(stream) > 0; }

  const Stream& stream(std::uint32_t layer, std::uint32_t request, std::uint32_t requests) const noexcept {
    return streams[std::size_t{layer} * requests + request];
  }
};

/// `capacity_entries` as in EffectiveConfig. Throws ConfigError if a cache's streams have more ids than a directory can
/// number.
DirectoryLayout make_layout(const TraceReader& trace, const ReplayConfig& config,
                            std::span<const std::uint64_t> capacity_entries);

}  // namespace dsasim
