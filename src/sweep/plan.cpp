// What a sweep is going to do: its points, what each takes, and which are replayed together.

#include "dsasim/curve/curve.hpp"
#include "dsasim/error.hpp"
#include "dsasim/sweep/sweep.hpp"
#include "sweep/table.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace dsasim {
namespace {

/// What a policy takes: nanoseconds an access on one thread, without decoding (docs/performance.md), and bytes for each
/// id of each stream and for each slot, as the resident sets of replays showed (docs/sweep.md). They divide the work;
/// no result depends on them.
struct PolicyCost {
  std::string_view policy;
  double access_ns;
  std::uint64_t place_bytes;
  std::uint64_t slot_bytes;
};
constexpr std::array policy_costs = {
    PolicyCost{"lru", 2, 4, 64},      PolicyCost{"fifo", 3, 1, 4},  PolicyCost{"clock", 4, 1, 4},
    PolicyCost{"hisparse", 4, 4, 32}, PolicyCost{"lfu", 10, 4, 48}, PolicyCost{"random", 10, 4, 4},
    PolicyCost{"belady", 25, 12, 16},
};
constexpr PolicyCost cost_of_others = {"", 5, 4, 64};
constexpr double byte_ns = 0.5;  // to get fresh memory
constexpr double decode_ns = 2;
constexpr double curve_ns = 8;
constexpr std::uint64_t curve_place_bytes = 6;

constexpr std::size_t most_replayed_together = 16;  // decoding is then a small part of the work
constexpr std::size_t most_of_a_curve = 1024;
constexpr std::size_t least_of_a_curve = 8;  // fewer are replayed faster than a curve is made
constexpr std::uint64_t most_group_bytes = std::uint64_t{1} << 30U;

const PolicyCost& cost_of(const std::string& policy) {
  const auto* found =
      std::find_if(policy_costs.begin(), policy_costs.end(), [&](const PolicyCost& c) { return c.policy == policy; });
  return found == policy_costs.end() ? cost_of_others : *found;
}

std::uint64_t accesses_of(const TraceReader& trace, StepRange steps) {
  __extension__ using Wide = unsigned __int128;
  const std::uint64_t all = std::max<std::uint64_t>(trace.batch_steps(), 1);
  return static_cast<std::uint64_t>(Wide{trace.accesses()} * (steps.last - steps.first) / all);
}

/// Places in the directories: an id below the largest of each stream.
std::uint64_t directory_entries(const TraceReader& trace) {
  std::uint64_t ids = 0;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    ids += trace.extent(request).id_limit;
  }
  return ids * trace.layer_count();
}

std::uint64_t replay_bytes(const TraceReader& trace, const EffectiveConfig& config, const PolicyCost& cost) {
  const std::uint64_t places = directory_entries(trace);
  const std::uint64_t largest = *std::max_element(config.capacity_entries.begin(), config.capacity_entries.end());
  const std::uint64_t all_caches = std::max<std::uint64_t>(config.reservation.caches, 1);
  const std::uint64_t slots = std::min(largest, places / all_caches + 1) * all_caches;
  return places * cost.place_bytes + slots * cost.slot_bytes;
}

std::string capacity_text(const EffectiveConfig& config) {
  return fmt::format("{}", fmt::join(config.capacity_entries, " "));
}

/// What the points of a family agree on. Those of one curve or one look into the future differ in capacity alone.
std::string family_of(const Grid& grid, const PlannedPoint& point, const EffectiveConfig& config, bool future) {
  std::string family = fmt::format("{} {}:{}", point.trace, config.steps.first, config.steps.last);
  if (!point.is_curve && !future) {
    return family;
  }
  for (std::size_t axis = 0; axis < grid.axes().size(); ++axis) {
    if (const std::string& key = grid.axes()[axis].key; key != Grid::capacity_key && key != Grid::budget_key) {
      family += fmt::format(" {}", grid.choice(point.number, axis));
    }
  }
  for (const std::uint64_t capacity : config.capacity_entries) {
    family += future && capacity == 0 ? " none" : "";  // layers without a reservation have no future
  }
  return family;
}

void plan_point(const Grid& grid, const TraceReader& trace, PlannedPoint& point) {
  try {
    const ReplayConfig& asked = point.settings.config;
    const EffectiveConfig config = effective_config(trace, asked);
    const bool future = policy_needs(asked.policy).future;
    // Where nothing is reserved, nothing is pinned or allocated, and other entries are new than in the curve's caches.
    const bool all_reserve =
        std::find(config.capacity_entries.begin(), config.capacity_entries.end(), 0) == config.capacity_entries.end();
    point.is_curve = is_stack(asked) &&
                     (all_reserve || (asked.new_token == NewToken::demand && asked.resident_blocks == 0)) &&
                     curve_has_columns(grid.columns());
    point.capacity_entries = capacity_text(config);
    point.accesses = accesses_of(trace, config.steps);
    point.curve_bytes = point.is_curve ? directory_entries(trace) * curve_place_bytes : 0;
    const PolicyCost& cost = cost_of(asked.policy.name);
    point.bytes = replay_bytes(trace, config, cost);
    point.cost_ns = 1 + static_cast<std::uint64_t>(static_cast<double>(point.accesses) * cost.access_ns +
                                                   static_cast<double>(point.bytes) * byte_ns);
    point.family = family_of(grid, point, config, future);
  } catch (const ConfigError& error) {
    point.refusal = error.what();
  }
}

PointGroup group_of(PlannedPoints points, bool is_curve) {
  PointGroup group{.points = std::move(points), .is_curve = is_curve};
  const PlannedPoint& first = *group.points.front();
  double cost_ns = static_cast<double>(first.accesses) * decode_ns;
  if (is_curve) {
    group.bytes = first.curve_bytes;
    cost_ns += static_cast<double>(first.accesses) * curve_ns + static_cast<double>(group.bytes) * byte_ns;
  } else {
    for (const PlannedPoint* point : group.points) {
      group.bytes += point->bytes;
      cost_ns += static_cast<double>(point->cost_ns);
    }
  }
  group.cost_ns = static_cast<std::uint64_t>(cost_ns);
  return group;
}

/// Cuts points of one family into groups.
void add_groups(PlannedPoints family, std::size_t most_points, std::vector<PointGroup>& groups) {
  const bool is_curve = family.front()->is_curve && family.size() >= least_of_a_curve;
  const std::size_t most = is_curve ? most_of_a_curve : most_points;
  PlannedPoints together;
  std::uint64_t bytes = 0;
  for (const PlannedPoint* point : family) {
    const bool full = together.size() == most || (!is_curve && bytes + point->bytes > most_group_bytes);
    if (full && !together.empty()) {
      groups.push_back(group_of(std::exchange(together, {}), is_curve));
      bytes = 0;
    }
    together.push_back(point);
    bytes += point->bytes;
  }
  groups.push_back(group_of(std::move(together), is_curve));
}

}  // namespace

Sweep::Sweep(Grid grid, const PointParser& parse) : grid_(std::move(grid)) {
  check_values(parse);
  take_points(parse);
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

void Sweep::take_points(const PointParser& parse) {
  const auto& axes = grid_.axes();
  points_.resize(grid_.points());
  std::map<std::pair<std::string, bool>, std::size_t> numbers;
  for (std::size_t number = 0; number < grid_.points(); ++number) {
    std::vector<Setting> settings;
    for (std::size_t axis = 0; axis < axes.size(); ++axis) {
      settings.push_back({.key = axes[axis].key, .text = grid_.value(number, axis), .where = grid_.where()});
    }
    PlannedPoint& point = points_[number];
    point.number = number;
    point.settings = parse(settings);
    const auto [found, is_new] =
        numbers.try_emplace({point.settings.trace, point.settings.allow_truncated}, traces_.size());
    if (is_new) {
      traces_.push_back({.path = point.settings.trace, .allow_truncated = point.settings.allow_truncated});
    }
    point.trace = found->second;
  }
}

void Sweep::check_values(const PointParser& parse) const {
  for (const GridAxis& axis : grid_.axes()) {
    for (std::size_t i = 0; i < axis.values.size(); ++i) {
      const std::string where = axis.values.size() == 1 ? fmt::format("{}: /{}", grid_.where(), axis.key)
                                                        : fmt::format("{}: /{}/{}", grid_.where(), axis.key, i);
      const Setting setting{.key = axis.key, .text = axis.values[i], .where = where};
      const SweepPoint parsed = parse({&setting, 1});
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
    total_ns += point.cost_ns;
  }
  std::stable_sort(ordered.begin(), ordered.end(), [](const PlannedPoint* a, const PlannedPoint* b) {
    return std::pair(a->trace, std::string_view(a->family)) < std::pair(b->trace, std::string_view(b->family));
  });
  PlannedPoints part;
  __extension__ using Wide = unsigned __int128;
  std::uint64_t before_ns = 0;
  for (const PlannedPoint* point : ordered) {
    const std::uint64_t middle_ns = before_ns + point->cost_ns / 2;
    if (static_cast<std::uint64_t>(Wide{middle_ns} * shard.count / total_ns) + 1 == shard.number) {
      part.push_back(point);
    }
    before_ns += point->cost_ns;
  }
  return part;
}

std::vector<PointGroup> Sweep::groups(const PlannedPoints& points, std::uint32_t jobs) {
  const std::size_t wanted = 2 * std::size_t{jobs};  // groups, so that no thread is idle for long
  const std::size_t share = jobs == 1 ? most_replayed_together : (points.size() + wanted - 1) / wanted;
  const std::size_t most_points = std::clamp<std::size_t>(share, 1, most_replayed_together);
  std::vector<PointGroup> groups;
  PlannedPoints family;
  for (const PlannedPoint* point : points) {
    if (!point->refusal.empty()) {
      continue;
    }
    if (!family.empty() && family.front()->family != point->family) {
      add_groups(std::exchange(family, {}), most_points, groups);
    }
    family.push_back(point);
  }
  if (!family.empty()) {
    add_groups(std::move(family), most_points, groups);
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const PointGroup& a, const PointGroup& b) { return a.cost_ns > b.cost_ns; });
  return groups;
}

}  // namespace dsasim
