#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "replay_options.hpp"
#include "result.hpp"

#include "dsasim/model/gpu.hpp"
#include "dsasim/model/model.hpp"
#include "dsasim/report/step_report.hpp"
#include "dsasim/step/kernel_table.hpp"
#include "dsasim/step/predict_step.hpp"

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dsasim::tool {
namespace {

constexpr std::size_t most_points = 10'000;

struct Options : ReplayRun {
  StepWorkload workload;
  std::vector<std::uint64_t> batches;
  std::vector<std::uint64_t> contexts;
  std::string timeline;
  Result result;
};

void check(const Options& options) {
  const StepSpec& step = options.spec.config.step;
  const bool batches = !options.batches.empty();
  const bool contexts = !options.contexts.empty();
  require("--model", !step.model.empty(), "a name (dsasim models lists them) or a FILE.json");
  require("--gpu", !step.gpu.empty(), "a name (dsasim gpus lists them) or a FILE.json");
  require("--batch", batches || options.workload.batch != 0, "the requests that decode together, or --sweep-batch");
  require("--context", contexts || options.workload.context_tokens != 0,
          "the tokens of each request's context, or --sweep-context");
  if (batches && options.workload.batch != 0) {
    throw ConfigError("--sweep-batch", "takes the place of --batch; expected one of them");
  }
  if (contexts && options.workload.context_tokens != 0) {
    throw ConfigError("--sweep-context", "takes the place of --context; expected one of them");
  }
  if ((batches || contexts) && (options.result.wants_json() || !options.timeline.empty())) {
    throw ConfigError(options.result.wants_json() ? "--json" : "--timeline",
                      "expected one step; a sweep goes to a table or to --csv");
  }
  if (options.batches.size() * options.contexts.size() > most_points) {
    throw ConfigError("--sweep-batch", "expected at most {} points, found {}", most_points,
                      options.batches.size() * options.contexts.size());
  }
}

/// Batches outside, contexts inside.
std::vector<StepWorkload> workloads(const Options& options) {
  std::vector<StepWorkload> all;
  const auto one = [](const std::vector<std::uint64_t>& many, std::uint64_t single) {
    return many.empty() ? std::vector<std::uint64_t>{single} : many;
  };
  for (const std::uint64_t batch : one(options.batches, options.workload.batch)) {
    for (const std::uint64_t context : one(options.contexts, options.workload.context_tokens)) {
      StepWorkload workload = {.batch = 0, .context_tokens = 0, .deployment = options.spec.config.step.deployment};
      workload.batch = batch;
      workload.context_tokens = context;
      all.push_back(workload);
    }
  }
  return all;
}

int run(Options& options) {
  check(options);
  options.result.open();
  std::optional<Output> timeline;
  if (!options.timeline.empty()) {
    timeline.emplace("--timeline", options.timeline);
  }
  const StepSpec& step = options.spec.config.step;
  const Model model = load_model(step.model);
  const Gpu gpu = load_gpu(step.gpu);
  const KernelTable table = KernelTable::load(step.kernels, gpu);
  std::vector<StepPrediction> steps;
  for (const StepWorkload& workload : workloads(options)) {
    steps.push_back(predict_step(model, gpu, table, workload));
    if (step.energy) {
      steps.back().energy = predict_energy(model, gpu, table, workload);
    }
  }
  const StepReport of = {.model = model, .gpu = gpu, .table = table};
  if (timeline) {
    timeline->write(step_timeline_json(of, steps.front()));
    timeline->commit();
  }
  if (!options.result.is_text() || options.timeline != "-") {
    const bool sweep = !options.batches.empty() || !options.contexts.empty();
    options.result.write([&] { return step_json(of, steps.front()); },
                         [&] { return sweep ? step_sweep_table(of, steps) : step_table(of, steps.front()); },
                         [&] { return step_csv(steps); });
  }
  return exit_done;
}

void add_numbers(CLI::App& app, const std::string& option, std::vector<std::uint64_t>& target,
                 const std::string& description) {
  add_option(
      app, option,
      [option, &target](const std::string& text) {
        for (const std::string_view item : list_items(text)) {
          target.push_back(parse_number<std::uint64_t>(option, item, 1, std::numeric_limits<std::uint32_t>::max()));
        }
      },
      description)
      .type("N,N,...")
      .list();
}

}  // namespace

std::function<int()> add_step(CLI::App& app) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  auto options = std::make_shared<Options>();
  StepWorkload& workload = options->workload;
  add_replay_fields(app, *options, {FieldGroup::step}, {"overlap", "reservation-cost"});
  add_number<std::uint64_t>(app, "--batch", workload.batch, "Requests that decode together, on all GPUs", 1, most);
  add_tokens(app, "--context", workload.context_tokens, "Tokens of each request's context", most);
  add_numbers(app, "--sweep-batch", options->batches, "A line for each of these batches");
  add_numbers(app, "--sweep-context", options->contexts, "A line for each of these contexts");
  options->result.add_options(app, "the step");
  add_output_option(app, "--timeline", options->timeline,
                    "Also write a timeline of the step, for Perfetto or chrome://tracing", ".json");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
