#include "dsasim/sweep/sweep.hpp"

#include "dsasim/error.hpp"
#include "dsasim/trace/partial_file.hpp"
#include "sweep/identity.hpp"
#include "sweep/journal.hpp"
#include "sweep/replay_group.hpp"
#include "sweep/table.hpp"
#include "threads/workers.hpp"

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <numeric>
#include <utility>

namespace dsasim {
namespace {

using OnProgress = std::function<void(const SweepProgress&)>;

/// Where links lead, be there a file or not yet: the journal and its lock are those of the file, whatever it is called.
std::string target_of(const std::string& output) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path target = end_of_links(output);
  if (fs::exists(target, error) && !fs::is_regular_file(target, error)) {
    throw SystemError(output, "is not a regular file; a sweep keeps a journal beside its output");
  }
  return target.string();
}

/// Adds up what the threads have done.
class ProgressSum {
 public:
  ProgressSum(std::size_t points, std::span<const PointGroup> groups, const OnProgress& on_progress)
      : on_progress_(on_progress), groups_(groups), shares_(groups.size()) {
    now_.points = points;
    now_.points_done = points;
    for (const PointGroup& group : groups) {
      total_ns_ += static_cast<double>(group.cost_ns);
      now_.points_done -= group.points.size();
    }
  }

  void set(std::size_t group, double share, bool finished) {
    if (!on_progress_) {
      return;
    }
    const std::lock_guard lock(mutex_);
    const double step = share - std::exchange(shares_[group], share);
    const auto points = static_cast<double>(groups_[group].points.size());
    now_.accesses_done += step * points * static_cast<double>(groups_[group].points.front()->run.accesses);
    now_.share_done += step * static_cast<double>(groups_[group].cost_ns) / total_ns_;
    now_.points_done += finished ? groups_[group].points.size() : 0;
    on_progress_(now_);
  }

 private:
  const OnProgress& on_progress_;
  std::span<const PointGroup> groups_;
  std::vector<double> shares_;
  double total_ns_ = 0;
  SweepProgress now_;
  std::mutex mutex_;
};

void open_journal(Journal& journal, const Sweep& sweep, const SweepOptions& options) {
  const std::string identity = sweep_identity(sweep, options);
  if (options.restart || journal.identity().empty()) {
    journal.begin(identity);
    return;
  }
  const std::string difference = identity_difference(journal.identity(), identity);
  if (!difference.empty()) {
    throw ConfigError(journal.path(), "belongs to another sweep: {}; `restart` forgets what it finished", difference);
  }
  const auto& outcomes = journal.outcomes();
  if (!outcomes.empty() && outcomes.rbegin()->first >= sweep.points().size()) {
    throw ConfigError(journal.path(), "has a point {}, the sweep only {}; `restart` begins anew",
                      outcomes.rbegin()->first, sweep.points().size());
  }
}

/// Journals what needs no replay, and returns what does.
PlannedPoints pending(Journal& journal, const PlannedPoints& points) {
  PlannedPoints pending;
  std::vector<PointOutcome> refused;
  for (const PlannedPoint* point : points) {
    const auto found = journal.outcomes().find(point->number);
    if (found != journal.outcomes().end() && found->second.status != PointStatus::failed) {
      continue;
    }
    if (point->refusal.empty()) {
      pending.push_back(point);
    } else {
      refused.push_back({.point = point->number, .status = PointStatus::refused, .text = point->refusal});
    }
  }
  if (!refused.empty()) {
    journal.append(refused);
  }
  return pending;
}

/// Returns how many threads replayed groups, each with its part of the jobs.
std::uint32_t replay_pending(const Sweep& sweep, Journal& journal, const PlannedPoints& points,
                             const SweepOptions& options, const OnProgress& on_progress) {
  const PlannedPoints left = pending(journal, points);
  const std::vector<PointGroup> groups = Sweep::groups(left, options.jobs);
  ProgressSum progress(points.size(), groups, on_progress);
  std::mutex journal_mutex;
  const std::uint32_t most_threads = Sweep::threads(groups, options.jobs);
  const auto threads = std::clamp<std::size_t>(groups.size(), 1, most_threads);
  const auto jobs_of_a_group = static_cast<std::uint32_t>(options.jobs / threads);
  Workers workers(threads);
  workers.run(groups.size(), [&](std::size_t number, std::size_t /*worker*/) {
    const auto outcomes =
        replay_group(sweep, groups[number], jobs_of_a_group, [&](double share) { progress.set(number, share, false); });
    {
      const std::lock_guard lock(journal_mutex);
      journal.append(outcomes);
    }
    progress.set(number, 1, true);
  });
  return most_threads;
}

std::string table_of(const Sweep& sweep, PlannedPoints points, const Journal& journal, const SweepOptions& options,
                     std::size_t without_result) {
  std::sort(points.begin(), points.end(),
            [](const PlannedPoint* a, const PlannedPoint* b) { return a->number < b->number; });
  std::string table = table_header(sweep.grid());
  for (const PlannedPoint* point : points) {
    table += table_row(sweep.grid(), *point, journal.outcomes().at(point->number));
  }
  if (!options.shard) {
    return table;
  }
  return part_line({.sweep = sweep.fingerprint(),
                    .shard = *options.shard,
                    .points = sweep.points().size(),
                    .rows = points.size(),
                    .without_result = without_result,
                    .hash = text_hash(table)}) +
         table;
}

}  // namespace

SweepOutcome Sweep::run(const std::string& output, const SweepOptions& options, const OnProgress& on_progress) const {
  if (const std::string found = fingerprint(); !options.fingerprint.empty() && found != options.fingerprint) {
    throw ConfigError("`fingerprint`",
                      "the sweep has {}, expected {}: its grid, traces, configurations or dsasim "
                      "are others",
                      found, options.fingerprint);
  }
  const std::string target = target_of(output);
  Journal journal(target + ".journal", options.restart);
  open_journal(journal, *this, options);
  const PlannedPoints points = shard(options.shard.value_or(Shard{}));
  SweepOutcome outcome;
  outcome.points = points.size();
  outcome.found_done = journal.outcomes().size();
  outcome.threads = replay_pending(*this, journal, points, options, on_progress);
  for (const auto& [point, ended] : journal.outcomes()) {
    if (ended.status != PointStatus::ok) {
      outcome.first_reason = outcome.without_result++ == 0 ? ended.text : outcome.first_reason;
    }
  }
  replace_durably(target, table_of(*this, points, journal, options, outcome.without_result));
  return outcome;
}

}  // namespace dsasim
