#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "replay_options.hpp"
#include "result.hpp"

#include "dsasim/report/study_report.hpp"
#include "dsasim/study/study.hpp"

#include <memory>
#include <optional>
#include <string>

namespace dsasim::tool {
namespace {

struct Options : ReplayRun {
  StudyConfig config;
  Result result;
};

int run(Options& options) {
  options.rules.check();
  options.config.replay = options.spec.config;
  const TraceReader trace = open_trace(options.spec);
  options.result.open();
  Progress progress("study");
  const StudyResult result =
      study(trace, options.config, options.jobs, [&](double share) { progress.update_share(share); });
  options.result.write([&] { return study_json(trace, options.config, result); },
                       [&] { return study_text(trace, result); });
  return exit_done;
}

}  // namespace

std::function<int()> add_study(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_trace_argument(app, options->spec);
  add_policies_option(app, options->config.policies, "lru, hisparse");
  add_replay_fields(
      app, *options, {FieldGroup::cache, FieldGroup::workload, FieldGroup::memory, FieldGroup::step},
      {"policy", "scope", "capacity", "budget", "prefetch", "granularity", "page-tokens", "retention-steps", "energy"});
  add_number<std::uint32_t>(app, "--parts", options->config.parts,
                            "Try 1, 2, ... N of N equal parts of the last-level cache [8]", 1, 64);
  add_machine_options(app, options->jobs);
  options->result.add_options(app, "the study");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
