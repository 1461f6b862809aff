#include "replay_options.hpp"

#include "options.hpp"

#include <spdlog/spdlog.h>

#include <limits>

namespace dsasim::tool {
namespace {

void add_cache_options(CLI::App& app, ReplayConfig& config, const std::function<void()>& add_capacity) {
  app.add_option_function<std::string>(
         "--policy", [&](const std::string& text) { config.policy = parse_policy(text); },
         "Replacement policy; `dsasim policies` lists them [lru]")
      ->type_name("NAME[,key=value...]");
  add_choice(app, "--scope", config.scope, "Who shares a cache [stream]", scope_names);
  add_capacity();
  add_number<std::uint64_t>(app, "--entry-bytes", config.entry_bytes, "Bytes of an entry in one layer [the trace's]", 1,
                            1U << 30U);
  add_choice(app, "--order", config.order, "Order of the accesses of a selection [logged]", order_names);
  add_choice(app, "--warm", config.warm, "What caches hold before the first step [none]", warm_names);
  add_choice(app, "--new-token", config.new_token, "How the entry that a step appends gets in [demand]",
             new_token_names);
}

void add_range_options(CLI::App& app, ReplayRun& run) {
  app.add_option_function<std::string>(
         "--steps", [&](const std::string& text) { run.config.steps = parse_steps(text); },
         "Replay steps A up to B only, caches empty at A [all]")
      ->type_name("A:B");
  add_number<std::uint64_t>(app, "--warmup-steps", run.config.warmup_steps,
                            "Replay the first N steps without counting them [0]", 0,
                            std::numeric_limits<std::uint64_t>::max());
  app.add_flag("--allow-truncated", run.allow_truncated, "Replay the whole chunks of a trace that was cut off");
}

}  // namespace

void add_replay_options(CLI::App& app, ReplayRun& run, const std::function<void()>& add_capacity) {
  app.add_option("trace", run.trace, "Trace to replay (.dsat)")->required()->type_name("TRACE");
  add_cache_options(app, run.config, add_capacity);
  add_range_options(app, run);
}

void add_jobs_option(CLI::App& app, std::uint32_t& jobs) {
  add_number<std::uint32_t>(app, "--jobs", jobs, "Threads; results do not depend on it [1]", 1, 4096);
}

TraceReader open_trace(const ReplayRun& run) {
  TraceReader trace(run.trace, {.allow_truncated = run.allow_truncated});
  if (trace.truncated()) {
    spdlog::warn("{} is cut off; replaying its {} whole chunks", trace.name(), trace.chunk_count());
  }
  return trace;
}

}  // namespace dsasim::tool
