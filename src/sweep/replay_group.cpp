#include "sweep/replay_group.hpp"

#include "dsasim/curve/run_all.hpp"
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

std::vector<PointOutcome> results_of(const Sweep& sweep, const PointGroup& group, const ReplayHooks& hooks,
                                     std::uint32_t jobs) {
  const TraceReader trace = open(sweep.traces()[group.points.front()->trace]);
  std::vector<ReplayConfig> configs;
  for (const PlannedPoint* point : group.points) {
    configs.push_back(point->spec.config);
  }
  const auto results = run_group(trace, configs, group.one_pass, hooks, jobs);
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
