#include "sweep/replay_group.hpp"

#include "dsasim/curve/curve.hpp"
#include "dsasim/error.hpp"
#include "sweep/table.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

namespace dsasim {
namespace {

/// One line, whatever an error says.
std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return text;
}

TraceReader open(const SweepTrace& trace) {
  TraceReader reader(trace.path, {.allow_truncated = trace.allow_truncated});
  const TraceIdentity identity = reader.identity();
  const auto changed = std::ranges::mismatch(identity, trace.identity).in1;
  if (changed != identity.end()) {
    throw TraceError(trace.path, "has changed since the sweep began: its {}", changed->name);
  }
  return reader;
}

/// The totals that a replay counts, as far as curve_has_columns() goes.
ReplayResult result_of(const TraceReader& trace, const CurveResult& curve, std::size_t point,
                       const ReplayConfig& config) {
  ReplayResult result;
  result.config = effective_config(trace, config);
  result.totals.accesses = curve.total.accesses;
  result.totals.hits = curve.total.accesses - curve.total.points[point].misses;
  result.totals.compulsory_misses = curve.total.compulsory_misses;
  for (std::size_t layer = 0; layer < curve.layers.size(); ++layer) {
    result.totals.fetched_rows += curve.layers[layer].points[point].misses * trace.header().layers[layer].group_size;
  }
  return result;
}

std::vector<ReplayResult> curve_results(const TraceReader& trace, std::span<const ReplayConfig> configs,
                                        const ReplayHooks& hooks, std::uint32_t jobs) {
  CurveConfig config{.replay = configs.front(), .capacities = {}};
  for (const ReplayConfig& point : configs) {
    config.capacities.push_back(point.capacity);
  }
  const CurveResult made = curve(trace, config, hooks, jobs);
  std::vector<ReplayResult> results;
  for (std::size_t i = 0; i < configs.size(); ++i) {
    results.push_back(result_of(trace, made, i, configs[i]));
  }
  return results;
}

std::vector<PointOutcome> results_of(const Sweep& sweep, const PointGroup& group, const ReplayHooks& hooks,
                                     std::uint32_t jobs) {
  const TraceReader trace = open(sweep.traces()[group.points.front()->trace]);
  std::vector<ReplayConfig> configs;
  for (const PlannedPoint* point : group.points) {
    configs.push_back(point->settings.config);
  }
  const auto results =
      group.is_curve ? curve_results(trace, configs, hooks, jobs) : replay_all(trace, configs, hooks, jobs);
  if (const std::string file = sweep.changed_file(); !file.empty()) {  // now: what was read is what it is known to be
    throw SystemError(file, "has changed since the sweep began");
  }
  std::vector<PointOutcome> outcomes;
  for (std::size_t i = 0; i < results.size(); ++i) {
    outcomes.push_back(
        {.point = group.points[i]->number, .status = PointStatus::ok, .text = totals_cells(sweep.grid(), results[i])});
  }
  return outcomes;
}

/// The outcomes of a group; of a point alone, also why it has no result. None: its points are to be tried one by one.
std::optional<std::vector<PointOutcome>> try_group(const Sweep& sweep, const PointGroup& group,
                                                   const ReplayHooks& hooks, std::uint32_t jobs) {
  const auto failure = [&](PointStatus status, const std::exception& error) {
    return group.points.size() > 1
               ? std::nullopt
               : std::make_optional(std::vector{PointOutcome{
                     .point = group.points.front()->number, .status = status, .text = one_line(error.what())}});
  };
  try {
    return results_of(sweep, group, hooks, jobs);
  } catch (const ConfigError& error) {
    return failure(sweep.changed_file().empty() ? PointStatus::refused : PointStatus::failed, error);
  } catch (const std::exception& error) {
    return failure(PointStatus::failed, error);
  }
}

}  // namespace

std::vector<PointOutcome> replay_group(const Sweep& sweep, const PointGroup& group, std::uint32_t jobs,
                                       const std::function<void(double share)>& on_share) {
  ReplayHooks hooks;
  hooks.on_step = [&](std::uint64_t done, std::uint64_t total) {
    on_share(static_cast<double>(done) / static_cast<double>(total));
  };
  if (auto outcomes = try_group(sweep, group, hooks, jobs)) {
    return std::move(*outcomes);
  }
  std::vector<PointOutcome> outcomes;
  for (const PlannedPoint* point : group.points) {
    const PointGroup by_itself{.points = {point}};
    outcomes.push_back(try_group(sweep, by_itself, {}, jobs)->front());
  }
  return outcomes;
}

}  // namespace dsasim
