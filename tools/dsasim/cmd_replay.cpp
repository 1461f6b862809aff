#include "command.hpp"
#include "options.hpp"
#include "output.hpp"
#include "replay_options.hpp"

#include "dsasim/replay/replay.hpp"
#include "dsasim/report/report.hpp"

#include <memory>
#include <optional>
#include <string>

namespace dsasim::tool {
namespace {

struct Options : ReplayRun {
  std::string json;
  std::string per_step;
};

void add_memory_options(CLI::App& app, ReplayConfig& config) {
  app.add_option_function<std::string>(
         "--page-tokens",
         [&](const std::string& text) {
           config.page_tokens = text == "trace" ? 0 : parse_number<std::uint32_t>("--page-tokens", text, 1, 1U << 20U);
         },
         "Tokens of a page; `trace` takes the trace's [16]")
      ->type_name("N|trace");
  app.add_option_function<std::string>(
         "--memory",
         [&](const std::string& text) {
           const double miss_ns = config.memory.miss_ns;
           config.memory = parse_memory(text);
           config.memory.miss_ns = miss_ns;
         },
         "Memory model or configuration; `dsasim memories` lists them [serial]")
      ->type_name("NAME[,key=value...]");
  add_number<double>(app, "--miss-ns", config.memory.miss_ns, "serial: nanoseconds of a missed page [200]", 0, 1e9);
}

int run(const Options& options) {
  if (options.json == "-" && options.per_step == "-") {
    throw ConfigError("--per-step", "stdout (-) is taken by --json");
  }
  refuse_same_file("--json", options.json, "the trace itself", options.trace);
  refuse_same_file("--per-step", options.per_step, "the trace itself", options.trace);
  refuse_same_file("--per-step", options.per_step, "the file of --json", options.json);
  const TraceReader trace = open_trace(options);
  const std::uint64_t entry_bytes = effective_config(trace, options.config).entry_bytes;
  std::optional<Output> json;
  std::optional<Output> per_step;
  if (!options.json.empty()) {
    json.emplace("--json", options.json);
  }
  if (!options.per_step.empty()) {
    per_step.emplace("--per-step", options.per_step);
  }

  Progress progress("replay");
  ReplayHooks hooks;
  hooks.on_step = [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); };
  std::string rows(step_csv_header);
  if (per_step) {
    hooks.on_row = [&](const StepRow& row) {
      append_step_csv(rows, row, entry_bytes);
      constexpr std::size_t buffer_bytes = 1U << 20U;
      if (rows.size() > buffer_bytes) {
        per_step->write(rows);
        rows.clear();
      }
    };
  }
  const ReplayResult result = replay(trace, options.config, hooks, options.jobs);
  if (per_step) {
    per_step->write(rows);
    per_step->commit();
  }
  if (json) {
    json->write(report_json(trace, result));
    json->commit();
  } else if (options.per_step != "-") {
    fmt::print("{}", report_table(trace, result));
  }
  return exit_done;
}

}  // namespace

std::function<int()> add_replay(CLI::App& app) {
  auto options = std::make_shared<Options>();
  options->config.capacity = Capacity::parse("2x");
  add_replay_options(app, *options, [&] {
    app.add_option_function<std::string>(
           "--capacity", [options](const std::string& text) { options->config.capacity = Capacity::parse(text); },
           "Of each cache: 4096 (entries), 20MB, 20MiB, 2x (times the longest selection), 0.2ctx (of the context); 0 "
           "reserves nothing [2x]")
        ->type_name("CAP");
  });
  add_memory_options(app, options->config);
  app.add_option("--json", options->json, "Write the report as JSON (- for stdout) instead of the table")
      ->type_name("FILE");
  app.add_option("--per-step", options->per_step, "Write a CSV row for each step, layer and request")
      ->type_name("FILE.csv");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
