// The worked example of docs/metrics.md, computed.

#include "catch.hpp"
#include "dsasim/analysis/analysis.hpp"
#include "import/captures.hpp"
#include "replay/small_traces.hpp"

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;

namespace {

const std::vector<PlainSelection> left = {{0, 1, 17, 20}, {0, 17, 18, 21}, {1, 18, 19, 22}};
const std::vector<PlainSelection> right = {{0, 5, 17, 20}, {0, 5, 18, 21}, {5, 18, 20, 22}};

struct Row {
  std::uint64_t samples;
  double mean;
  double p95;
};

/// The rows "| `name` | samples | values | mean | P95 |" of the document.
std::map<std::string, Row> documented() {
  std::ifstream document("docs/metrics.md");
  REQUIRE(document.good());
  std::map<std::string, Row> rows;
  bool in_example = false;
  for (std::string line; std::getline(document, line);) {
    in_example = in_example || line == "## A worked example";
    if (!in_example || line.rfind("| `", 0) != 0) {
      continue;
    }
    std::vector<std::string> cells;
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, '|');) {
      cells.push_back(cell);
    }
    REQUIRE(cells.size() == 6);
    const std::string name = cells[1].substr(2, cells[1].size() - 4);
    rows[name] = {.samples = std::stoull(cells[2]), .mean = std::stod(cells[4]), .p95 = std::stod(cells[5])};
  }
  return rows;
}

AnalysisConfig example_config() {
  AnalysisConfig config;
  config.all = true;
  config.windows = {2};
  config.overlap_steps = {1, 2};
  config.union_steps = {3};
  config.block_tokens = {16};
  config.sink_tokens = 4;
  config.recent_tokens = 4;
  return config;
}

std::size_t index_of(const AnalysisResult& result, const std::string& name) {
  for (std::size_t i = 0; i < result.metrics.size(); ++i) {
    if (result.metrics[i].name == name) {
      return i;
    }
  }
  FAIL("no metric " << name);
  return 0;
}

}  // namespace

TEST_CASE("The worked example of docs/metrics.md", "[analysis]") {
  PlainTrace plain = one_stream(left);
  plain.header.layers.emplace_back();
  for (std::size_t step = 0; step < right.size(); ++step) {
    plain.requests[0][step].push_back(right[step]);
  }
  const captures::TempDir folder;
  const auto path = folder.path() / "t.dsat";
  write_trace(path, plain);
  const AnalysisResult result = analyze(TraceReader(path), example_config());

  const auto rows = documented();
  for (const auto& [name, row] : rows) {
    CAPTURE(name);
    const std::size_t layer = name == "inter_layer_overlap" ? 1 : 0;
    const MetricSummary& found = result.layers[layer][index_of(result, name)];
    CHECK(found.count == row.samples);
    CHECK(found.mean == Approx(row.mean).epsilon(0).margin(5e-7));
    CHECK(found.p95 == Approx(row.p95).epsilon(0).margin(5e-7));
  }
  CHECK(rows.size() == result.metrics.size() - 1);  // all but request_overlap

  const MetricSummary& runs = result.layers[0][index_of(result, "persistence")];
  CHECK(std::get<std::uint64_t>(runs.extra.at(0).value) == 8);
  CHECK(std::get<double>(runs.extra.at(1).value) == 1.0);
  const MetricSummary& reuse = result.layers[0][index_of(result, "reuse_steps")];
  CHECK(std::get<std::uint64_t>(reuse.extra.at(0).value) == 8);
  CHECK(result.layers[0][index_of(result, "new_lookups")].stddev == 0.125);
}

TEST_CASE("The worked example of request_overlap", "[analysis]") {
  PlainTrace plain = one_stream(left);
  plain.header.requests.push_back({.prompt_tokens = 20, .start_step = 1});
  plain.requests.push_back(one_stream(right).requests[0]);
  const captures::TempDir folder;
  const auto path = folder.path() / "t.dsat";
  write_trace(path, plain);
  const AnalysisResult result = analyze(TraceReader(path), example_config());
  const MetricSummary& overlap = result.pooled[index_of(result, "request_overlap")];
  CHECK(overlap.count == 2);
  CHECK(overlap.mean == 0.375);
  CHECK(overlap.p95 == 0.5);
}
