#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "result.hpp"

#include "dsasim/generate/generate.hpp"
#include "dsasim/generate/measure.hpp"
#include "dsasim/generate/preset.hpp"
#include "dsasim/import/arrivals.hpp"
#include "dsasim/trace/reader.hpp"

#include <algorithm>
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
  std::uint32_t queries = 1;
  double acceptance = 0.85;
  ArrivalOptions arrivals;
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

SelectionModel measured_model(const Options& options) {
  if (!options.statistics.empty()) {
    throw ConfigError(fmt::format("--{}", options.statistics.front().first->name),
                      "goes with --preset; --like measures it");
  }
  Progress progress("measure");
  return measure(TraceReader(options.like),
                 [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); });
}

/// The model of a request, by its shape; what that leaves at 0 is as the options or the preset say.
ModelOf model_by_shape(const Options& options) {
  const bool preset = options.like.empty();
  const PresetStatistics statistics = preset ? statistics_of(options) : PresetStatistics{};
  const SelectionModel measured = preset ? SelectionModel{} : measured_model(options);
  return [=, &options](const RequestShape& request) {
    Shape shape = options.shape;
    shape.prompt_tokens = request.prompt_tokens != 0 ? request.prompt_tokens : shape.prompt_tokens;
    shape.steps = request.steps != 0 ? request.steps : shape.steps;
    SelectionModel model =
        preset ? model_of(find_preset(options.preset), statistics, shape) : reshaped(measured, shape);
    model.queries = options.queries;
    model.acceptance = options.acceptance;
    return model;
  };
}

/// The batch: as many requests as the options or the preset say, or all that arrive, as long as their arrivals say.
std::vector<RequestShape> batch_of(const Options& options, const SelectionModel& model) {
  RequestShape alike{.prompt_tokens = model.prompt_tokens, .steps = model.steps};
  if (options.arrivals.file.empty()) {
    std::vector<RequestShape> batch(model.requests, alike);
    return batch;
  }
  const std::vector<Arrival> arrivals = read_arrivals(options.arrivals);
  const std::size_t requests = options.shape.requests != 0 ? options.shape.requests : arrivals.size();
  std::vector<RequestShape> batch;
  batch.reserve(std::min(requests, arrivals.size()));
  std::vector<std::uint64_t> steps;
  for (std::uint32_t request = 0; request < std::min(requests, arrivals.size()); ++request) {
    const Arrival& arrival = arrivals[request];
    if (arrival.prompt_tokens && arrival.output_tokens) {
      alike.prompt_tokens = *arrival.prompt_tokens;
      alike.steps = steps_to_accept(*arrival.output_tokens, model, options.seed, request);
    }
    batch.push_back(alike);
  }
  steps.resize(requests, alike.steps);
  std::ranges::transform(batch, steps.begin(), &RequestShape::steps);
  const std::vector<std::uint32_t> starts = start_steps(arrivals, steps, options.arrivals);
  for (std::size_t request = 0; request < batch.size(); ++request) {
    batch[request].start_step = starts[request];
  }
  if (arrivals.front().prompt_tokens && (options.shape.prompt_tokens != 0 || options.shape.steps != 0)) {
    throw ConfigError(options.shape.prompt_tokens != 0 ? "--context" : "--steps",
                      "has no effect here: {} says how long each request is", options.arrivals.file);
  }
  return batch;
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
  const ModelOf model_of_request = model_by_shape(options);
  const std::vector<RequestShape> batch = batch_of(options, model_of_request({}));
  Progress progress("generate");
  generate(batch, model_of_request, options.seed, options.output,
           [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); });
  write_trace_shape(options.result, options.output, {{"schema", "dsasim-generate/1"}});
  return exit_done;
}

/// A list of numbers, "2,2,1".
void add_numbers(CLI::App& app, const std::string& option, std::vector<std::uint32_t>& target,
                 const std::string& description, std::uint32_t least, std::uint32_t most) {
  const auto set = [=, &target](const std::string& text) {
    target.clear();
    for (const std::string_view item : list_items(text)) {
      target.push_back(parse_number<std::uint32_t>(option, item, least, most));
    }
  };
  add_option(app, option, set, description).type("N,...").list();
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
  add_tokens(app, "--context", options->shape.prompt_tokens, "Tokens of the prompt", max_entry_ids);
  add_number<std::uint32_t>(app, "--batch", options->shape.requests, "Requests", 1, 1U << 20U);
  options->result.add_options(app, "the trace's shape");
  add_numbers(app, "--unit-tokens", options->shape.unit_tokens,
              "Tokens of an entry: a number, or one for each layer [the preset's]", 1, TraceHeader::max_unit_tokens);
  add_numbers(app, "--kv-stores", options->shape.kv_owners,
              "For each layer, the one whose KV store it reads, from 0: 0,0,2,2 [the preset's, or each its own]", 0,
              TraceHeader::max_layers);
  add_number<std::uint32_t>(app, "--queries", options->queries, "Queries of a step: the token's own, and drafts [1]", 1,
                            TraceHeader::max_queries);
  add_number<double>(app, "--acceptance", options->acceptance,
                     "Chance that a draft is accepted, if those before it are [0.85, as DeepSeek-V3's second token]", 0,
                     1);
  add_arrival_options(app, options->rules, options->arrivals);
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
      app,
      {"--output", "--seed", "--layers", "--top-k", "--steps", "--context", "--batch", "--unit-tokens", "--kv-stores",
       "--queries", "--arrivals", "--json", "--csv"},
      [options = options.get()] { return !options->list && !options->list_statistics; },
      "no --list and no --statistics, which write no trace");
  options->rules.only_if(
      app, {"--acceptance"}, [options = options.get()] { return options->queries > 1; }, "--queries of 2 or more");
  options->rules.only_if(
      app, {"--unit-tokens"}, [options = options.get()] { return options->like.empty(); },
      "--preset; --like takes the trace's");
  options->rules.only_if(
      app, {"--preset", "--like", "--statistics"}, [options = options.get()] { return !options->list; },
      "no --list, which shows all presets");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
