// Guesses of the next selection: what each predictor holds, counted once more by plain loops.

#include "dsasim/predict/predict.hpp"

#include "catch.hpp"
#include "predict/reference_predictors.hpp"
#include "refusal.hpp"
#include "replay/small_traces.hpp"
#include "replay/written_trace.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;

namespace {

PredictConfig config_of(std::vector<std::string> predictors, std::initializer_list<const char*> guesses) {
  PredictConfig config;
  config.predictors = std::move(predictors);
  for (const char* guess : guesses) {
    config.guesses.push_back(Capacity::parse(guess));
  }
  return config;
}

PredictResult predicted(const TraceReader& trace, const PredictConfig& config) {
  const std::array traces = {&trace};
  return predict(traces, config);
}

/// Entries held by guesses of `guess`.
std::uint64_t held(const PlainTrace& trace, const std::string& predictor, const char* guess, std::size_t layer = 0) {
  const TraceReader reader = written(trace);
  return predicted(reader, config_of({predictor}, {guess})).traces[0].layers[layer][0][0].held;
}

bool same(const GuessCounts& a, const GuessCounts& b) {
  return a.selections == b.selections && a.entries == b.entries && a.guessed == b.guessed && a.held == b.held &&
         a.new_entries == b.new_entries && a.new_held == b.new_held;
}

}  // namespace

// The query sits at 20 when the first selection is made, at 21 at the second, and so on.
TEST_CASE("Each predictor holds what it says it does", "[predict]") {
  SECTION("previous: the selection before, then those before it") {
    const PlainTrace trace = one_stream({{1, 2}, {5, 6}, {1, 5}});
    CHECK(held(trace, "previous", "2") == 1);  // {2 1} holds none, {6 5} holds 5
    CHECK(held(trace, "previous", "4") == 2);  // {6 5 2 1}
    CHECK(held(trace, "previous", "1") == 0);  // of one step, the largest id first: 2, then 6
  }
  SECTION("vertical: the most often selected") {
    CHECK(held(one_stream({{3, 4}, {3, 5}, {3, 6}, {3, 7}}), "vertical", "1") == 2);  // 4, then 3 twice
  }
  SECTION("ema: lately and often; vertical does not forget") {
    // After seven steps 3 was selected in the first four, 9 in the last three.
    const PlainTrace trace = one_stream({{3}, {3}, {3}, {3}, {9}, {9}, {9}, {9}});
    CHECK(held(trace, "vertical", "1") == 3);
    // Averages at the end of each step: after {9 9}, 9 has 0.1 + 0.09 and 3 has (0.1 + 0.09 + 0.081 + 0.0729) * 0.81:
    // 0.19 and 0.279; after {9 9 9}, 0.271 and 0.251.
    CHECK(held(trace, "ema", "1") == 4);
  }
  SECTION("neighbours: the positions around the selection before, the nearest first") {
    const PlainTrace trace = one_stream({{10}, {12}, {11, 13}});
    CHECK(held(trace, "neighbours", "1") == 0);
    CHECK(held(trace, "neighbours", "3") == 2);  // {10 11 9} has no 12; {12 13 11}
    CHECK(held(trace, "neighbours", "5") == 3);  // 12 is two from 10
  }
  SECTION("slash: what moves with the query") {
    const PlainTrace trace = one_stream({{1, 5}, {2, 6}, {3, 7}});
    CHECK(held(trace, "slash", "1x") == 4);
    CHECK(held(trace, "previous", "1x") == 0);
  }
  SECTION("layer-before: what the layer before selects at the same step") {
    PlainTrace trace = one_stream({{1, 2}, {3, 4}, {5, 6}});
    trace.header.layers = {{}, {}};
    for (PlainStep& step : trace.requests[0]) {
      step.push_back(step.front());
    }
    CHECK(held(trace, "layer-before", "1x", 0) == 0);
    CHECK(held(trace, "layer-before", "1x", 1) == 4);
    CHECK(held(trace, "history+layer", "3x", 1) == 4);  // candidates, behind those of the layer's own selections
    CHECK(held(trace, "history", "3x", 1) == 0);
  }
  SECTION("history: learns that what was selected does not come back at once") {
    // 1 and 2 take turns; from their ages the table learns that the one selected two steps ago is next.
    std::vector<PlainSelection> turns;
    for (std::uint32_t step = 0; step < 60; ++step) {
      turns.push_back({1 + step % 2});
    }
    CHECK(held(one_stream(turns), "previous", "1") == 0);
    CHECK(held(one_stream(turns), "history", "1") > 40);
  }
}

TEST_CASE("Shares count the entries that are new apart", "[predict]") {
  const TraceReader reader = written(one_stream({{1, 2}, {2, 3}, {2, 1}}));
  const PredictResult result = predicted(reader, config_of({"previous"}, {"2", "4"}));
  const auto& guesses = result.traces[0].pooled[0];
  // 3 is new at the second selection, 1 at the third: {3 2 1} holds it.
  CHECK(same(guesses[0], {.selections = 2, .entries = 4, .guessed = 4, .held = 2, .new_entries = 2, .new_held = 0}));
  CHECK(same(guesses[1], {.selections = 2, .entries = 4, .guessed = 5, .held = 3, .new_entries = 2, .new_held = 1}));
  CHECK(result.traces[0].guess_entries == std::vector<std::uint64_t>{2, 4});
}

TEST_CASE("Predictors count what plain loops count", "[predict]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 41)));
  CAPTURE(seed);
  const PlainTrace trace = random_batch(seed);
  const TraceReader reader = written(trace);
  PredictConfig config = config_of({}, {"1", "3", "8", "30"});
  if (trace.header.has_queries || trace.header.mixes_units()) {
    CHECK_THROWS_AS(predicted(reader, config), ConfigError);
    return;
  }
  StepRange steps{.first = 0, .last = reader.batch_steps()};
  if (seed % 3 == 0) {
    steps = {.first = steps.last / 4, .last = steps.last - steps.last / 4};
    config.steps = steps;
  }
  config.jobs = static_cast<std::uint32_t>(1 + seed % 3);
  const PredictResult result = predicted(reader, config);
  CHECK(result.predictors.size() == (trace.header.ids == IdKind::logical ? predictor_descriptions().size() : 6));
  for (std::size_t predictor = 0; predictor < result.predictors.size(); ++predictor) {
    PlainPrediction plain(trace, result.predictors[predictor], {1, 3, 8, 30});
    for (std::uint32_t layer = 0; layer < trace.header.layers.size(); ++layer) {
      CAPTURE(result.predictors[predictor], layer);
      const auto expected = plain.counts(layer, steps);
      for (std::size_t guess = 0; guess < expected.size(); ++guess) {
        CAPTURE(guess);
        CHECK(same(result.traces[0].layers[layer][predictor][guess], expected[guess]));
      }
    }
  }
}

TEST_CASE("An entry that was not selected for more than 256 steps is no candidate", "[predict]") {
  std::vector<PlainSelection> selections(300, {1});
  selections[0] = {7};
  const PlainTrace trace = one_stream(selections);
  const TraceReader reader = written(trace);
  const PredictConfig config = config_of({"previous", "vertical", "ema", "history"}, {"2"});
  const PredictResult result = predicted(reader, config);
  // Both entries are candidates for selections 2 to 257; only one is for the first and for those after.
  for (const auto& guesses : result.traces[0].pooled) {
    CHECK(guesses[0].guessed == 299 + 256);
  }
}

TEST_CASE("Traces are predicted one by one and together, on any number of threads", "[predict]") {
  const TraceReader first = written(random_trace({.requests = 3, .layers = 2}, 5));
  const TraceReader second = written(random_trace({.requests = 2, .layers = 3}, 6));
  const std::array traces = {&first, &second};
  PredictConfig config = config_of({"ema", "history+layer"}, {"0.5x", "1x"});
  const PredictResult result = predict(traces, config);
  config.jobs = 4;
  const PredictResult again = predict(traces, config);
  for (std::size_t predictor = 0; predictor < 2; ++predictor) {
    for (std::size_t guess = 0; guess < 2; ++guess) {
      GuessCounts sum = result.traces[0].pooled[predictor][guess];
      sum += result.traces[1].pooled[predictor][guess];
      CHECK(same(result.together[predictor][guess], sum));
      CHECK(same(again.together[predictor][guess], sum));
      GuessCounts of_layers;
      for (const GuessTable& layer : result.traces[1].layers) {
        of_layers += layer[predictor][guess];
      }
      CHECK(same(result.traces[1].pooled[predictor][guess], of_layers));
    }
  }
}

TEST_CASE("Predictions that mean nothing are refused", "[predict]") {
  const TraceReader positions = written(one_stream({{1, 2}, {2, 3}}));
  const TraceReader slots = written(random_trace({.requests = 1, .ids = IdKind::physical}, 1));
  const auto refused = [](const TraceReader& trace, const PredictConfig& config) {
    return refusal([&] { predicted(trace, config); });
  };
  CHECK(refused(positions, config_of({"none"}, {"1"})).find("known: previous, ema,") != std::string::npos);
  CHECK(refused(positions, config_of({"ema", "ema"}, {"1"})).find("ema is there twice") != std::string::npos);
  CHECK(refused(slots, config_of({"slash"}, {"1"})).find("slash needs positions") != std::string::npos);
  CHECK(refused(positions, config_of({}, {"0.1x"})).find("at least one entry") != std::string::npos);
  CHECK(refused(positions, config_of({}, {"1MB"})).find("expected entries") != std::string::npos);
  CHECK(refused(positions, config_of({}, {})).find("`guesses`") != std::string::npos);
  PredictConfig late = config_of({}, {"1"});
  late.steps = StepRange{.first = 1, .last = 3};
  CHECK(refused(positions, late).find("`steps`: expected A:B with A <= B <= 2") != std::string::npos);
  CHECK_THROWS_AS(predict({}, config_of({}, {"1"})), ConfigError);
}
