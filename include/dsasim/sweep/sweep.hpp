#pragma once

#include "dsasim/curve/run_all.hpp"
#include "dsasim/replay/fields.hpp"
#include "dsasim/sweep/grid.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dsasim {

/// Part `number` of `count`, from 1.
struct Shard {
  std::uint32_t number = 1;
  std::uint32_t count = 1;
};

struct SweepTrace {
  std::string path;
  bool allow_truncated = false;
  TraceIdentity identity = {};
};

/// A point as it is going to be replayed. Costs and bytes are estimates.
struct PlannedPoint {
  std::size_t number = 0;  ///< in the grid
  ReplaySpec spec;
  std::size_t trace = 0;         ///< number among the sweep's
  std::string capacity_entries;  ///< of each layer's caches if they differ
  std::string refusal;           ///< why the configuration does not fit the trace; empty if it does
  RunPlan run;                   ///< its family names the trace, too
};

using PlannedPoints = std::vector<const PlannedPoint*>;

/// Points that are replayed together: see RunGroup.
struct PointGroup {
  PlannedPoints points;
  bool one_pass = false;
  std::uint64_t cost_ns = 0;
  std::uint64_t bytes = 0;
};

/// How a point ended. Those that the configuration does not let run are `refused`, and would be again; `failed` are
/// those that the machine or a damaged trace stopped, and worth another try.
enum class PointStatus : std::uint8_t { ok, refused, failed };
inline constexpr std::array point_status_names = {ChoiceName<PointStatus>{"ok", PointStatus::ok},
                                                  ChoiceName<PointStatus>{"refused", PointStatus::refused},
                                                  ChoiceName<PointStatus>{"failed", PointStatus::failed}};

struct SweepProgress {
  std::size_t points_done = 0;
  std::size_t points = 0;  ///< of the shard, those that an earlier start finished included
  double accesses_done = 0;
  double share_done = 0;  ///< of the work of this start, by its estimated cost
};

struct SweepOptions {
  std::optional<Shard> shard = {};  ///< then the output is a part for merge_parts(); otherwise the whole table
  bool restart = false;             ///< forget what an earlier start finished
  std::string fingerprint = {};     ///< that the sweep must have; empty: any
  std::uint32_t jobs = 1;
};

struct SweepOutcome {
  std::size_t points = 0;
  std::size_t found_done = 0;  ///< by an earlier start
  std::size_t without_result = 0;
  std::string first_reason;   ///< why the first of these has none
  std::uint32_t threads = 0;  ///< Sweep::threads() of what was replayed
};

/// Every point of a grid, on its way into a table (CSV).
class Sweep {
 public:
  /// Opens every trace once. Throws ConfigError for values that their options do not take, and what TraceReader throws
  /// for a trace that cannot be opened.
  /// `base` is what the grid does not say.
  explicit Sweep(Grid grid, const ReplaySpec& base = {});

  const Grid& grid() const noexcept { return grid_; }
  const std::vector<PlannedPoint>& points() const noexcept { return points_; }
  const std::vector<SweepTrace>& traces() const noexcept { return traces_; }
  /// The configurations that are files of the user's, with the XXH3-128 of each.
  const std::map<std::string, std::string>& files() const noexcept { return files_; }
  /// XXH3-128 of all that the table depends on: the tool's version, the grid, its traces and these files.
  std::string fingerprint() const;
  /// One of them that is no longer what it was; empty if there is none.
  std::string changed_file() const;

  /// The points of a shard: it depends on the grid and the traces alone, and shards cost about the same.
  PlannedPoints shard(const Shard& shard) const;
  /// What is replayed together of points in the order of shard(), without those that are refused: see group_runs().
  static std::vector<PointGroup> groups(const PlannedPoints& points, std::uint32_t jobs);
  /// How many groups may be replayed at a time: as many as `jobs` whose caches fit the memory together, if the largest
  /// meet; at least 1. Throws ConfigError if $DSASIM_MEMORY_BYTES is no number.
  static std::uint32_t threads(const std::vector<PointGroup>& groups, std::uint32_t jobs);

  /// Replays what an earlier start with the same output did not finish. Each finished point goes to `output`.journal
  /// and to the disk before the next; `output` appears, by rename, when all are done. A failing point does not stop the
  /// others. `on_progress` is called from several threads, one at a time.
  ///
  /// Throws ConfigError if the journal is that of another sweep (with the difference), of another version's or of one
  /// that is running, and for another fingerprint than the options have; SystemError if output or journal cannot be
  /// written. What is finished stays.
  SweepOutcome run(const std::string& output, const SweepOptions& options,
                   const std::function<void(const SweepProgress&)>& on_progress = {}) const;

 private:
  void check_values(const ReplaySpec& base) const;
  void take_points(const ReplaySpec& base);
  void take_files();
  void plan_points_of(std::size_t trace, std::span<PlannedPoint* const> points);

  Grid grid_;
  std::vector<SweepTrace> traces_;
  std::map<std::string, std::string> files_;
  std::vector<PlannedPoint> points_;
};

/// The names that "columns" of a grid may have: the totals of a report.
std::vector<std::string> sweep_columns();
/// The names of the fields that a grid may have.
std::vector<std::string> sweep_keys();

struct MergedParts {
  std::string table;
  std::size_t points = 0;
  std::size_t without_result = 0;
};
/// Joins the parts that the shards of one sweep wrote into the table that the whole sweep writes, byte for byte.
/// Throws ConfigError for parts of different sweeps, damage, points that are there twice, and points that are missing.
MergedParts merge_parts(const std::vector<std::string>& paths);

}  // namespace dsasim
