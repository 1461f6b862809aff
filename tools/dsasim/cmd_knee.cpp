#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "replay_options.hpp"
#include "result.hpp"

#include "dsasim/curve/knee.hpp"
#include "dsasim/report/knee_report.hpp"

#include <fmt/core.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim::tool {
namespace {

struct Options : ReplayRun {
  std::vector<PolicySpec> policies = {parse_policy("lru")};
  std::vector<Capacity> capacities;
  std::optional<Target> target;
  Result result;
};

int run(Options& options) {
  if (!options.target) {
    throw ConfigError("--target", "expected one, as in miss_ratio=0.1");
  }
  options.rules.check();
  const TraceReader trace = open_trace(options.spec);
  options.result.open();
  Progress progress("knee");
  ReplayHooks hooks;
  hooks.on_step = [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); };
  const KneeConfig config{.replay = options.spec.config,
                          .policies = options.policies,
                          .target = *options.target,
                          .capacities = options.capacities};
  const KneeResult result = knees(trace, config, hooks, options.jobs);
  options.result.write([&] { return knee_json(trace, result); }, [&] { return knee_table(trace, result); });
  return exit_done;
}

/// What the target does not look at has no effect.
void add_target_rules(CLI::App& app, Options& options) {
  const auto basis = [&options] { return options.target->measure->basis; };
  options.rules.only_if(
      app, {"--memory", "--miss-ns", "--llc"}, [=] { return basis() == Basis::time || basis() == Basis::step; },
      "a --target of time: gather_ns, step_gather_ns or one of tpot");
  options.rules.only_if(
      app, {"--page-tokens"},
      [&options, basis] {
        return basis() == Basis::pages ||
               ((basis() == Basis::time || basis() == Basis::step) && prices_pages(options.spec.config));
      },
      "--target missed_pages=N, or one of time and --memory serial, which alone prices pages");
  options.rules.only_if(
      app, {"--overlap", "--reservation-cost"}, [=] { return basis() == Basis::step; },
      "a --target of a token: tpot_ns or tpot_p99_ns");
  options.rules.only_if(
      app, {"--retention-steps"},
      [&options] { return options.target->measure->needs == find_measure("refreshes")->needs; },
      "a --target of refreshes, idle_steps or retained_hits");
  options.rules.only_if(
      app, {"--energy"}, [&options] { return options.target->measure->name == "known_joules_per_token"; },
      "--target known_joules_per_token=N");
}

std::string target_help() {
  std::string help = "The field is at most NUMBER. Fields: ";
  for (const Measure& measure : measures()) {
    help += fmt::format("{}{} ({})", &measure == measures().data() ? "" : ", ", measure.name,
                        with_options(measure.sentence));
  }
  return help;
}

}  // namespace

std::function<int()> add_knee(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_trace_argument(app, options->spec);
  add_policies_option(app, options->policies, "lru");
  add_capacities_options(app, options->capacities,
                         "To try, of each cache: entries, 20MiB, 2x, 0.2ctx [all for lru and belady, otherwise 8 to an "
                         "octave from 1x on]");
  add_replay_fields(app, *options,
                    {FieldGroup::cache, FieldGroup::workload, FieldGroup::memory, FieldGroup::llc, FieldGroup::step},
                    {"policy", "capacity", "budget"});
  add_machine_options(app, options->jobs);
  add_option(
      app, "--target", [options](const std::string& text) { options->target = parse_target(text); }, target_help())
      .type("FIELD=NUMBER");
  options->result.add_options(app, "the knees");
  add_target_rules(app, *options);
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
