#include "dsasim/curve/curve.hpp"

#include "curve/stack_run.hpp"
#include "dsasim/curve/run_all.hpp"
#include "dsasim/error.hpp"
#include "replay/drive.hpp"

#include <algorithm>
#include <iterator>
#include <new>
#include <string>
#include <utility>

namespace dsasim {
namespace {

/// By named capacity, then by layer.
using Capacities = std::vector<std::vector<std::uint64_t>>;

Capacities capacities_by_layer(const TraceReader& trace, const CurveConfig& config,
                               std::vector<Reservation>& reservations) {
  Capacities capacities;
  ReplayConfig at = config.replay;
  for (const Capacity& capacity : config.capacities) {
    at.capacity = capacity;
    EffectiveConfig effective = effective_config(trace, at);
    reservations.push_back(effective.reservation);
    capacities.push_back(std::move(effective.capacity_entries));
    capacities.back().resize(trace.layer_count(), capacities.back().front());
  }
  return capacities;
}

/// Every capacity at which misses change, from 0 on, where all accesses miss.
std::vector<CurvePoint> all_points(const ReuseCounts& counts, std::uint64_t block_entries) {
  std::vector<CurvePoint> points = {{.capacity_entries = 0, .misses = counts.accesses}};
  std::uint64_t misses = counts.accesses - counts.pinned;
  if (counts.pinned != 0 && (counts.counts().empty() || counts.counts()[0] == 0)) {
    points.push_back({.capacity_entries = block_entries, .misses = misses});
  }
  for (std::size_t distance = 0; distance < counts.counts().size(); ++distance) {
    if (counts.counts()[distance] != 0) {
      misses -= counts.counts()[distance];
      points.push_back({.capacity_entries = (distance + 1) * block_entries, .misses = misses});
    }
  }
  return points;
}

/// What a curve is at the named capacities; `sorted` are those that the classes of `counts` are made by, in blocks.
std::vector<CurvePoint> points_at(const ReuseCounts& counts, std::span<const std::uint64_t> sorted,
                                  const Capacities& capacities, std::uint64_t block_entries, std::uint32_t layer) {
  std::vector<std::uint64_t> misses = {counts.accesses - counts.pinned};  // by how many of the sorted are smaller
  for (const std::uint64_t hits : counts.counts()) {
    misses.push_back(misses.back() - hits);
  }
  std::vector<CurvePoint> points;
  for (const auto& layers : capacities) {
    const std::uint64_t capacity = layers[layer];
    const auto place = std::lower_bound(sorted.begin(), sorted.end(), capacity / block_entries) - sorted.begin();
    points.push_back({.capacity_entries = capacity,
                      .misses = capacity == 0 ? counts.accesses : misses[static_cast<std::size_t>(place) + 1]});
  }
  return points;
}

Curve make_curve(const ReuseCounts& counts, bool histograms) {
  Curve curve;
  curve.accesses = counts.accesses;
  curve.compulsory_misses = counts.cold;
  if (histograms) {
    curve.histograms = {.distance_entries = counts.distance_entries.bins(),
                        .interval_steps = counts.interval_steps.bins()};
  }
  return curve;
}

CurveResult stack_curve(const TraceReader& trace, const CurveConfig& config, const ReplayHooks& hooks,
                        std::uint32_t jobs) {
  CurveResult result;
  ReplayConfig replay = config.replay;
  const std::uint64_t block_entries = replay.granularity.block_entries;
  replay.capacity =
      config.capacities.empty() ? Capacity::parse(std::to_string(block_entries)) : config.capacities.front();
  result.config = effective_config(trace, replay);
  const Capacities capacities = capacities_by_layer(trace, config, result.reservations);
  std::vector<std::uint64_t> sorted;
  for (const auto& layers : capacities) {
    std::transform(layers.begin(), layers.end(), std::back_inserter(sorted),
                   [&](std::uint64_t capacity) { return capacity / block_entries; });
  }
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  const StackCounting counting{.histograms = config.histograms, .streams = config.streams};
  StackRun run(trace, replay, result.config.steps, all_have_sets(trace), counting, sorted);
  BlockRun* const driven = &run;
  drive(trace, result.config.steps, {&driven, 1}, nullptr, hooks, jobs);

  const auto curve_of = [&](const ReuseCounts& counts, std::uint32_t layer) {
    Curve curve = make_curve(counts, config.histograms);
    curve.points = capacities.empty() ? all_points(counts, block_entries)
                                      : points_at(counts, sorted, capacities, block_entries, layer);
    return curve;
  };
  ReuseCounts total({}, 0);
  for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
    const ReuseCounts counts = run.layer(layer);
    result.layers.push_back(curve_of(counts, layer));
    for (std::uint32_t request = 0; config.streams && request < trace.request_count(); ++request) {
      result.streams.push_back(curve_of(run.stream(layer, request), layer));
    }
    total += counts;
  }
  result.total = make_curve(total, config.histograms);
  if (capacities.empty()) {
    result.total.points = all_points(total, block_entries);
  }
  return result;
}

CurveResult replayed_curve(const TraceReader& trace, const CurveConfig& config, const ReplayHooks& hooks,
                           std::uint32_t jobs) {
  std::vector<ReplayConfig> configs;
  for (const Capacity& capacity : config.capacities) {
    configs.emplace_back(config.replay).capacity = capacity;
  }
  const auto replays = run_all(trace, configs, Wanted::everything, hooks, jobs);
  CurveResult result;
  result.config = replays.front().config;
  result.layers.resize(trace.layer_count());
  const auto add = [](Curve& curve, std::uint64_t capacity_entries, const Counters& counters) {
    curve.accesses = counters.accesses;
    curve.compulsory_misses = counters.compulsory_misses;
    curve.points.push_back({.capacity_entries = capacity_entries, .misses = counters.misses()});
  };
  for (const ReplayResult& replayed : replays) {
    auto capacities = replayed.config.capacity_entries;
    result.reservations.push_back(replayed.config.reservation);
    capacities.resize(trace.layer_count(), capacities.front());
    for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
      add(result.layers[layer], capacities[layer], replayed.layers[layer]);
    }
    result.total.accesses = replayed.totals.accesses;
    result.total.compulsory_misses = replayed.totals.compulsory_misses;
  }
  return result;
}

/// With capacities named, the sum over the layers at each.
void add_total_points(CurveResult& result, std::size_t capacities) {
  for (std::size_t i = 0; i < capacities; ++i) {
    CurvePoint& sum = result.total.points.emplace_back();
    for (const Curve& layer : result.layers) {
      sum.capacity_entries = std::max(sum.capacity_entries, layer.points[i].capacity_entries);
      sum.misses += layer.points[i].misses;
    }
  }
}

/// What replays at named capacities cannot give.
void check_replayed(const TraceReader& trace, const CurveConfig& config) {
  if (config.capacities.empty() || config.histograms || config.streams) {
    trace.require_single_queries("a curve of all capacities, of streams, or with `histograms`");
    if (trace.header().shares_stores()) {
      trace.require_equal_stores("a curve of all capacities, of streams, or with `histograms`");
    }
  }
  if (config.capacities.empty()) {
    throw ConfigError(
        "`capacities`",
        "{}: only lru without preloads, pins and prefetches has its misses at all capacities in one pass; name "
        "some, as in 1x,2x,4x",
        to_string(config.replay.policy));
  }
  if (config.histograms || config.streams) {
    throw ConfigError(config.histograms ? "`histograms`" : "`over`",
                      "reuse is counted along with lru without preloads, pins and prefetches; found {}{}{}{}{}",
                      to_string(config.replay.policy), config.replay.warm == Warm::none ? "" : " with `warm`",
                      config.replay.pins.any() ? " with `pin`" : "",
                      config.replay.prefetch.any() ? " with `prefetch`" : "",
                      config.replay.granularity.is_entry() ? "" : " with `granularity`");
  }
}

}  // namespace

bool is_stack(const TraceHeader& header, const ReplayConfig& config) {
  return !header.has_queries && !header.shares_stores() && evicts_least_recent(config.policy) &&
         config.warm == Warm::none && !config.pins.any() && !config.prefetch.any() &&
         // A pass counts blocks, but neither their allocation entry by entry nor tokens, of which layers have more.
         !config.granularity.tokens && (config.granularity.is_entry() || config.new_token != NewToken::allocate);
}

CurveResult curve(const TraceReader& trace, const CurveConfig& config, const ReplayHooks& hooks, std::uint32_t jobs) {
  if (config.histograms && !config.replay.granularity.is_entry()) {
    throw ConfigError("`histograms`", "reuse is counted of entries; expected `granularity` 1, found {}",
                      to_string(config.replay.granularity));
  }
  const bool one_pass = is_stack(trace.header(), config.replay);
  if (!one_pass) {
    check_replayed(trace, config);
  }
  try {
    CurveResult result =
        one_pass ? stack_curve(trace, config, hooks, jobs) : replayed_curve(trace, config, hooks, jobs);
    result.capacities = config.capacities;
    add_total_points(result, config.capacities.size());
    return result;
  } catch (const std::bad_alloc&) {
    throw SystemError(trace.name(), "not enough memory for this curve; {} need less",
                      config.capacities.empty() ? "named `capacities`" : "fewer `jobs`");
  }
}

}  // namespace dsasim
