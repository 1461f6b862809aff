// The report: what its fields say, and that rows, layers and requests add up to the totals.

#include "dsasim/report/report.hpp"

#include "catch.hpp"
#include "dsasim/version.hpp"
#include "import/captures.hpp"
#include "replay/small_traces.hpp"

#include <nlohmann/json.hpp>

#include <sstream>

using namespace dsasim;
using namespace dsasim::test;

namespace {

using Json = nlohmann::ordered_json;

struct Report {
  Json json;
  std::string csv;
  std::string table;
};

Report report_of(const PlainTrace& plain, const ReplayConfig& config) {
  const captures::TempDir folder;
  write_trace(folder / "t.dsat", plain);
  const TraceReader trace(folder / "t.dsat");
  Report report;
  ReplayHooks hooks;
  const EffectiveConfig effective = effective_config(trace, config);
  hooks.on_row = [&](const StepRow& row) { append_step_csv(report.csv, row, effective); };
  const ReplayResult result = replay(trace, config, hooks);
  report.json = Json::parse(report_json(trace, result));
  report.table = report_table(trace, result);
  return report;
}

std::vector<std::string> keys(const Json& object) {
  std::vector<std::string> names;
  for (const auto& item : object.items()) {
    names.push_back(item.key());
  }
  return names;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text + separator);
  for (std::string part; std::getline(in, part, separator);) {
    parts.push_back(part);
  }
  return parts;
}

PlainTrace grouped_batch() {
  return random_trace({.requests = 3, .layers = 3, .groups = true}, 4);
}

}  // namespace

TEST_CASE("The report has the fields of its schema, in their order", "[report]") {
  const Json report = report_of(grouped_batch(), {}).json;
  const std::vector<std::string> counters = {"accesses",        "hits",      "misses",     "compulsory_misses",
                                             "capacity_misses", "evictions", "miss_ratio", "fetched_bytes",
                                             "missed_pages",    "gather_ns"};
  CHECK(keys(report) == std::vector<std::string>{"schema", "tool", "config", "trace", "totals", "layers", "requests"});
  CHECK(report["schema"] == "dsasim-report/1");
  CHECK(report["tool"] == Json{{"version", version()}});
  CHECK(keys(report["trace"]) ==
        std::vector<std::string>{"requests", "layers", "steps", "top_k", "accesses", "digest", "replay_digest"});
  CHECK(keys(report["totals"]) == counters);
  auto with_number = counters;
  with_number.insert(with_number.begin(), "layer");
  CHECK(keys(report["layers"][0]) == with_number);
  with_number[0] = "request";
  CHECK(keys(report["requests"][0]) == with_number);
}

TEST_CASE("The trace of a report is described by its maxima", "[report]") {
  const PlainTrace plain = grouped_batch();
  const Json trace = report_of(plain, {}).json["trace"];
  std::size_t steps = 0;
  std::size_t top_k = 0;
  std::size_t accesses = 0;
  for (const PlainRequest& request : plain.requests) {
    steps = std::max(steps, request.size());
    for (const PlainStep& step : request) {
      for (const PlainSelection& selection : step) {
        top_k = std::max(top_k, selection.size());
        accesses += selection.size();
      }
    }
  }
  CHECK(trace["requests"] == plain.requests.size());
  CHECK(trace["layers"] == plain.header.layers.size());
  CHECK(trace["steps"] == steps);
  CHECK(trace["top_k"] == top_k);
  CHECK(trace["accesses"] == accesses);
  CHECK(trace["digest"].get<std::string>().size() == 32);
}

TEST_CASE("Layers and requests add up to the totals", "[report]") {
  ReplayConfig config;
  config.capacity = Capacity::parse("4");
  config.entry_bytes = 100;
  const Json report = report_of(grouped_batch(), config).json;
  for (const char* field : {"accesses", "hits", "misses", "compulsory_misses", "capacity_misses", "evictions",
                            "fetched_bytes", "missed_pages", "gather_ns"}) {
    for (const char* part : {"layers", "requests"}) {
      std::uint64_t sum = 0;
      for (const Json& row : report[part]) {
        sum += row[field].get<std::uint64_t>();
      }
      CAPTURE(field, part);
      CHECK(sum == report["totals"][field]);
    }
  }
  const Json& totals = report["totals"];
  CHECK(totals["hits"].get<std::uint64_t>() + totals["misses"].get<std::uint64_t>() == totals["accesses"]);
  CHECK(totals["compulsory_misses"].get<std::uint64_t>() + totals["capacity_misses"].get<std::uint64_t>() ==
        totals["misses"]);
  CHECK(totals["miss_ratio"].get<double>() == totals["misses"].get<double>() / totals["accesses"].get<double>());
}

TEST_CASE("Fetched bytes count every layer of a group", "[report]") {
  ReplayConfig config;
  config.entry_bytes = 100;
  const PlainTrace plain = grouped_batch();
  const Json report = report_of(plain, config).json;
  for (std::size_t layer = 0; layer < plain.header.layers.size(); ++layer) {
    const Json& row = report["layers"][layer];
    CHECK(row["fetched_bytes"] == row["misses"].get<std::uint64_t>() * 100 * plain.header.layers[layer].group_size);
  }
}

TEST_CASE("The columns of --per-step add up to the totals", "[report]") {
  ReplayConfig config;
  config.capacity = Capacity::parse("4");
  config.entry_bytes = 100;
  config.steps = StepRange{.first = 1, .last = 7};
  config.warmup_steps = 2;
  const PlainTrace plain = grouped_batch();
  const Report report = report_of(plain, config);
  std::string header = step_csv_header(EffectiveConfig{});
  CHECK(header ==
        "step,layer,request,accesses,hits,misses,compulsory_misses,evictions,fetched_bytes,missed_pages,gather_ns\n");
  header.pop_back();
  const auto columns = split(header, ',');
  std::vector<std::uint64_t> sums(columns.size(), 0);
  auto lines = split(report.csv, '\n');
  lines.pop_back();  // after the last newline
  REQUIRE(!lines.empty());
  for (const std::string& line : lines) {
    const auto fields = split(line, ',');
    REQUIRE(fields.size() == columns.size());
    for (std::size_t i = 0; i < fields.size(); ++i) {
      sums[i] += std::stoull(fields[i]);
    }
  }
  CHECK(lines.front().starts_with("3,0,0,"));  // warm-up steps have no rows
  for (std::size_t i = 3; i < columns.size(); ++i) {
    CAPTURE(columns[i]);
    CHECK(sums[i] == report.json["totals"][columns[i]]);
  }
}

TEST_CASE("The configuration of a report leaves nothing to defaults", "[report]") {
  ReplayConfig config;
  config.capacity = Capacity::parse("2x");
  SECTION("as the tool would have it") {
    const Json written = report_of(one_stream({{1, 2, 3}, {4}}), config).json["config"];
    CHECK(written == Json::parse(R"({"policy": "lru", "scope": "stream", "capacity": "2x", "capacity_entries": 6,
        "caches": 1, "reserved_entries": 6, "reserved_bytes": null, "entry_bytes": null, "page_tokens": 16, "order": "logged", "warm": "none", "new_token": "demand",
        "steps": [0, 2], "warmup_steps": 0, "memory": "serial", "miss_ns": 200.0})"));
  }
  SECTION("the parameters of a policy that was put together by hand") {
    config.policy = {.name = "random", .parameters = {}};
    const Json written = report_of(one_stream({{1, 2, 3}, {4}}), config).json["config"];
    CHECK(written["policy"] == to_string(parse_policy("random")));
  }
}

TEST_CASE("What is unknown or has no value is null", "[report]") {
  ReplayConfig config;
  const Report unknown = report_of(one_stream({{1}, {2}}), config);
  CHECK(unknown.json["totals"]["fetched_bytes"].is_null());
  CHECK(unknown.csv == "0,0,0,1,0,1,1,0,,1,200\n1,0,0,1,0,1,1,0,,1,200\n");
  config.steps = StepRange{.first = 1, .last = 1};
  const Json nothing = report_of(one_stream({{1}, {2}}), config).json;
  CHECK(nothing["totals"]["miss_ratio"].is_null());
  CHECK(nothing["totals"]["accesses"] == 0);
  CHECK(nothing["layers"].size() == 1);
}

TEST_CASE("A report depends on the content of a trace and not on its file", "[report]") {
  const captures::TempDir folder;
  PlainTrace plain = grouped_batch();
  write_trace(folder / "one.dsat", plain, 2);
  plain.header.model = "a name";
  plain.header.provenance = "elsewhere";
  write_trace(folder / "two.dsat", plain, 100);
  ReplayConfig config;
  config.capacity = Capacity::parse("1x");
  const TraceReader one(folder / "one.dsat");
  const TraceReader two(folder / "two.dsat");
  CHECK(report_json(one, replay(one, config)) == report_json(two, replay(two, config)));
}

TEST_CASE("The table names the layers that miss least and most", "[report]") {
  const std::string few = report_of(random_trace({.requests = 1, .layers = 6}, 1), {}).table;
  CHECK(few.find("layer 5") != std::string::npos);
  CHECK(few.find("between") == std::string::npos);
  const std::string many = report_of(random_trace({.requests = 1, .layers = 9}, 1), {}).table;
  CHECK(many.find("... 3 layers between") != std::string::npos);
}

TEST_CASE("With a model, bytes and times that a person reads are of its layers", "[report][step]") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  ReplayConfig config;
  config.policy = parse_policy("lru");
  config.capacity = Capacity::parse("2x");
  config.steps = StepRange{.first = 0, .last = 4};
  config.warmup_steps = 1;
  config.step = {.model = "deepseek-v3.2", .gpu = "h200", .deployment = {.tensor_parallel = 8}};
  const ReplayResult result = replay(trace, config);
  const Json json = Json::parse(report_json(trace, result));
  const Json& step = json["step_time"];
  const auto entry_bytes = json["config"]["entry_bytes"].get<std::uint64_t>();
  std::uint64_t bytes = 0;
  std::uint64_t hidden = 0;
  for (std::size_t layer = 0; layer < 16; ++layer) {
    const auto stands_for = step["layers"][layer]["hidden_layers"].get<std::uint64_t>();
    hidden += stands_for;
    bytes += json["layers"][layer]["misses"].get<std::uint64_t>() * stands_for * entry_bytes;
  }
  CHECK(hidden == 61);
  CHECK(step["hidden_layers"] == 61);
  CHECK(step["fetched_bytes_per_step"].get<double>() == Approx(static_cast<double>(bytes) / 3));
  CHECK(step["fetched_bytes_per_s"].get<double>() ==
        Approx(static_cast<double>(bytes) / 3 / (step["tpot_ns"]["mean"].get<double>() / 1e9)));
  CHECK(json["totals"]["fetched_bytes"] == json["totals"]["misses"].get<std::uint64_t>() * entry_bytes);  // the trace's
  const std::string table = report_table(trace, result);
  CHECK(table.find("trace: 16 layers; deepseek-v3.2: 61 that select, each of the trace's stands for 3.81.") !=
        std::string::npos);
  CHECK(table.find("in the 61 layers of deepseek-v3.2: ") != std::string::npos);
  CHECK(table.find("(kernels of h200, ") != std::string::npos);
  CHECK(table.find("bound") == std::string::npos);
}

TEST_CASE("Without a counted step, times are null and not 0", "[report][step]") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  ReplayConfig config;
  config.steps = StepRange{.first = 3, .last = 3};
  config.step = {.model = "llama-3.1-8b", .gpu = "h200", .kernels = "roofline"};
  const Json step = Json::parse(report_json(trace, replay(trace, config)))["step_time"];
  for (const char* field : {"mean", "p50", "p95", "p99", "max"}) {
    CHECK(step["tpot_ns"][field].is_null());
  }
  CHECK(step["slowdown_all_hit"].is_null());
  CHECK(step["fetched_bytes_per_step"].is_null());
  CHECK(step["fetched_bytes_per_s"].is_null());
}

TEST_CASE("A memory that was overridden is named so", "[report]") {
  ReplayConfig config;
  config.entry_bytes = 100;
  config.memory = parse_memory("h100,hbm_ns=400");
  const Report report = report_of(one_stream({{1}, {2}}), config);
  CHECK(report.json["config"]["memory_overrides"] == Json{{"hbm_ns", "400"}});
  CHECK(report.table.find(" with hbm_ns=400") != std::string::npos);
  config.memory = parse_memory("h100");
  CHECK_FALSE(report_of(one_stream({{1}, {2}}), config).json["config"].contains("memory_overrides"));
}
