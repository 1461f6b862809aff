#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "replay_options.hpp"

#include "dsasim/curve/curve.hpp"
#include "dsasim/report/curve_report.hpp"

#include <fmt/core.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dsasim::tool {
namespace {

struct Options : ReplayRun {
  std::vector<Capacity> capacities;
  bool histograms = false;
  std::string json;
};

int run(const Options& options) {
  options.rules.check();
  const TraceReader trace = open_trace(options);
  std::optional<Output> json;
  if (!options.json.empty()) {
    json.emplace("--json", options.json);
  }
  Progress progress("curve");
  ReplayHooks hooks;
  hooks.on_step = [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); };
  const CurveConfig config{
      .replay = options.config, .capacities = options.capacities, .histograms = options.histograms};
  const CurveResult result = curve(trace, config, hooks, options.jobs);
  if (json) {
    json->write(curve_json(trace, result));
    json->commit();
  } else {
    fmt::print("{}", curve_table(trace, result));
  }
  return exit_done;
}

}  // namespace

std::function<int()> add_curve(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_replay_options(app, *options,
                     {.add_policy = {}, .add_capacity = [&] {
                        add_capacities_options(
                            app, options->capacities,
                            "Of each cache: entries, 20MiB, 2x, 0.2ctx [lru: all at which misses change]");
                      }});
  add_jobs_option(app, options->jobs);
  app.add_flag("--histograms", options->histograms, "lru: count reuse distances and intervals as well, for --json");
  add_output_option(app, "--json", options->json, "Write the curve as JSON (- for stdout) instead of the table",
                    ".json");
  options->rules.only_if(
      app, {"--histograms"}, [options = options.get()] { return !options->json.empty(); },
      "--json with it: the table has no room for them");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
