#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "plot.hpp"
#include "replay_options.hpp"
#include "result.hpp"

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
  Result result;
  bool plot = false;
};

int run(Options& options) {
  options.rules.check();
  const TraceReader trace = open_trace(options.spec);
  options.result.open();
  Progress progress("curve");
  ReplayHooks hooks;
  hooks.on_step = [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); };
  const CurveConfig config{
      .replay = options.spec.config, .capacities = options.capacities, .histograms = options.histograms};
  const CurveResult result = curve(trace, config, hooks, options.jobs);
  options.result.write(
      [&] { return curve_json(trace, result); },
      [&] { return curve_table(trace, result) + (options.plot ? "\n" + curve_plot(result, plot_columns()) : ""); });
  return exit_done;
}

}  // namespace

std::function<int()> add_curve(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_trace_argument(app, options->spec);
  add_capacities_options(app, options->capacities,
                         "Of each cache: entries, 20MiB, 2x, 0.2ctx [lru: all at which misses change]");
  add_replay_fields(app, *options, {FieldGroup::cache, FieldGroup::workload}, {"capacity", "budget"});
  add_machine_options(app, options->jobs);
  add_flag(app, "--histograms", options->histograms, "lru: count reuse distances and intervals as well, for --json");
  options->result.add_options(app, "the curve");
  add_plot_option(app, options->rules, options->plot, options->result);
  options->rules.only_if(
      app, {"--histograms"}, [options = options.get()] { return !options->result.is_text(); },
      "--json or --csv with it: the text has no room for them");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
