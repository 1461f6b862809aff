#include "dsasim/curve/curve.hpp"

#include "curve/stack_run.hpp"
#include "dsasim/error.hpp"
#include "replay/drive.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace dsasim {
namespace {

/// By named capacity, then by layer.
using Capacities = std::vector<std::vector<std::uint64_t>>;

Capacities capacities_by_layer(const TraceReader& trace, const CurveConfig& config) {
  Capacities capacities;
  ReplayConfig at = config.replay;
  for (const Capacity& capacity : config.capacities) {
    at.capacity = capacity;
    capacities.push_back(effective_config(trace, at).capacity_entries);
    capacities.back().resize(trace.layer_count(), capacities.back().front());
  }
  return capacities;
}

/// Every capacity at which misses change, from 0 on, where all accesses miss.
std::vector<CurvePoint> all_points(const ReuseCounts& counts) {
  std::vector<CurvePoint> points = {{.capacity_entries = 0, .misses = counts.accesses}};
  std::uint64_t misses = counts.accesses - counts.pinned;
  if (counts.pinned != 0 && (counts.counts().empty() || counts.counts()[0] == 0)) {
    points.push_back({.capacity_entries = 1, .misses = misses});
  }
  for (std::size_t distance = 0; distance < counts.counts().size(); ++distance) {
    if (counts.counts()[distance] != 0) {
      misses -= counts.counts()[distance];
      points.push_back({.capacity_entries = distance + 1, .misses = misses});
    }
  }
  return points;
}

/// `sorted` are the capacities that the classes of `counts` are made by.
std::uint64_t misses_at(const ReuseCounts& counts, std::span<const std::uint64_t> sorted, std::uint64_t capacity) {
  if (capacity == 0) {
    return counts.accesses;
  }
  const auto place =
      static_cast<std::size_t>(std::lower_bound(sorted.begin(), sorted.end(), capacity) - sorted.begin());
  std::uint64_t misses = counts.accesses - counts.pinned;
  for (std::size_t i = 0; i <= place; ++i) {
    misses -= counts.counts()[i];
  }
  return misses;
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
  replay.capacity = config.capacities.empty() ? Capacity::parse("1") : config.capacities.front();
  result.config = effective_config(trace, replay);
  const Capacities capacities = capacities_by_layer(trace, config);
  std::vector<std::uint64_t> sorted;
  for (const auto& layers : capacities) {
    sorted.insert(sorted.end(), layers.begin(), layers.end());
  }
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  StackRun run(trace, replay, result.config.steps, all_have_sets(trace), config.histograms, sorted);
  BlockRun* const driven = &run;
  drive(trace, result.config.steps, {&driven, 1}, nullptr, hooks, jobs);

  ReuseCounts total({}, 0);
  for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
    const ReuseCounts counts = run.layer(layer);
    Curve& curve = result.layers.emplace_back(make_curve(counts, config.histograms));
    for (const auto& layers : capacities) {
      curve.points.push_back({.capacity_entries = layers[layer], .misses = misses_at(counts, sorted, layers[layer])});
    }
    if (capacities.empty()) {
      curve.points = all_points(counts);
    }
    total += counts;
  }
  result.total = make_curve(total, config.histograms);
  if (capacities.empty()) {
    result.total.points = all_points(total);
  }
  return result;
}

CurveResult replayed_curve(const TraceReader& trace, const CurveConfig& config, const ReplayHooks& hooks,
                           std::uint32_t jobs) {
  std::vector<ReplayConfig> configs;
  for (const Capacity& capacity : config.capacities) {
    configs.emplace_back(config.replay).capacity = capacity;
  }
  auto replays = replay_all(trace, configs, hooks, jobs);
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

}  // namespace

CurveResult curve(const TraceReader& trace, const CurveConfig& config, const ReplayHooks& hooks, std::uint32_t jobs) {
  const bool is_stack = config.replay.policy.name == "lru" && config.replay.warm == Warm::none;
  if (!is_stack && config.capacities.empty()) {
    throw ConfigError("--capacities",
                      "{}: only lru without preloads has its misses at all capacities in one pass; name "
                      "some, as in 1x,2x,4x",
                      to_string(config.replay.policy));
  }
  if (!is_stack && config.histograms) {
    throw ConfigError("--histograms", "reuse is counted along with lru without preloads; found {}{}",
                      to_string(config.replay.policy), config.replay.warm == Warm::none ? "" : " with --warm");
  }
  try {
    CurveResult result =
        is_stack ? stack_curve(trace, config, hooks, jobs) : replayed_curve(trace, config, hooks, jobs);
    result.capacities = config.capacities;
    add_total_points(result, config.capacities.size());
    return result;
  } catch (const std::bad_alloc&) {
    throw SystemError(trace.name(), "not enough memory for this curve; name some --capacities");
  }
}

}  // namespace dsasim
