#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "replay_options.hpp"

#include "dsasim/analysis/analysis.hpp"
#include "dsasim/config/config_object.hpp"
#include "dsasim/curve/curve.hpp"
#include "dsasim/report/analysis_report.hpp"
#include "dsasim/report/curve_report.hpp"
#include "dsasim/report/html_report.hpp"
#include "dsasim/report/report.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace dsasim::tool {
namespace {

struct Options : ReplayRun {
  std::vector<std::string> inputs;
  std::vector<std::string> per_step;
  std::vector<std::string> gpus;
  std::string output;
};

ReplayHooks hooks_of(Progress& progress) {
  ReplayHooks hooks;
  hooks.on_step = [&progress](std::uint64_t done, std::uint64_t total) { progress.update(done, total); };
  return hooks;
}

/// At every capacity where it is one pass; otherwise at those that buffers have.
void add_curve(HtmlReport& report, const TraceReader& trace, const ReplayConfig& config, std::uint32_t jobs) {
  CurveConfig asked{.replay = config, .capacities = {}};
  asked.replay.capacity = {};
  if (!is_stack(trace.header(), config)) {
    for (const char* capacity : {"1x", "1.25x", "1.5x", "2x", "2.5x", "3x", "4x", "6x", "8x"}) {
      asked.capacities.push_back(Capacity::parse(capacity));
    }
  }
  Progress progress("curve");
  report.documents.push_back(
      {.name = trace.name(), .text = curve_json(trace, curve(trace, asked, hooks_of(progress), jobs))});
}

/// What the pictures of a trace are made of: a replay with its rows, curves and an analysis.
void add_trace(HtmlReport& report, const Options& options, const std::string& path) {
  ReplaySpec spec = options.spec;
  spec.trace = path;
  const TraceReader trace = open_trace(spec);
  const EffectiveConfig effective = effective_config(trace, spec.config);
  {
    Progress progress("replay");
    ReplayHooks hooks = hooks_of(progress);
    StepGrid& grid = report.grids.emplace_back(path);
    std::string row;
    hooks.on_row = [&](const StepRow& counted) {
      row.clear();
      append_step_csv(row, counted, effective);
      grid.add(std::string_view(row).substr(0, row.size() - 1));
    };
    const ReplayResult result = replay(trace, spec.config, hooks, options.jobs);
    report.documents.push_back({.name = path, .text = report_json(trace, result)});
    if (grid.rows() == 0) {
      report.grids.pop_back();
    }
  }
  add_curve(report, trace, spec.config, options.jobs);
  if (spec.config.policy.name != "lru") {
    ReplayConfig lru = spec.config;
    lru.policy = parse_policy("lru");
    add_curve(report, trace, lru, options.jobs);
  }
  AnalysisConfig analysis;
  analysis.steps = spec.config.steps;
  analysis.jobs = options.jobs;
  Progress progress("analyze");
  const AnalysisResult measured = analyze(
      trace, analysis, {.on_step = [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); }});
  report.documents.push_back({.name = path, .text = analysis_json({.trace = trace, .result = measured})});
}

/// Several paths come joined by newlines; unlike the items of other lists they may have commas.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

bool is_document(const std::string& path) {
  return path.ends_with(".json");
}

int run(const Options& options) {
  options.rules.check();
  HtmlReport report;
  for (const std::string& name : options.gpus) {
    named_config("--mark", "gpus", name);  // says which option names what is unknown
    report.gpus.push_back(load_gpu(name));
  }
  Output output("--output", options.output);
  for (const std::string& path : options.inputs) {
    if (is_document(path)) {
      report.documents.push_back({.name = path, .text = read_text(path, std::uint64_t{1} << 28U)});
    } else {
      add_trace(report, options, path);
    }
  }
  for (const std::string& path : options.per_step) {
    report.grids.push_back(StepGrid::read(path));
  }
  output.write(html_report(report));
  output.commit();
  return exit_done;
}

}  // namespace

std::function<int()> add_report(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_texts(app, "input", options->inputs, "Documents that other commands wrote with --json, and traces")
      .required()
      .type("FILE.json|TRACE");
  add_output_option(app, "-o,--output", options->output, "The page (- for stdout)", ".html").required();
  add_option(
      app, "--per-step", [options = options.get()](const std::string& text) { options->per_step = lines_of(text); },
      "Rows that `dsasim replay --per-step` wrote, for heat maps; may be given several times: each goes with the "
      "report "
      "whose totals are its sums")
      .type("FILE.csv")
      .list();
  add_option(
      app, "--mark",
      [options = options.get()](const std::string& text) {
        const auto names = list_items(text);
        options->gpus.assign(names.begin(), names.end());
      },
      "GPUs whose last-level caches are drawn into curves [the documents', or h200]")
      .type("NAME|FILE.json,...")
      .list();
  const auto of_replays = add_replay_fields(
      app, *options, {FieldGroup::cache, FieldGroup::workload, FieldGroup::memory, FieldGroup::llc, FieldGroup::step},
      {"prefetch", "retention-steps",
       "energy"});  // curves of all capacities have no prefetch, and pages no picture of energy
  add_machine_options(app, options->jobs);
  for (const std::string& option : of_replays) {
    options->rules.only_if(
        app, {option},
        [options = options.get()] { return !std::all_of(options->inputs.begin(), options->inputs.end(), is_document); },
        "a trace among the inputs: it is about its replay");
  }
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
