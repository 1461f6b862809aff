#include "replay_options.hpp"

#include "options.hpp"

#include <spdlog/spdlog.h>

#include <limits>

namespace dsasim::tool {
namespace {

void add_policy_option(CLI::App& app, ReplayConfig& config) {
  app.add_option_function<std::string>(
         "--policy", [&](const std::string& text) { config.policy = parse_policy(text); },
         "Replacement policy; `dsasim policies` lists them [lru]")
      ->type_name("NAME[,key=value...]");
}

void add_cache_options(CLI::App& app, ReplayConfig& config, const ReplayOptionsInstead& instead) {
  if (instead.add_policy) {
    instead.add_policy();
  } else {
    add_policy_option(app, config);
  }
  add_choice(app, "--scope", config.scope, "Who shares a cache [stream]", scope_names);
  instead.add_capacity();
  add_number<std::uint64_t>(
      app, "--entry-bytes", config.entry_bytes,
      "Bytes of an entry in one layer [the model's, divided by --tp; without --model the trace's]", 1, 1U << 30U);
  add_choice(app, "--order", config.order, "Order of the accesses of a selection [logged]", order_names);
  add_choice(app, "--warm", config.warm, "What caches hold before the first step [none]", warm_names);
  add_choice(app, "--new-token", config.new_token, "How the entry that a step appends gets in [demand]",
             new_token_names);
  add_number<std::uint32_t>(
      app, "--resident-blocks", config.resident_blocks,
      "The newest N blocks of 64 entries stay resident outside the capacity, as vLLM's newest pages do [0]", 0,
      1U << 25U);
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

void add_llc_options(CLI::App& app, ReplayConfig& config) {
  app.add_option_function<std::string>(
         "--llc",
         [&](const std::string& text) {
           config.llc_of_gpu = text == "gpu";
           config.llc = config.llc_of_gpu ? std::nullopt : std::make_optional(parse_llc(text));
         },
         "Last-level cache that the capacity is reserved in; what is not reserved caches lines. gpu: that of --gpu "
         "[none]")
      ->type_name("BYTES[,key=value...]|gpu");
  add_bytes(app, "--set-aside", config.set_aside_bytes,
            "Part of --llc where rows that are not reserved are kept, in no order (evict_last) [0]");
  add_bytes(app, "--llc-stream", config.llc_stream_bytes,
            "Other data that passes through --llc before each layer's gather, besides the model's [0]");
}

}  // namespace

void add_replay_options(CLI::App& app, ReplayRun& run, const ReplayOptionsInstead& instead) {
  app.add_option("trace", run.trace, "Trace to replay (.dsat)")->required()->type_name("TRACE");
  add_cache_options(app, run.config, instead);
  add_range_options(app, run);
}

void add_step_options(CLI::App& app, StepSpec& step, OptionRules& rules) {
  app.add_option("--model", step.model, "Time decode steps of this model; `dsasim models` lists them")
      ->type_name("NAME|FILE.json");
  app.add_option("--gpu", step.gpu, "On this GPU; `dsasim gpus` lists them")->type_name("NAME|FILE.json");
  add_number<std::uint32_t>(app, "--tp", step.tensor_parallel, "GPUs that share weights and arithmetic evenly [1]", 1,
                            1024);
  add_choice(app, "--overlap", step.overlap, "What a gather shares its time with [attention]", overlap_names);
  rules.only_if(
      app, {"--tp", "--overlap"}, [&] { return step.times_steps(); }, "--model and --gpu with it");
}

void add_jobs_option(CLI::App& app, std::uint32_t& jobs) {
  add_number<std::uint32_t>(app, "--jobs", jobs, "Threads; results do not depend on it [1]", 1, 4096);
}

void add_capacities_options(CLI::App& app, std::vector<Capacity>& capacities, const std::string& description) {
  const auto add = [&](const std::string& option, auto parse, const std::string& text) {
    return app
        .add_option_function<std::string>(
            option,
            [&capacities, option, parse](const std::string& list) {
              capacities.clear();
              for (const std::string_view item : list_items(list)) {
                capacities.push_back(parse(item, option));
              }
            },
            text)
        ->type_name("CAP,...")
        ->multi_option_policy(list_policy);
  };
  add("--capacities", Capacity::parse, description)
      ->excludes(add(
          "--budgets", Capacity::parse_budget,
          "Instead of --capacities: of all caches together, shared out evenly, in entries or bytes (65536, 20MiB)"));
}

void add_page_and_memory_options(CLI::App& app, ReplayConfig& config) {
  app.add_option_function<std::string>(
         "--page-tokens",
         [&](const std::string& text) {
           config.page_tokens = text == "trace" ? 0 : parse_number<std::uint32_t>("--page-tokens", text, 1, 1U << 20U);
         },
         "Tokens of a page; `trace` takes the trace's [16]")
      ->type_name("N|trace");
  add_memory_options(app, config.memory, " [the GPU's, or serial]");
}

bool prices_pages(const ReplayConfig& config) {
  return config.memory.name == "serial" || (config.memory.name.empty() && !config.step.times_steps());
}

void add_replay_point_options(CLI::App& app, ReplayRun& run) {
  run.config.capacity = Capacity::parse("2x");
  const auto add_capacity = [&] {
    CLI::Option* capacity = app.add_option_function<std::string>(
        "--capacity", [&](const std::string& text) { run.config.capacity = Capacity::parse(text); },
        "Of each cache: 4096 (entries), 20MB, 20MiB, 2x (times the longest selection), 0.2ctx (of the context); 0 "
        "reserves nothing [2x]");
    app.add_option_function<std::string>(
           "--budget", [&](const std::string& text) { run.config.capacity = Capacity::parse_budget(text); },
           "Instead of --capacity: of all caches together, shared out evenly, in entries or bytes (65536, 20MiB)")
        ->type_name("CAP")
        ->excludes(capacity->type_name("CAP"));
  };
  add_replay_options(app, run, {.add_policy = {}, .add_capacity = add_capacity});
  add_page_and_memory_options(app, run.config);
  add_llc_options(app, run.config);
  add_step_options(app, run.config.step, run.rules);
  run.rules.only_if(
      app, {"--set-aside", "--llc-stream"}, [&] { return run.config.llc || run.config.llc_of_gpu; },
      "--llc with it: it is about that cache");
}

TraceReader open_trace(const ReplayRun& run) {
  TraceReader trace(run.trace, {.allow_truncated = run.allow_truncated});
  if (trace.truncated()) {
    spdlog::warn("{} is cut off; replaying its {} whole chunks", trace.name(), trace.chunk_count());
  }
  return trace;
}

}  // namespace dsasim::tool
