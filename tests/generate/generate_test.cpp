// What a synthetic trace is whatever its statistics: the same for the same seed, of the shape that was asked for,
// valid.

#include "dsasim/generate/generate.hpp"
#include "catch.hpp"
#include "dsasim/error.hpp"
#include "dsasim/generate/preset.hpp"
#include "dsasim/trace/reader.hpp"
#include "generate/draws.hpp"
#include "generate/metrics.hpp"
#include "generate/selections.hpp"
#include "import/captures.hpp"

#include <cmath>
#include <string>
#include <vector>

using namespace dsasim;
using captures::TempDir;

namespace {

std::string digest_of(const SelectionModel& model, std::uint64_t seed) {
  const TempDir dir;
  generate(model, seed, dir / "t.dsat");
  const TraceReader trace(dir / "t.dsat");
  trace.verify();
  return trace.digest();
}

SelectionModel small(const char* preset, const PresetStatistics& statistics) {
  return model_of(find_preset(preset), statistics,
                  {.layers = 3, .top_k = 64, .steps = 100, .prompt_tokens = 2000, .requests = 2});
}

SelectionModel small(const char* preset) {
  return small(preset, find_preset(preset).statistics);
}

}  // namespace

TEST_CASE("A synthetic trace is the same on every machine for the same seed, and another for another", "[generate]") {
  CHECK(digest_of(small("glm-5.1"), 1) == "dafc922192c1d9c1459aba6b31d1e1b8");
  CHECK(digest_of(small("glm-5.1"), 1) == digest_of(small("glm-5.1"), 1));
  CHECK(digest_of(small("glm-5.1"), 1) != digest_of(small("glm-5.1"), 2));
}

TEST_CASE("Requests of a synthetic trace differ", "[generate]") {
  const TempDir dir;
  generate(small("glm-5.1"), 1, dir / "t.dsat");
  const TraceReader trace(dir / "t.dsat");
  CHECK(testing::selections_of(trace, 0) != testing::selections_of(trace, 1));
}

TEST_CASE("Each preset has the layers, the groups and the unit of its model", "[generate]") {
  const TempDir dir;
  for (const Preset& preset : presets()) {
    CAPTURE(preset.name);
    const SelectionModel model = model_of(preset, preset.statistics, {.steps = 1});
    generate(model, 1, dir / "t.dsat");
    const TraceReader trace(dir / "t.dsat");
    CHECK(trace.layer_count() == preset.shape.layers);
    CHECK(trace.longest_selection() == preset.shape.top_k);
    CHECK(trace.header().requests[0].prompt_tokens == preset.shape.prompt_tokens);
  }
  const SelectionModel glm = model_of(find_preset("glm-5.2"), {}, {});
  std::uint32_t covered = 0;
  for (const LayerInfo& layer : glm.layers) {
    CHECK(layer.model_layer == covered);
    covered += layer.group_size;
  }
  CHECK(glm.layers.size() == 21);
  CHECK(covered == 78);
  const SelectionModel v4 = model_of(find_preset("deepseek-v4-flash"), {}, {});
  CHECK(v4.unit_tokens == 4);
  CHECK(v4.layers.front().model_layer == 2);
  CHECK(v4.layers.back().model_layer == 42);
}

TEST_CASE("A context that is no longer than the top-k is selected whole", "[generate]") {
  const TempDir dir;
  generate(model_of(find_preset("levy"), {}, {.layers = 2, .top_k = 40, .steps = 60, .prompt_tokens = 10}), 1,
           dir / "t.dsat");
  const TraceReader trace(dir / "t.dsat");
  const auto selections = testing::selections_of(trace, 0);
  for (std::size_t step = 0; step < selections.size(); ++step) {
    CHECK(selections[step][1].size() == std::min<std::size_t>(40, 11 + step));
  }
}

TEST_CASE("Sinks are in every selection", "[generate]") {
  const TempDir dir;
  generate(small("glm-5.1", {.sinks = 5}), 1, dir / "t.dsat");
  const TraceReader trace(dir / "t.dsat");
  for (const auto& step : testing::selections_of(trace, 1)) {
    for (const auto& selection : step) {
      CHECK(std::vector<std::uint32_t>(selection.begin(), std::next(selection.begin(), 5)) ==
            std::vector<std::uint32_t>{0, 1, 2, 3, 4});
    }
  }
}

TEST_CASE("Uniform selections overlap as chance has it", "[generate]") {
  const TempDir dir;
  generate(small("uniform"), 1, dir / "t.dsat");
  const testing::Metrics metrics(TraceReader(dir / "t.dsat"));
  constexpr double context = 2050;
  CHECK(metrics["new_lookups"].mean == Approx(1 - 64 / context).margin(0.01));
  CHECK(metrics["inter_layer_overlap"].mean == Approx(64 / context).margin(0.01));
  CHECK(metrics["lookback"].mean == Approx(context / 2 / 64).epsilon(0.03));
}

TEST_CASE("Layer sharing makes adjacent layers overlap without changing what is exchanged", "[generate]") {
  const TempDir dir;
  const auto metrics_with = [&](double sharing) {
    generate(small("glm-5.1", {.layer_spread = 0, .layer_sharing = sharing}), 1, dir / "t.dsat");
    return testing::Metrics(TraceReader(dir / "t.dsat"));
  };
  const testing::Metrics apart = metrics_with(1);
  const testing::Metrics shared = metrics_with(4);
  CHECK(shared["inter_layer_overlap"].mean > apart["inter_layer_overlap"].mean + 0.05);
  CHECK(shared["new_lookups"].mean == Approx(apart["new_lookups"].mean).margin(0.05));
}

TEST_CASE("A collapse exchanges more entries", "[generate]") {
  const TempDir dir;
  const auto deviation_with = [&](double every) {
    generate(small("glm-5.1", {.churn = 0, .collapse_every = every, .collapse = 3, .layer_spread = 0}), 1,
             dir / "t.dsat");
    return testing::Metrics(TraceReader(dir / "t.dsat"))["new_lookups"].stddev;
  };
  CHECK(deviation_with(10) > 1.3 * deviation_with(0));
}

TEST_CASE("Correlated requests share their popular pages", "[generate]") {
  const TempDir dir;
  const auto shared_with = [&](double correlation) {
    generate(small("glm-5.1", {.recent = 0, .popular_share = 0.9, .request_correlation = correlation}), 1,
             dir / "t.dsat");
    const TraceReader trace(dir / "t.dsat");
    return testing::common(testing::selections_of(trace, 0)[50][0], testing::selections_of(trace, 1)[50][0]);
  };
  CHECK(shared_with(1) > shared_with(0) + 5);
}

TEST_CASE("A model that no trace can be drawn from is refused", "[generate]") {
  const TempDir dir;
  CHECK_THROWS_AS(find_preset("glm"), ConfigError);
  CHECK_THROWS_AS(generate(small("glm-5.1", {.sinks = 33}), 1, dir / "t.dsat"), ConfigError);
  SelectionModel model = small("glm-5.1");
  model.steps = 1U << 20U;
  CHECK_THROWS_AS(generate(model, 1, dir / "t.dsat"), ConfigError);
}

TEST_CASE("Our log2 and exp2 are those of libm", "[generate]") {
  for (double x = 1e-12; x < 1e12; x *= 1.37) {
    CHECK(synthesis::log2_of(x) == Approx(std::log2(x)).margin(1e-8));
    CHECK(synthesis::power(x, 0.37) == Approx(std::pow(x, 0.37)).epsilon(1e-7));
  }
}

TEST_CASE("visit_some visits each with the same probability", "[generate]") {
  synthesis::Draws draws(1, 1);
  constexpr int rounds = 20000;
  for (const double probability : {0.01, 0.3, 1.0}) {
    std::vector<int> visits(50);
    for (int round = 0; round < rounds; ++round) {
      synthesis::visit_some(draws, visits.size(), probability, [&](std::uint64_t at) { ++visits[at]; });
    }
    const double deviation = std::sqrt(rounds * probability * (1 - probability));
    for (const int count : visits) {
      CHECK(std::abs(count - rounds * probability) <= 4.5 * deviation);
    }
  }
}
