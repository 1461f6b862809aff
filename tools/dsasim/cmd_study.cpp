#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "replay_options.hpp"

#include "dsasim/report/study_report.hpp"
#include "dsasim/study/study.hpp"

#include <memory>
#include <optional>
#include <string>

namespace dsasim::tool {
namespace {

struct Options {
  ReplayRun run;  ///< the trace
  StudyConfig config;
  std::string json;
};

int run(const Options& options) {
  options.run.rules.check();
  const TraceReader trace = open_trace(options.run);
  std::optional<Output> json;
  if (!options.json.empty()) {
    json.emplace("--json", options.json);
  }
  Progress progress("study");
  constexpr std::uint64_t whole = 1000;
  const StudyResult result = study(trace, options.config, options.run.jobs, [&](double share) {
    progress.update(static_cast<std::uint64_t>(share * whole), whole);
  });
  if (json) {
    json->write(study_json(trace, options.config, result));
    json->commit();
  } else {
    fmt::print("{}", study_text(trace, result));
  }
  return exit_done;
}

}  // namespace

std::function<int()> add_study(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("trace", options->run.trace, "Trace to study (.dsat)")->required()->type_name("TRACE");
  add_step_options(app, options->config.step, options->run.rules);
  add_memory_options(app, options->config.memory, " [the GPU's]");
  add_number<std::uint64_t>(app, "--entry-bytes", options->config.entry_bytes,
                            "Bytes of an entry in one layer [the model's]", 1, TraceHeader::max_entry_bytes);
  add_number<std::uint32_t>(app, "--parts", options->config.parts,
                            "Try 1, 2, ... N of N equal parts of the last-level cache [8]", 1, 64);
  add_jobs_option(app, options->run.jobs);
  add_output_option(app, "--json", options->json, "Write the study as JSON (- for stdout) instead of the answer",
                    ".json");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
