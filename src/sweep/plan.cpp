// What a sweep is going to do: its points, what each takes, and which are replayed together.

#include "dsasim/error.hpp"
#include "dsasim/sweep/sweep.hpp"
#include "sweep/table.hpp"
#include "trace/machine_memory.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <utility>

namespace dsasim {
namespace {

std::string capacity_text(const EffectiveConfig& config) {
  return fmt::format("{}", fmt::join(config.capacity_entries, " "));
}

void plan_point(const Grid& grid, const TraceReader& trace, PlannedPoint& point) {
  try {
    const EffectiveConfig config = effective_config(trace, point.spec.config);
    point.capacity_entries = capacity_text(config);
    point.run = plan_run(trace, config, misses_suffice(grid.columns()) ? Wanted::misses : Wanted::everything);
    point.run.family = fmt::format("{} {}", point.trace, point.run.family);
  } catch (const ConfigError& error) {
    point.refusal = error.what();
  }
}

}  // namespace

Sweep::Sweep(Grid grid, const ReplaySpec& base) : grid_(std::move(grid)) {
  check_values(base);
  take_points(base);
  take_files();
  std::vector<std::vector<PlannedPoint*>> of_trace(traces_.size());
  for (PlannedPoint& point : points_) {
    of_trace[point.trace].push_back(&point);
  }
  for (std::size_t trace = 0; trace < traces_.size(); ++trace) {
    plan_points_of(trace, of_trace[trace]);
  }
  if (const std::string file = changed_file(); !file.empty()) {
    throw SystemError(file, "has changed while the sweep was planned");
  }
}

void Sweep::take_points(const ReplaySpec& base) {
  const auto& axes = grid_.axes();
  points_.resize(grid_.points());
  std::map<std::pair<std::string, bool>, std::size_t> numbers;
  for (std::size_t number = 0; number < grid_.points(); ++number) {
    std::vector<Setting> settings;
    for (std::size_t axis = 0; axis < axes.size(); ++axis) {
      settings.push_back({.field = axes[axis].key, .text = grid_.value(number, axis), .where = grid_.where()});
    }
    PlannedPoint& point = points_[number];
    point.number = number;
    point.spec = with_settings(base, settings);
    const auto [found, is_new] = numbers.try_emplace({point.spec.trace, point.spec.allow_truncated}, traces_.size());
    if (is_new) {
      traces_.push_back({.path = point.spec.trace, .allow_truncated = point.spec.allow_truncated});
    }
    point.trace = found->second;
  }
}

void Sweep::check_values(const ReplaySpec& base) const {
  for (const GridAxis& axis : grid_.axes()) {
    for (std::size_t i = 0; i < axis.values.size(); ++i) {
      const std::string where = axis.values.size() == 1 ? fmt::format("{}: /{}", grid_.where(), axis.key)
                                                        : fmt::format("{}: /{}/{}", grid_.where(), axis.key, i);
      const Setting setting{.field = axis.key, .text = axis.values[i], .where = where};
      const ReplaySpec parsed = with_setting(base, setting);
      try {
        make_memory(parsed.config.memory);
      } catch (const ConfigError& error) {
        throw ConfigError(where, "{}", error.what());
      }
    }
  }
}

void Sweep::plan_points_of(std::size_t trace, std::span<PlannedPoint* const> points) {
  const TraceReader reader(traces_[trace].path, {.allow_truncated = traces_[trace].allow_truncated});
  traces_[trace].identity = reader.identity();
  for (PlannedPoint* point : points) {
    plan_point(grid_, reader, *point);
  }
}

PlannedPoints Sweep::shard(const Shard& shard) const {
  PlannedPoints ordered;
  std::uint64_t total_ns = 0;
  for (const PlannedPoint& point : points_) {
    ordered.push_back(&point);
    total_ns += point.run.cost_ns;
  }
  std::stable_sort(ordered.begin(), ordered.end(), [](const PlannedPoint* a, const PlannedPoint* b) {
    return std::pair(a->trace, std::string_view(a->run.family)) < std::pair(b->trace, std::string_view(b->run.family));
  });
  PlannedPoints part;
  __extension__ using Wide = unsigned __int128;
  std::uint64_t before_ns = 0;
  for (const PlannedPoint* point : ordered) {
    const std::uint64_t middle_ns = before_ns + point->run.cost_ns / 2;
    if (static_cast<std::uint64_t>(Wide{middle_ns} * shard.count / total_ns) + 1 == shard.number) {
      part.push_back(point);
    }
    before_ns += point->run.cost_ns;
  }
  return part;
}

std::vector<PointGroup> Sweep::groups(const PlannedPoints& points, std::uint32_t jobs) {
  PlannedPoints fitting;
  std::vector<const RunPlan*> runs;
  for (const PlannedPoint* point : points) {
    if (point->refusal.empty()) {
      fitting.push_back(point);
      runs.push_back(&point->run);
    }
  }
  std::vector<PointGroup> groups;
  for (const RunGroup& together : group_runs(runs, jobs)) {
    PointGroup& group = groups.emplace_back();
    group.one_pass = together.one_pass;
    group.cost_ns = together.cost_ns;
    group.bytes = together.bytes;
    for (const std::size_t run : together.runs) {
      group.points.push_back(fitting[run]);
    }
  }
  return groups;
}

std::uint32_t Sweep::threads(const std::vector<PointGroup>& groups, std::uint32_t jobs) {
  std::vector<std::uint64_t> bytes;
  bytes.reserve(groups.size());
  for (const PointGroup& group : groups) {
    bytes.push_back(group.bytes);
  }
  std::sort(bytes.rbegin(), bytes.rend());
  double left = trace::machine_memory().bytes;
  std::uint32_t fitting = 0;
  for (; fitting < jobs && fitting < bytes.size() && static_cast<double>(bytes[fitting]) <= left; ++fitting) {
    left -= static_cast<double>(bytes[fitting]);
  }
  return fitting == bytes.size() ? jobs : std::max(fitting, std::uint32_t{1});
}

}  // namespace dsasim
