#pragma once

#include "dsasim/replay/replay.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace dsasim {

/// Misses at many capacities, from one pass over a trace.
struct CurveConfig {
  ReplayConfig replay;               ///< all but its capacity (and no list of them), memory and pages
  std::vector<Capacity> capacities;  ///< none: every capacity at which misses change
  bool histograms = false;           ///< of reuse; for lru without preloads
  bool streams = false;              ///< count those of a layer apart as well; for lru without preloads
};

struct CurvePoint {
  std::uint64_t capacity_entries = 0;
  std::uint64_t misses = 0;
  friend bool operator==(const CurvePoint&, const CurvePoint&) = default;
};

/// Accesses whose distance lies in [first, last].
struct ReuseBin {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t accesses = 0;
  friend bool operator==(const ReuseBin&, const ReuseBin&) = default;
};

/// Of all accesses but those of entries never used before. Bins of one distance below 16, above four to an octave;
/// empty ones are left out.
struct ReuseHistograms {
  std::vector<ReuseBin> distance_entries;  ///< reuse distance: other entries of the cache used in between
  std::vector<ReuseBin> interval_steps;    ///< inter-reference time: steps since the entry's last use
};

struct Curve {
  std::uint64_t accesses = 0;
  std::uint64_t compulsory_misses = 0;
  std::vector<CurvePoint> points;  ///< as named, or ascending from 0
  std::optional<ReuseHistograms> histograms;
};

struct CurveResult {
  EffectiveConfig config;  ///< of the first capacity, or of any if none is named
  std::vector<Capacity> capacities;
  std::vector<Reservation> reservations;  ///< by capacity: what all caches hold together
  Curve total;
  std::vector<Curve> layers;
  std::vector<Curve> streams;  ///< if asked for, layer * requests + request
};

/// Whether a configuration's misses at all capacities come from one pass: lru without preloads, of a trace whose
/// streams have one selection a step and share no KV store.
bool is_stack(const TraceHeader& header, const ReplayConfig& config);

/// Misses of `lru` come from stack distances (Mattson et al., 1970): an access hits every cache that holds more entries
/// than were used since its entry's last use. One pass gives all capacities. Other policies, and lru with preloads, are
/// replayed at each named capacity, with one decoding of the trace and one look into the future for all.
///
/// Each point is what replay() counts, on any number of jobs. Throws as replay() does, and ConfigError where capacities
/// have to be named, or histograms cannot be had. Memory of lru: 5 bytes for each id of each stream, and with no
/// capacities named 8 bytes for each distance that occurs in each layer (or stream); nothing grows with the steps.
CurveResult curve(const TraceReader& trace, const CurveConfig& config, const ReplayHooks& hooks = {},
                  std::uint32_t jobs = 1);

}  // namespace dsasim
