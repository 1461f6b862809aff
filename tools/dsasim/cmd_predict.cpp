#include "command.hpp"
#include "options.hpp"
#include "output.hpp"
#include "replay_options.hpp"
#include "result.hpp"

#include "dsasim/predict/predict.hpp"
#include "dsasim/report/predict_report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim::tool {
namespace {

struct Options {
  std::vector<std::string> traces;
  PredictConfig config;
  ReplaySpec spec;  ///< how a trace is opened
  Result result;
};

int run(Options& options) {
  const OpenTraces open = open_traces(options.traces, options.spec);
  options.result.open();
  Progress progress("predict");
  const PredictResult result = predict(open.views, options.config, [&](double share) { progress.update_share(share); });
  options.result.write([&] { return predict_json(result); }, [&] { return predict_table(result); });
  return exit_done;
}

std::vector<Capacity> parse_guesses(std::string_view text) {
  std::vector<Capacity> guesses;
  for (const std::string_view item : list_items(text)) {
    guesses.push_back(Capacity::parse(item, "--guesses"));
  }
  return guesses;
}

}  // namespace

std::function<int()> add_predict(CLI::App& app) {
  auto options = std::make_shared<Options>();
  PredictConfig& config = options->config;
  config.guesses = parse_guesses("0.25x,0.5x,1x,2x");
  add_texts(app, "trace", options->traces, "Traces to predict (.dsat)").required().type("TRACE");
  std::vector<std::string_view> names;
  const auto known = predictor_descriptions();
  std::transform(known.begin(), known.end(), std::back_inserter(names), [](const auto& one) { return one.name; });
  add_option(
      app, "--predictors",
      [&config](const std::string& text) {
        const auto items = list_items(text);
        config.predictors.assign(items.begin(), items.end());
      },
      fmt::format("{} [all]", fmt::join(names, ", ")))
      .type("NAME,...")
      .list();
  add_option(
      app, "--guesses", [&config](const std::string& text) { config.guesses = parse_guesses(text); },
      "Entries of a guess: 512, 0.5x (times the longest selection), 0.01ctx [0.25x,0.5x,1x,2x]")
      .type("CAP,...")
      .list();
  add_option(
      app, "--steps", [&config](const std::string& text) { config.steps = parse_steps("--steps", text); },
      "Predict steps A up to B only, as if there were no others [all]")
      .type("A:B");
  add_machine_options(app, config.jobs);
  add_flag(app, "--allow-truncated", options->spec.allow_truncated,
           "Predict the whole chunks of a trace that was cut off");
  options->result.add_options(app, "the prediction");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
