#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "result.hpp"

#include "dsasim/generate/generate.hpp"
#include "dsasim/generate/measure.hpp"
#include "dsasim/generate/preset.hpp"
#include "dsasim/trace/reader.hpp"

#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace dsasim::tool {
namespace {

struct Options {
  std::string preset;
  std::string like;
  std::string output;
  std::uint64_t seed = 1;
  Shape shape;
  std::vector<std::pair<const StatisticDescription*, double>> statistics;
  bool list = false;
  bool list_statistics = false;
  OptionRules rules;
  Result result;
};

int list_presets() {
  for (const Preset& preset : presets()) {
    fmt::print(
        "{:<18} {}\n{:<18}   fitted to: {}\n{:<18}   predicts: {}\n{:<18}   default: layers {}, top-k {}, steps {}, "
        "prompt of {} tokens\n",
        preset.name, preset.sentence, "", preset.fitted, "", preset.predicts, "", preset.shape.layers,
        preset.shape.top_k, preset.shape.steps, preset.shape.prompt_tokens);
  }
  return exit_done;
}

PresetStatistics statistics_of(const Options& options) {
  PresetStatistics statistics = find_preset(options.preset).statistics;
  for (const auto& [statistic, value] : options.statistics) {
    statistics.*statistic->member = value;
  }
  return statistics;
}

int list_statistics(const Options& options) {
  const PresetStatistics statistics = statistics_of(options);
  fmt::print("{:<21} {:>8} {:>7} {:>8}\n", "statistic", "value", "least", "most");
  for (const StatisticDescription& statistic : statistic_descriptions()) {
    fmt::print("{:<21} {:>8} {:>7} {:>8}\n", statistic.name, statistics.*statistic.member, statistic.least,
               statistic.most);
  }
  return exit_done;
}

SelectionModel preset_model(const Options& options) {
  return model_of(find_preset(options.preset), statistics_of(options), options.shape);
}

SelectionModel measured_model(const Options& options) {
  if (!options.statistics.empty()) {
    throw ConfigError(fmt::format("--{}", options.statistics.front().first->name),
                      "goes with --preset; --like measures it");
  }
  Progress progress("measure");
  return reshaped(measure(TraceReader(options.like),
                          [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); }),
                  options.shape);
}

int run(Options& options) {
  options.rules.check();
  if (options.list) {
    return list_presets();
  }
  if (options.preset.empty() == options.like.empty()) {
    throw ConfigError("generate", "expected --preset or --like, found {}", options.like.empty() ? "neither" : "both");
  }
  if (options.list_statistics) {
    if (options.preset.empty()) {
      throw ConfigError("--statistics", "goes with --preset; --like measures tables");
    }
    return list_statistics(options);
  }
  require_trace_file(options.output);
  options.result.open();
  const SelectionModel model = options.like.empty() ? preset_model(options) : measured_model(options);
  Progress progress("generate");
  generate(model, options.seed, options.output,
           [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); });
  write_trace_shape(options.result, options.output, {{"schema", "dsasim-generate/1"}});
  return exit_done;
}

}  // namespace

std::function<int()> add_generate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_output_option(app, "-o,--output", options->output, "Trace to write", ".dsat");
  add_text(app, "--preset", options->preset, "Draw from published statistics; --list shows them").type("NAME");
  add_text(app, "--like", options->like, "Draw from the statistics of this trace").type("TRACE");
  add_number<std::uint64_t>(app, "--seed", options->seed, "Where the sequence of draws starts [1]", 0,
                            std::numeric_limits<std::uint64_t>::max());
  add_number<std::uint32_t>(app, "--layers", options->shape.layers, "Layers that own an index", 1, 1U << 16U);
  add_number<std::uint32_t>(app, "--top-k", options->shape.top_k, "Ids of a selection", 1, 1U << 24U);
  add_number<std::uint64_t>(app, "--steps", options->shape.steps, "Decode steps of each request", 1, (1U << 20U) - 1);
  add_number<std::uint64_t>(app, "--context", options->shape.prompt_tokens, "Tokens of the prompt", 1, max_entry_ids);
  add_number<std::uint32_t>(app, "--batch", options->shape.requests, "Requests", 1, 1U << 20U);
  options->result.add_options(app, "the trace's shape");
  add_flag(app, "--list", options->list, "List the presets: what each was fitted to and what it predicts");
  add_flag(app, "--statistics", options->list_statistics, "List the preset's numbers, and what each may be");
  for (const StatisticDescription& statistic : statistic_descriptions()) {
    const std::string option = fmt::format("--{}", statistic.name);
    add_option(
        app, option,
        [options, option, &statistic](const std::string& text) {
          options->statistics.emplace_back(&statistic,
                                           parse_number<double>(option, text, statistic.least, statistic.most));
        },
        std::string(statistic.description) + " [the preset's]")
        .type("X");
  }
  options->rules.only_if(
      app, {"--output", "--seed", "--layers", "--top-k", "--steps", "--context", "--batch", "--json", "--csv"},
      [options = options.get()] { return !options->list && !options->list_statistics; },
      "no --list and no --statistics, which write no trace");
  options->rules.only_if(
      app, {"--preset", "--like", "--statistics"}, [options = options.get()] { return !options->list; },
      "no --list, which shows all presets");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
