#include "command.hpp"
#include "options.hpp"
#include "output.hpp"
#include "replay_options.hpp"

#include "dsasim/replay/replay.hpp"
#include "dsasim/report/report.hpp"

#include <array>
#include <memory>
#include <optional>
#include <string>

namespace dsasim::tool {
namespace {

struct Options : ReplayRun {
  std::string json;
  std::string per_step;
  std::string step_times;
};

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

void add_step_options(CLI::App& app, StepSpec& step) {
  app.add_option("--model", step.model, "Time decode steps of this model; `dsasim models` lists them")
      ->type_name("NAME|FILE.json");
  app.add_option("--gpu", step.gpu, "On this GPU; `dsasim gpus` lists them")->type_name("NAME|FILE.json");
  add_number<std::uint32_t>(app, "--tp", step.tensor_parallel, "GPUs that share weights and arithmetic evenly [1]", 1,
                            1024);
  add_choice(app, "--overlap", step.overlap, "What a gather shares its time with [attention]", overlap_names);
}

/// A CSV that grows while the replay goes on. Without a path it swallows everything.
class RowFile {
 public:
  RowFile(const char* option, const std::string& path, std::string_view header) : rows_(header) {
    if (!path.empty()) {
      output_.emplace(option, path);
    }
  }
  explicit operator bool() const noexcept { return output_.has_value(); }
  std::string& rows() noexcept { return rows_; }
  void write_if_many() {
    constexpr std::size_t buffer_bytes = 1U << 20U;
    if (rows_.size() > buffer_bytes) {
      output_->write(rows_);
      rows_.clear();
    }
  }
  void commit() {
    if (output_) {
      output_->write(rows_);
      output_->commit();
    }
  }

 private:
  std::optional<Output> output_;
  std::string rows_;
};

/// Outputs are files apart from each other and from the trace.
void check_outputs(const Options& options) {
  const std::array<std::pair<const char*, const std::string*>, 3> outputs{
      {{"--json", &options.json}, {"--per-step", &options.per_step}, {"--step-times", &options.step_times}}};
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    refuse_same_file(outputs[i].first, *outputs[i].second, "the trace itself", options.trace);
    for (std::size_t j = 0; j < i; ++j) {
      if (*outputs[i].second == "-" && *outputs[j].second == "-") {
        throw ConfigError(outputs[i].first, "stdout (-) is taken by {}", outputs[j].first);
      }
      refuse_same_file(outputs[i].first, *outputs[i].second, fmt::format("the file of {}", outputs[j].first),
                       *outputs[j].second);
    }
  }
  if (!options.step_times.empty() && !options.config.step.times_steps()) {
    throw ConfigError("--step-times", "expected --model and --gpu with it");
  }
}

int run(const Options& options) {
  check_outputs(options);
  const TraceReader trace = open_trace(options);
  const std::uint64_t entry_bytes = effective_config(trace, options.config).entry_bytes;
  std::optional<Output> json;
  if (!options.json.empty()) {
    json.emplace("--json", options.json);
  }
  RowFile per_step("--per-step", options.per_step, step_csv_header);
  RowFile step_times("--step-times", options.step_times, step_times_csv_header);

  Progress progress("replay");
  ReplayHooks hooks;
  hooks.on_step = [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); };
  if (per_step) {
    hooks.on_row = [&](const StepRow& row) {
      append_step_csv(per_step.rows(), row, entry_bytes);
      per_step.write_if_many();
    };
  }
  if (step_times) {
    hooks.on_times = [&](const StepTimeRow& row) {
      append_step_times_csv(step_times.rows(), row);
      step_times.write_if_many();
    };
  }
  const ReplayResult result = replay(trace, options.config, hooks, options.jobs);
  per_step.commit();
  step_times.commit();
  if (json) {
    json->write(report_json(trace, result));
    json->commit();
  } else if (options.per_step != "-" && options.step_times != "-") {
    fmt::print("{}", report_table(trace, result));
  }
  return exit_done;
}

}  // namespace

void add_replay_point_options(CLI::App& app, ReplayRun& run) {
  run.config.capacity = Capacity::parse("2x");
  add_replay_options(app, run, [&] {
    app.add_option_function<std::string>(
           "--capacity", [&](const std::string& text) { run.config.capacity = Capacity::parse(text); },
           "Of each cache: 4096 (entries), 20MB, 20MiB, 2x (times the longest selection), 0.2ctx (of the context); 0 "
           "reserves nothing [2x]")
        ->type_name("CAP");
  });
  add_page_and_memory_options(app, run.config);
  add_llc_options(app, run.config);
  add_step_options(app, run.config.step);
}

std::function<int()> add_replay(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_replay_point_options(app, *options);
  add_jobs_option(app, options->jobs);
  app.add_option("--json", options->json, "Write the report as JSON (- for stdout) instead of the table")
      ->type_name("FILE");
  app.add_option("--per-step", options->per_step, "Write a CSV row for each step, layer and request")
      ->type_name("FILE.csv");
  app.add_option("--step-times", options->step_times, "Write a CSV row of times for each step and layer; needs --model")
      ->type_name("FILE.csv");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
