#include "command.hpp"
#include "options.hpp"
#include "output.hpp"

#include "dsasim/replay/replay.hpp"
#include "dsasim/report/report.hpp"

#include <spdlog/spdlog.h>

#include <limits>
#include <memory>
#include <optional>
#include <string>

namespace dsasim::tool {
namespace {

struct Options {
  std::string trace;
  ReplayConfig config;
  bool allow_truncated = false;
  std::uint32_t jobs = 1;
  std::string json;
  std::string per_step;
};

void add_cache_options(CLI::App& app, ReplayConfig& config) {
  app.add_option_function<std::string>(
         "--policy", [&](const std::string& text) { config.policy = parse_policy(text); },
         "Replacement policy; `dsasim policies` lists them [lru]")
      ->type_name("NAME[,key=value...]");
  add_choice(app, "--scope", config.scope, "Who shares a cache [stream]", scope_names);
  app.add_option_function<std::string>(
         "--capacity", [&](const std::string& text) { config.capacity = Capacity::parse(text); },
         "Of each cache: 4096 (entries), 20MB, 20MiB, 2x (times the longest selection), 0.2ctx (of the context); 0 "
         "reserves nothing [2x]")
      ->type_name("CAP");
  add_number<std::uint64_t>(app, "--entry-bytes", config.entry_bytes, "Bytes of an entry in one layer [the trace's]", 1,
                            1U << 30U);
  add_choice(app, "--order", config.order, "Order of the accesses of a selection [logged]", order_names);
  add_choice(app, "--warm", config.warm, "What caches hold before the first step [none]", warm_names);
  add_choice(app, "--new-token", config.new_token, "How the entry that a step appends gets in [demand]",
             new_token_names);
}

void add_range_options(CLI::App& app, Options& options) {
  app.add_option_function<std::string>(
         "--steps",
         [&](const std::string& text) {
           const auto [first, last] = parse_steps(text);
           options.config.steps = StepRange{.first = first, .last = last};
         },
         "Replay steps A up to B only, caches empty at A [all]")
      ->type_name("A:B");
  add_number<std::uint64_t>(app, "--warmup-steps", options.config.warmup_steps,
                            "Replay the first N steps without counting them [0]", 0,
                            std::numeric_limits<std::uint64_t>::max());
  add_number<std::uint32_t>(app, "--jobs", options.jobs, "Threads; results do not depend on it [1]", 1, 4096);
  app.add_flag("--allow-truncated", options.allow_truncated, "Replay the whole chunks of a trace that was cut off");
}

void add_memory_options(CLI::App& app, ReplayConfig& config) {
  app.add_option_function<std::string>(
         "--page-tokens",
         [&](const std::string& text) {
           config.page_tokens = text == "trace" ? 0 : parse_number<std::uint32_t>("--page-tokens", text, 1, 1U << 20U);
         },
         "Tokens of a page; `trace` takes the trace's [16]")
      ->type_name("N|trace");
  app.add_option("--memory", config.memory.name, "Memory model; `dsasim memories` lists them [serial]")
      ->type_name("NAME");
  add_number<double>(app, "--miss-ns", config.memory.miss_ns, "serial: nanoseconds of a missed page [200]", 0, 1e9);
}

int run(const Options& options) {
  if (options.json == "-" && options.per_step == "-") {
    throw ConfigError("--per-step", "stdout (-) is taken by --json");
  }
  refuse_same_file("--json", options.json, "the trace itself", options.trace);
  refuse_same_file("--per-step", options.per_step, "the trace itself", options.trace);
  refuse_same_file("--per-step", options.per_step, "the file of --json", options.json);
  const TraceReader trace(options.trace, {.allow_truncated = options.allow_truncated});
  const std::uint64_t entry_bytes = effective_config(trace, options.config).entry_bytes;
  if (trace.truncated()) {
    spdlog::warn("{} is cut off; replaying its {} whole chunks", trace.name(), trace.chunk_count());
  }
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
  app.add_option("trace", options->trace, "Trace to replay (.dsat)")->required()->type_name("TRACE");
  add_cache_options(app, options->config);
  add_range_options(app, *options);
  add_memory_options(app, options->config);
  app.add_option("--json", options->json, "Write the report as JSON (- for stdout) instead of the table")
      ->type_name("FILE");
  app.add_option("--per-step", options->per_step, "Write a CSV row for each step, layer and request")
      ->type_name("FILE.csv");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
