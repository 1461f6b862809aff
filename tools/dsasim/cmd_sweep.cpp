#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "replay_options.hpp"

#include "dsasim/sweep/sweep.hpp"

#include <fmt/core.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace dsasim::tool {
namespace {

struct Options {
  std::string grid;
  std::string output;
  SweepOptions sweep;
  bool dry_run = false;
};

Shard parse_shard(const std::string& text) {
  constexpr std::uint32_t most = 100'000;
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) {
    throw ConfigError("--shard", "expected i/n (the i-th of n parts, from 1), found \"{}\"", text);
  }
  const auto count = parse_number<std::uint32_t>("--shard", text.substr(slash + 1), 1, most);
  return {.number = parse_number<std::uint32_t>("--shard", text.substr(0, slash), 1, count), .count = count};
}

std::string time_text(double seconds) {
  if (seconds < 10) {
    return fmt::format("{:.1f} s", seconds);
  }
  const auto whole = std::llround(seconds);
  return whole < 120    ? fmt::format("{} s", whole)
         : whole < 7200 ? fmt::format("{} min", (whole + 30) / 60)
                        : fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
}

/// How far a sweep is, on stderr: a bar on a terminal, elsewhere a line now and then.
class SweepProgressLine {
 public:
  SweepProgressLine() : terminal_(::isatty(STDERR_FILENO) == 1), drawn_(now_s()), started_(drawn_) {}
  ~SweepProgressLine() {
    if (terminal_ && is_drawn_) {
      say("\r\x1b[K");
    }
  }
  SweepProgressLine(const SweepProgressLine&) = delete;
  SweepProgressLine& operator=(const SweepProgressLine&) = delete;

  void update(const SweepProgress& progress) {
    const double now = now_s();
    if (progress_is_off() || now - drawn_ < (terminal_ ? 0.1 : progress_line_s)) {
      return;
    }
    drawn_ = now;
    is_drawn_ = true;
    const double elapsed_s = now - started_;
    const double left_s = elapsed_s * (1 - progress.share_done) / std::max(progress.share_done, 1e-9);
    const std::string text =
        fmt::format("{}/{} points  {:.0f}%  {:.0f} M accesses/s  {} left", progress.points_done, progress.points,
                    100 * progress.share_done, progress.accesses_done / elapsed_s / 1e6, time_text(left_s));
    if (terminal_) {
      constexpr std::size_t width = 24;
      const std::string bar(static_cast<std::size_t>(std::clamp(progress.share_done, 0.0, 1.0) * width), '#');
      say(fmt::format("\r\x1b[K[{:<{}}] {}", bar, width, text));
    } else {
      say(fmt::format("sweep: {}\n", text));
    }
  }

 private:
  static double now_s() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  bool terminal_;
  bool is_drawn_ = false;
  double drawn_;
  double started_;
};

std::string bytes_text(std::uint64_t bytes) {
  constexpr double mib = 1U << 20U;
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / mib);
}

void print_point(const Grid& grid, const PlannedPoint& point) {
  fmt::print("{}", point.number);
  for (std::size_t axis = 0; axis < grid.axes().size(); ++axis) {
    fmt::print("  {}={}", grid.axes()[axis].key, grid.value(point.number, axis));
  }
  if (point.refusal.empty()) {
    fmt::print("  about {:.2f} s, {}\n", static_cast<double>(point.run.cost_ns) / 1e9, bytes_text(point.run.bytes));
  } else {
    fmt::print("  refused: {}\n", with_options(point.refusal));
  }
}

/// Threads take the groups in their order; memory is that of the largest at a time.
int print_plan(const Sweep& sweep, const Options& options) {
  const PlannedPoints shard = sweep.shard(options.sweep.shard.value_or(Shard{}));
  PlannedPoints points = shard;
  std::sort(points.begin(), points.end(),
            [](const PlannedPoint* a, const PlannedPoint* b) { return a->number < b->number; });
  for (const PlannedPoint* point : points) {
    print_point(sweep.grid(), *point);
  }
  const std::vector<PointGroup> groups = Sweep::groups(shard, options.sweep.jobs);
  const std::uint32_t jobs = Sweep::threads(groups, options.sweep.jobs);
  std::vector<std::uint64_t> bytes;
  std::vector<double> busy_s(jobs);
  for (const PointGroup& group : groups) {
    *std::min_element(busy_s.begin(), busy_s.end()) += static_cast<double>(group.cost_ns) / 1e9;
    bytes.push_back(group.bytes);
  }
  std::sort(bytes.rbegin(), bytes.rend());
  std::uint64_t most_bytes = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(jobs, bytes.size()); ++i) {
    most_bytes += bytes[i];
  }
  fmt::print(
      "{} of {} points ({} skipped), {} traces, {} decodings: about {} on {} thread{}, caches of {}; fingerprint {}\n",
      points.size(), sweep.points().size(), sweep.grid().skipped(), sweep.traces().size(), bytes.size(),
      time_text(*std::max_element(busy_s.begin(), busy_s.end())), jobs, jobs == 1 ? "" : "s", bytes_text(most_bytes),
      sweep.fingerprint());
  return exit_done;
}

/// What the grid names is read as well, and the journal written.
void check_files(const Sweep& sweep, const Options& options) {
  Files files;
  files.read("grid", options.grid);
  for (const SweepTrace& trace : sweep.traces()) {
    files.read("trace of the grid", trace.path);
  }
  for (const auto& file : sweep.files()) {
    files.read("configuration of the grid", file.first);
  }
  for (const char* suffix : {"", ".journal", ".journal.tmp"}) {
    files.write("--output", options.output + suffix);
  }
}

int run(const Options& options) {
  const Sweep sweep(Grid::read(options.grid, sweep_keys(), sweep_columns()));
  if (options.dry_run) {
    return print_plan(sweep, options);
  }
  if (options.output.empty() || options.output == "-") {
    throw ConfigError("--output", "expected a file for the table, which a journal can be beside");
  }
  check_files(sweep, options);
  SweepOutcome outcome;
  {
    SweepProgressLine line;
    outcome = sweep.run(options.output, options.sweep, [&](const SweepProgress& progress) { line.update(progress); });
  }
  if (outcome.threads < options.sweep.jobs) {
    spdlog::warn("memory fits {} of {} jobs at a time: --memory-limit", outcome.threads, options.sweep.jobs);
  }
  if (outcome.without_result > 0) {
    spdlog::warn("{} of {} points have no result; the first: {}", outcome.without_result, outcome.points,
                 with_options(outcome.first_reason));
    return exit_negative;
  }
  return exit_done;
}

}  // namespace

std::function<int()> add_sweep(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_text(app, "grid", options->grid,
           "Options of `replay` and their values: {\"trace\": \"t.dsat\", \"policy\": "
           "[\"lru\", \"fifo\"], \"capacity\": [\"1x\", \"2x\"]}")
      .required()
      .type("GRID.json");
  add_output_option(app, "-o,--output", options->output, "Write the table; OUT.csv.journal keeps finished points",
                    ".csv");
  add_machine_options(app, options->sweep.jobs);
  add_option(
      app, "--shard", [options](const std::string& text) { options->sweep.shard = parse_shard(text); },
      "The i-th of n parts of about equal cost, from 1, for `dsasim merge` [the whole]")
      .type("i/n");
  add_text(app, "--fingerprint", options->sweep.fingerprint,
           "Refuse another sweep than the one whose --dry-run ended with this fingerprint [any]")
      .type("DIGITS");
  add_flag(app, "--restart", options->sweep.restart, "Forget what an earlier start finished");
  add_flag(app, "--dry-run", options->dry_run, "Print the points, and estimates of time and memory; replay nothing");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
