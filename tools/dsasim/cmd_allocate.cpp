#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "replay_options.hpp"
#include "result.hpp"

#include "dsasim/allocate/allocate.hpp"
#include "dsasim/report/allocate_report.hpp"

#include <fmt/core.h>

#include <limits>
#include <memory>
#include <optional>
#include <string>

namespace dsasim::tool {
namespace {

struct Options : ReplayRun {
  AllocateConfig allocate;
  std::optional<Capacity> budget;
  Result result;
};

int run(Options& options) {
  options.rules.check();
  if (!options.budget) {
    throw ConfigError("--budget", "expected one, as in 0.2ctx (for each cache, on average) or 20MiB (for all)");
  }
  const TraceReader trace = open_trace(options.spec);
  options.result.open();
  Progress progress("allocate");
  ReplayHooks hooks;
  hooks.on_step = [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); };
  AllocateConfig config = options.allocate;
  config.replay = options.spec.config;
  config.budget = *options.budget;
  const AllocateResult result = allocate(trace, config, hooks, options.jobs);
  options.result.write([&] { return allocation_json(trace, result); }, [&] { return allocation_table(trace, result); });
  if (!options.result.is_text() && !options.result.to_stdout()) {  // the file is for replay --capacities-from
    fmt::print("{}", allocation_table(trace, result));
  }
  return exit_done;
}

void add_budget_options(CLI::App& app, Options& options) {
  add_option(
      app, "--budget", [&](const std::string& text) { options.budget = Capacity::parse_budget(text); },
      "To split: of all caches together in entries or bytes (65536, 20MiB), for each cache on average in 2x or "
      "0.2ctx")
      .type("CAP");
  add_choice(app, "--over", options.allocate.over, "Between whom [layers]", over_names);
  add_choice(app, "--minimise", options.allocate.minimise, "What the optimal split has least of [misses]",
             minimise_names);
  add_option(
      app, "--min", [&](const std::string& text) { options.allocate.least = Capacity::parse(text, "--min"); },
      "The least that each cache gets, rounded up to the granularity [1x]")
      .type("CAP");
  add_option(
      app, "--max", [&](const std::string& text) { options.allocate.most = Capacity::parse(text, "--max"); },
      "The most that each cache gets, rounded down [the contexts of its requests]")
      .type("CAP");
  add_number<std::uint64_t>(app, "--granularity", options.allocate.granularity,
                            "Capacities are multiples of N entries [16, more where that is too many]", 1,
                            std::numeric_limits<std::uint32_t>::max());
}

}  // namespace

std::function<int()> add_allocate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_trace_argument(app, options->spec);
  add_budget_options(app, *options);
  add_replay_fields(app, *options, {FieldGroup::cache, FieldGroup::workload, FieldGroup::memory},
                    {"capacity", "budget", "pin", "prefetch", "granularity", "retention-steps"});
  add_machine_options(app, options->jobs);
  add_flag(
      app, "--no-verify",
      [options = options.get()](const std::string& text) {
        options->allocate.verify = !parse_flag("--no-verify", text);
      },
      "Do not replay the splits to confirm what they come to");
  options->result.add_options(app, "the splits");
  const auto shows_time = [options = options.get()] {
    return options->allocate.minimise == Minimise::gather_ns ||
           (options->result.wants_json() && options->allocate.verify);
  };
  options->rules.only_if(app, {"--memory", "--miss-ns"}, shows_time,
                         "--minimise gather_ns, or --json, whose replays have the time");
  options->rules.only_if(
      app, {"--page-tokens"},
      [options = options.get(), shows_time] { return shows_time() && prices_pages(options->spec.config); },
      "--minimise gather_ns or --json, and --memory serial, which alone prices pages");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
