// Analyses of small random traces against the plain reference, metric by metric; identities; and what is refused.

#include "dsasim/analysis/analysis.hpp"

#include "analysis/reference_analysis.hpp"
#include "catch.hpp"
#include "dsasim/error.hpp"
#include "dsasim/report/analysis_report.hpp"
#include "import/captures.hpp"
#include "replay/small_traces.hpp"
#include "trace/model.hpp"

#include <fmt/format.h>

#include <string>

using namespace dsasim;
using namespace dsasim::test;
using captures::TempDir;

namespace {

bool close(double found, double expected, double margin = 1e-12) {
  return std::abs(found - expected) <= margin + 1e-12 * std::abs(expected);
}

/// Empty if they agree.
std::string difference(const MetricInfo& info, const MetricSummary& found,
                       std::map<std::string, std::vector<double>>& samples) {
  const PlainSummary expected = plain_summary(samples[info.name]);
  const bool rounded = info.name == "lookback_step_mean";
  const double p95 = rounded ? plain_summary(samples["whole tokens of " + info.name]).p95 : expected.p95;
  const double margin = rounded ? 1e-6 : 1e-12;
  std::uint64_t in_bins = 0;
  for (const HistogramBin& bin : found.histogram) {
    in_bins += bin.count;
    const auto& all = samples[rounded ? "whole tokens of " + info.name : info.name];
    const auto inside = std::count_if(
        all.begin(), all.end(), [&](double sample) { return sample >= bin.low - 1e-12 && sample < bin.high - 1e-12; });
    if (bin.count != static_cast<std::uint64_t>(inside)) {
      return fmt::format("{}: {} samples from {} to {}, expected {}", info.name, bin.count, bin.low, bin.high, inside);
    }
  }
  if (found.count != expected.count || in_bins != expected.count || !close(found.mean, expected.mean, margin) ||
      !close(found.p95, p95) || !close(found.stddev, expected.stddev, std::max(margin, 1e-9))) {
    return fmt::format("{}: {} samples, {} in bins, mean {} P95 {} stddev {}\nexpected {}, mean {} P95 {} stddev {}",
                       info.name, found.count, in_bins, found.mean, found.p95, found.stddev, expected.count,
                       expected.mean, p95, expected.stddev);
  }
  return "";
}

std::uint64_t extra(const AnalysisResult& result, const std::string& metric, const std::string& name) {
  for (std::size_t i = 0; i < result.metrics.size(); ++i) {
    for (const ExtraField& field : result.pooled[i].extra) {
      if (result.metrics[i].name == metric && field.name == name) {
        return std::get<std::uint64_t>(field.value);
      }
    }
  }
  FAIL("no " << metric << "." << name);
  return 0;
}

const MetricSummary& pooled(const AnalysisResult& result, const std::string& name) {
  for (std::size_t i = 0; i < result.metrics.size(); ++i) {
    if (result.metrics[i].name == name) {
      return result.pooled[i];
    }
  }
  throw std::out_of_range(name);
}

void check_against_reference(const PlainTrace& plain, const AnalysisConfig& config) {
  const TempDir folder;
  const auto path = folder.path() / "t.dsat";
  write_trace(path, plain);
  const TraceReader trace(path);
  const AnalysisResult result = analyze(trace, config);

  ReferenceAnalysis reference(plain, result.config);
  std::size_t compared = 0;
  const auto compare = [&](const std::vector<MetricSummary>& found, std::optional<std::uint32_t> layer) {
    auto samples = reference.samples(layer);
    for (std::size_t i = 0; i < result.metrics.size(); ++i) {
      CAPTURE(layer ? static_cast<int>(*layer) : -1);
      CHECK(difference(result.metrics[i], found[i], samples) == "");
      compared += found[i].count;
      // No sample may be of a metric that the result calls unavailable, or does not have.
      CHECK((result.metrics[i].unavailable.empty() || samples[result.metrics[i].name].empty()));
      samples.erase(result.metrics[i].name);
    }
    samples.erase("whole tokens of lookback_step_mean");
    for (const auto& [name, values] : samples) {
      CAPTURE(name);
      CHECK(values.empty());
    }
  };
  compare(result.pooled, std::nullopt);
  CHECK(extra(result, "persistence", "runs_cut_off") == reference.runs_cut_off);
  CHECK(extra(result, "reuse_steps", "first_uses") == reference.first_uses);
  CHECK(compared > 0);
  for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
    compare(result.layers[layer], layer);
  }

  AnalysisConfig parallel = config;
  parallel.jobs = 3;
  const AnalysisResult other = analyze(trace, parallel);
  CHECK(analysis_json({.trace = trace, .result = result}) == analysis_json({.trace = trace, .result = other}));
}

/// Half of the selections get the entry that is being filled in place of their last.
PlainTrace with_newest_block(PlainTrace trace, std::uint64_t seed) {
  std::mt19937_64 bits(seed);
  for (std::size_t request = 0; request < trace.requests.size(); ++request) {
    for (std::size_t step = 0; step < trace.requests[request].size(); ++step) {
      const RequestInfo& info = trace.header.requests[request];
      const std::uint64_t whole = context_entries(trace.header, info, step);
      for (PlainSelection& selection : trace.requests[request][step]) {
        if (bits() % 2 == 0 && !selection.empty() && whole < selectable_entries(trace.header, info, step)) {
          selection.back() = static_cast<std::uint32_t>(whole);
        }
      }
    }
  }
  return trace;
}

AnalysisConfig small_config() {
  AnalysisConfig config;
  config.all = true;
  config.windows = {1, 2, 5};
  config.page_tokens = {16, 8, 12, 256};
  config.overlap_steps = {1, 2, 3, 7, 1000};
  config.union_steps = {1, 3, 4, 1000};
  config.block_tokens = {4, 32};
  config.sink_tokens = 3;
  config.recent_tokens = 5;
  return config;
}

std::string config_error(const TraceReader& trace, const AnalysisConfig& config) {
  try {
    analyze(trace, config);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("Every metric is what the plain reference says, on random batches", "[analysis]") {
  const std::uint64_t seed = GENERATE(range(std::uint64_t{1}, std::uint64_t{9}));
  CAPTURE(seed);
  SECTION("logical ids") {
    check_against_reference(random_trace({}, seed), small_config());
  }
  SECTION("entries of four tokens") {
    check_against_reference(random_trace({.unit_tokens = 4}, seed), small_config());
  }
  SECTION("entries of four tokens that are selected before they are whole") {
    check_against_reference(with_newest_block(random_trace({.unit_tokens = 4}, seed), seed), small_config());
  }
  SECTION("entries of three tokens, groups, many requests") {
    check_against_reference(random_trace({.requests = 5, .unit_tokens = 3, .groups = true}, seed), small_config());
  }
  SECTION("physical ids") {
    check_against_reference(random_trace({.ids = IdKind::physical}, seed), small_config());
  }
  SECTION("one request, one layer, large selections") {
    check_against_reference(random_trace({.requests = 1, .layers = 1, .top_k = 20}, seed), small_config());
  }
  SECTION("inclusive windows, a part of the steps") {
    AnalysisConfig config = small_config();
    config.inclusive_windows = true;
    config.steps = StepRange{.first = 3, .last = 8};
    check_against_reference(random_trace({.requests = 4}, seed), config);
  }
}

TEST_CASE("Reuse over more steps than slots", "[analysis]") {
  // Three thousand steps of one to three entries: most come back after a few steps, some after hundreds or thousands.
  std::mt19937_64 bits(5);
  std::vector<PlainSelection> selections;
  for (int step = 0; step < 3000; ++step) {
    const std::uint64_t bound = bits() % 4 == 0 ? 230 : 8;
    const std::uint64_t count = 1 + bits() % 3;
    PlainSelection& ids = selections.emplace_back();
    for (std::uint32_t i = 0; i < count; ++i) {
      ids.push_back(static_cast<std::uint32_t>(3 * (bits() % bound) + i));
    }
  }
  AnalysisConfig config = small_config();
  config.windows = {50};
  check_against_reference(one_stream(selections, 700), config);
}

TEST_CASE("A run of more steps than the histogram's array holds", "[analysis]") {
  std::vector<PlainSelection> selections(70'000, PlainSelection{3});
  selections.push_back({4});
  const TempDir folder;
  const auto path = folder.path() / "t.dsat";
  write_trace(path, one_stream(selections), 1000);
  const AnalysisResult result = analyze(TraceReader(path), {});
  CHECK(pooled(result, "persistence").count == 2);
  CHECK(pooled(result, "persistence").mean == 35'000.5);
  CHECK(pooled(result, "persistence").p95 == 70'000);
  CHECK(pooled(result, "persistence").stddev == 34'999.5);
}

TEST_CASE("Persistence is 1 / new lookups on a stationary trace", "[analysis]") {
  // Each step lets the `fresh` oldest of 24 entries go and takes as many that were never selected.
  const std::uint32_t fresh = GENERATE(1U, 3U, 8U, 24U);
  constexpr std::uint32_t k = 24;
  constexpr std::uint32_t steps = 600;
  std::vector<PlainSelection> selections;
  for (std::uint32_t step = 0; step < steps; ++step) {
    PlainSelection& ids = selections.emplace_back();
    for (std::uint32_t i = 0; i < k; ++i) {
      ids.push_back(step * fresh + i);
    }
  }
  const TempDir folder;
  const auto path = folder.path() / "t.dsat";
  write_trace(path, one_stream(selections, steps * k));
  const AnalysisResult result = analyze(TraceReader(path), {});
  const double new_lookups = pooled(result, "new_lookups").mean;
  CHECK(new_lookups == static_cast<double>(fresh) / k);
  // Accesses per run: k * steps over k + fresh * (steps - 1), which tends to k / fresh.
  CHECK(pooled(result, "persistence").mean == Approx(k * steps / (k + fresh * (steps - 1.0))));
  CHECK(std::get<double>(pooled(result, "persistence").extra.at(1).value) == Approx(1 / new_lookups));
  CHECK(pooled(result, "working_set").mean == Approx((k + 49.0 * fresh) / k));
}

TEST_CASE("Traces without samples", "[analysis]") {
  const TempDir folder;
  const auto path = folder.path() / "t.dsat";
  SECTION("no steps") {
    write_trace(path, one_stream({}));
    const TraceReader trace(path);
    const AnalysisResult result = analyze(trace, small_config());
    for (const MetricSummary& summary : result.pooled) {
      CHECK(summary.count == 0);
      CHECK(summary.histogram.empty());
    }
    CHECK(analysis_json({.trace = trace, .result = result}).find("nan") == std::string::npos);
  }
  SECTION("empty selections only") {
    write_trace(path, one_stream({{}, {}, {}}));
    const AnalysisResult result = analyze(TraceReader(path), small_config());
    for (const MetricSummary& summary : result.pooled) {
      CHECK(summary.count == 0);
    }
  }
}

TEST_CASE("A selection without ids was not made, and is passed over", "[analysis]") {
  const TempDir folder;
  const auto path = folder.path() / "t.dsat";
  write_trace(path, one_stream({{}, {1, 2}, {}, {}, {2, 3}, {}}));
  const AnalysisResult result = analyze(TraceReader(path), {.windows = {2}, .all = true});
  CHECK(pooled(result, "new_lookups").count == 1);
  CHECK(pooled(result, "new_lookups").mean == 0.5);      // {3}
  CHECK(pooled(result, "working_set_2").mean == 1.5);    // {1 2 3}
  CHECK(pooled(result, "persistence").mean == 4.0 / 3);  // of entry 2: 2 steps; of 1 and 3: one each
  CHECK(pooled(result, "lookback").count == 4);          // the queries are at 21 and 24
  CHECK(pooled(result, "lookback").mean == (20 + 19 + 22 + 21) / 4.0 / 2);
  CHECK(pooled(result, "sink_share").mean == 1);  // all ids are among the first 4, in both selections
  CHECK(pooled(result, "step_overlap_1").mean == 0.5);
  CHECK(pooled(result, "reuse_steps").mean == 1);
}

TEST_CASE("Selections that were not made change no metric, wherever they are missing", "[analysis]") {
  const auto seed = GENERATE(range(0U, 20U));
  CAPTURE(seed);
  std::mt19937_64 bits(seed);
  PlainTrace plain = random_trace({.requests = 1, .ids = IdKind::physical}, seed);
  for (PlainStep& step : plain.requests[0]) {
    for (PlainSelection& selection : step) {
      selection = selection.empty() ? PlainSelection{7} : selection;
    }
  }
  const auto metrics_of = [](const PlainTrace& trace) {
    const TempDir folder;
    const auto path = folder.path() / "t.dsat";
    write_trace(path, trace);
    const AnalysisResult result = analyze(TraceReader(path), small_config());
    std::vector<std::string> metrics;
    for (std::size_t i = 0; i < result.metrics.size(); ++i) {
      const MetricSummary& summary = result.pooled[i];
      metrics.push_back(fmt::format("{}: {} samples, mean {}, P95 {}, stddev {}", result.metrics[i].name, summary.count,
                                    summary.mean, summary.p95, summary.stddev));
    }
    return metrics;
  };
  PlainTrace paused = plain;
  for (std::size_t times = 0; times < 10; ++times) {
    auto& steps = paused.requests[0];
    steps.insert(steps.begin() + static_cast<std::ptrdiff_t>(bits() % (steps.size() + 1)), PlainStep(3));
  }
  CHECK(metrics_of(paused) == metrics_of(plain));
}

TEST_CASE("An entry that is being filled lies where the query is", "[analysis]") {
  // Entries of 4 tokens; the queries are at 6 (entry 1 has two of its tokens), 7 (all of them), 8 (entry 2 has one).
  PlainTrace plain = one_stream({{0, 1}, {0, 1}, {1, 2}}, 6);
  plain.header.unit_tokens = 4;
  const TempDir folder;
  const auto path = folder.path() / "t.dsat";
  write_trace(path, plain);
  const AnalysisResult result = analyze(TraceReader(path), {.recent_tokens = 2});
  CHECK(pooled(result, "lookback").mean == (3 + 0 + 4 + 0 + 1 + 0) / 6.0 / (2 * 4));
  CHECK(pooled(result, "lookback_step_mean").mean == (1.5 + 2 + 0.5) / 3 / (2 * 4));
  CHECK(pooled(result, "recent_share").mean == (1 + 1 + 2) / 3.0 / 2);
}

TEST_CASE("A gap of a billion steps between requests costs nothing", "[analysis]") {
  PlainTrace plain = one_stream({{1, 2}, {2, 3}});
  plain.header.requests.push_back({.prompt_tokens = 20, .start_step = 1'000'000'000});
  plain.header.requests.push_back({.prompt_tokens = 20, .start_step = 1'000'000'001});
  plain.requests.push_back(plain.requests[0]);
  plain.requests.push_back(plain.requests[0]);
  const TempDir folder;
  const auto path = folder.path() / "t.dsat";
  write_trace(path, plain);
  const AnalysisResult result = analyze(TraceReader(path), {.all = true});
  CHECK(pooled(result, "request_overlap").count == 1);
  CHECK(pooled(result, "request_overlap").mean == 0.5);  // {2, 3} with {1, 2}
  CHECK(pooled(result, "step_overlap_1").count == 3);
}

TEST_CASE("Physical ids have no positions, and say so", "[analysis]") {
  const TempDir folder;
  const auto path = folder.path() / "t.dsat";
  write_trace(path, random_trace({.ids = IdKind::physical}, 3));
  const AnalysisResult result = analyze(TraceReader(path), {.all = true});
  const std::set<std::string> without = {
      "lookback",     "lookback_step_mean", "page_utilisation",  "shifted_overlap",   "sink_share",
      "recent_share", "blocks_touched_16",  "blocks_touched_32", "blocks_touched_64", "blocks_touched_128"};
  for (std::size_t i = 0; i < result.metrics.size(); ++i) {
    CAPTURE(result.metrics[i].name);
    CHECK(result.metrics[i].unavailable.empty() == (without.count(result.metrics[i].name) == 0));
  }
}

TEST_CASE("Configurations that are refused", "[analysis]") {
  const TempDir folder;
  const auto path = folder.path() / "t.dsat";
  write_trace(path, one_stream({{1, 2}, {2, 3}}));
  const TraceReader trace(path);
  CHECK(config_error(trace, {.windows = {50, 20, 50}}) == "`windows`: expected different numbers, found 50 twice");
  CHECK(config_error(trace, {.windows = {0}}) == "`windows`: expected a number from 1 to 1048576, found 0");
  traces::check_contains(config_error(trace, {.page_tokens = {0}}), "does not give its page size");
  AnalysisConfig config;
  config.sink_tokens = 0;
  traces::check_contains(config_error(trace, config), "`sink_tokens`: expected a number from 1");
  config = {};
  config.steps = StepRange{.first = 1, .last = 3};
  traces::check_contains(config_error(trace, config), "`steps`: expected A:B with A <= B <= 2");
  config = {};
  config.overlap_steps = {(1U << 20U) + 1};
  traces::check_contains(config_error(trace, config), "`overlap_steps`: expected a number from 1 to 1048576");
}

TEST_CASE("What no memory could hold is refused before anything is allocated", "[analysis]") {
  PlainTrace plain = one_stream({{1, 2}}, std::uint64_t{1} << 40U);  // 8 TiB of lookbacks
  plain.header.unit_tokens = 1024;
  const TempDir folder;
  const auto path = folder.path() / "t.dsat";
  write_trace(path, plain);
  CHECK_THROWS_WITH(analyze(TraceReader(path), {}),
                    Catch::Matchers::Matches(".*needs 8192\\.0 GiB of memory .*, this machine has.*"));
}

TEST_CASE("Slots may lie far apart", "[analysis]") {
  PlainTrace plain = one_stream({{1, 0x07FF'FFFF}, {0x0400'0000, 0x07FF'FFFF}});
  plain.header.ids = IdKind::physical;
  const TempDir folder;
  const auto path = folder.path() / "t.dsat";
  write_trace(path, plain);
  const AnalysisResult result = analyze(TraceReader(path), {.all = true});
  CHECK(pooled(result, "step_overlap_1").mean == 0.5);
  CHECK(pooled(result, "union_2").mean == 1.5);
}

TEST_CASE("Damage in any request ends the analysis, whatever the jobs", "[analysis]") {
  const TempDir folder;
  const auto path = folder.path() / "t.dsat";
  write_trace(path, random_trace({.requests = 4}, 7));
  auto bytes = traces::read_bytes(path);
  bytes[bytes.size() / 2] ^= 1;
  traces::write_bytes(path, bytes);
  std::string messages[2];
  for (const std::uint32_t jobs : {1U, 4U}) {
    messages[jobs == 1 ? 0 : 1] = traces::trace_error([&] { analyze(TraceReader(path), {.jobs = jobs}); });
  }
  CHECK_FALSE(messages[0].empty());
  CHECK(messages[0] == messages[1]);
}
