#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "plot.hpp"
#include "replay_options.hpp"
#include "result.hpp"

#include "dsasim/error.hpp"
#include "dsasim/plan/plan.hpp"
#include "dsasim/report/plan_report.hpp"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dsasim::tool {
namespace {

struct Options : ReplayRun {
  std::vector<std::string> traces;
  PlanConfig plan;
  Result result;
  std::string over_time;
  bool plot = false;
};

/// In nanoseconds.
std::uint64_t parse_time(const std::string& option, std::string_view text) {
  static constexpr std::array suffixes{Suffix{"ms", 1'000'000U}, Suffix{"us", 1'000U}, Suffix{"ns", 1U}};
  constexpr std::uint64_t most = 1'000'000'000'000;
  return parse_scaled(option, text, "a time, as in 50ms, 800us or 50000000 (nanoseconds)", most, suffixes);
}

void check(const Options& options) {
  const StepSpec& step = options.spec.config.step;
  require("--model", !step.model.empty(), "a name (dsasim models lists them) or a FILE.json");
  require("--gpu", !step.gpu.empty(), "a name (dsasim gpus lists them) or a FILE.json");
  require("--context", options.plan.context_tokens != 0, "the tokens of each request's context");
  options.rules.check();
}

int run(Options& options) {
  check(options);
  const OpenTraces open = open_traces(options.traces, options.spec);
  options.result.open();
  std::optional<Output> over_time;
  if (!options.over_time.empty()) {
    over_time.emplace("--over-time", options.over_time);
  }
  const PolicySpec policy = options.plan.replay.policy;
  options.plan.replay = options.spec.config;
  options.plan.replay.policy = policy;
  Progress progress("plan");
  const PlanResult result =
      plan(open.views, options.plan, options.jobs, [&](double share) { progress.update_share(share); });
  if (over_time) {
    over_time->write(over_time_csv(result));
    over_time->commit();
  }
  if (!options.result.is_text() || options.over_time != "-") {
    options.result.write(
        [&] { return plan_json(result); },
        [&] { return plan_text(result) + (options.plot ? "\n" + plan_plot(result, plot_columns()) : ""); });
  }
  return exit_done;
}

void add_plan_options(CLI::App& app, PlanConfig& plan) {
  add_tokens(app, "--context", plan.context_tokens, "Tokens of each request's context", 1'000'000'000'000);
  add_option(
      app, "--slots", [&plan](const std::string& text) { plan.slots = parse_buffer_sizes("--slots", text); },
      "Slots of a buffer for each request and layer: entries, 2x (times the model's top-k), or all: everything in GPU "
      "memory [1x,1.5x,2x,3x,4x,all]")
      .type("SIZE,...")
      .list();
  add_option(
      app, "--policy", [&plan](const std::string& text) { plan.replay.policy = parse_policy(text, "--policy"); },
      "Replacement policy of the buffers; `dsasim policies` lists them [hisparse]")
      .type("NAME[,key=value...]");
  add_text(app, "--host", plan.host, "The link to host memory; `dsasim memories` lists them (model host) [pcie5]")
      .type("NAME|FILE.json[,key=value...]");
  add_number<std::uint64_t>(app, "--batch", plan.batch, "Requests that decode together, on all GPUs [as many as fit]",
                            1, 65'536);
  add_number<std::uint64_t>(app, "--max-batch", plan.max_batch, "Requests that the stack runs at most [1024]", 1,
                            65'536);
  add_option(
      app, "--slo-tpot", [&plan](const std::string& text) { plan.slo_tpot_ns = parse_time("--slo-tpot", text); },
      "Limit of the mean token's time, in nanoseconds or with a unit [none]")
      .type("N|Nus|Nms");
  add_choice(app, "--prefetch", plan.prefetch,
             "Copies ahead: of layers that share an index, as soon as its owner's are done, or none [anchor]",
             prefetch_names);
  add_choice(app, "--extrapolate", plan.extrapolation,
             "Where the trace has another top-k or context: draw traces like it, or scale its own misses [generate]",
             extrapolation_names);
  add_number<double>(app, "--memory-fraction", plan.memory_fraction,
                     "Of the GPU's memory, for weights and requests [0.9]", 0.01, 1);
  add_option(
      app, "--host-memory",
      [&plan](const std::string& text) {
        plan.host_bytes = parse_bytes("--host-memory", text, std::uint64_t{1} << 50U);
      },
      "Of the node, for KV [as much as it takes]")
      .type("BYTES");
  add_text(app, "--nvme", plan.nvme,
           "Drives below host memory; `dsasim memories` lists them (model nvme) [none: host memory holds all KV]")
      .type("NAME|FILE.json[,key=value...]");
  add_choice(app, "--host-copies", plan.host_copies,
             "Copies of a request's KV in host memory: one for each GPU that attends to it, or one for all [rank]",
             host_copies_names);
  add_number<std::uint64_t>(app, "--ranks-per-link", plan.ranks_per_link, "GPUs behind one link [1]", 1, 64);
  add_flag(app, "--resident-pages", plan.resident_pages,
           "GPU memory that a batch leaves holds the newest pages of each request; their rows bypass the buffer");
  add_text(app, "--arrivals", plan.arrivals,
           "Batches over time, too: JSON lines (timestamp in ms, input_length, output_length), a CSV of start_step, or "
           "the start steps and lengths of the traces")
      .type("FILE|trace");
}

}  // namespace

std::function<int()> add_plan(CLI::App& app) {
  auto options = std::make_shared<Options>();
  PlanConfig& plan = options->plan;
  plan.replay.policy = parse_policy("hisparse");
  plan.slots = parse_buffer_sizes("--slots", "1x,1.5x,2x,3x,4x,all");
  add_texts(app, "trace", options->traces, "Traces to replay (.dsat)").required().type("TRACE");
  add_plan_options(app, plan);
  add_replay_fields(app, *options, {FieldGroup::cache, FieldGroup::workload, FieldGroup::step},
                    {"policy", "scope", "capacity", "budget", "prefetch", "granularity", "entry-bytes", "energy",
                     "overlap", "reservation-cost"});
  options->rules.only_if(
      app, {"--host-copies"},
      [options = options.get()] {
        const Deployment& deployment = options->spec.config.step.deployment;
        return deployment.tensor_parallel > 1 && !deployment.dp_attention;
      },
      "several GPUs that attend to one request: --tp of 2 or more, and no --dp-attention");
  add_machine_options(app, options->jobs);
  options->result.add_options(app, "the plan");
  add_plot_option(app, options->rules, options->plot, options->result, "tokens a second and TPOT by slots");
  add_output_option(app, "--over-time", options->over_time,
                    "Write a CSV row for each stretch of steps with the same requests; needs --arrivals", ".csv");
  options->rules.only_if(
      app, {"--nvme"}, [&plan] { return plan.host_bytes.has_value(); },
      "host memory that does not hold all KV: --host-memory");
  options->rules.only_if(
      app, {"--over-time"}, [&plan] { return !plan.arrivals.empty(); }, "--arrivals");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
