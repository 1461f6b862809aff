// The counters that vLLM exports: what a replay writes of them, and the comparison of a report with a scrape. The
// scrapes are as vLLM's Python client writes them, with numbers worked out by hand.

#include "dsasim/diff/scrape.hpp"
#include "dsasim/report/prometheus.hpp"
#include "dsasim/report/report.hpp"

#include "catch.hpp"
#include "import/captures.hpp"
#include "refusal.hpp"
#include "replay/small_traces.hpp"
#include "replay/written_trace.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;

namespace {

/// 40 misses in a layer that stands for 3 of the model, 60 in one that stands for 1, rows of 10 bytes.
constexpr const char* report = R"({
  "schema": "dsasim-report/1",
  "config": {"model": "glm-5.2", "entry_bytes": 10},
  "totals": {"hits": 400, "misses": 100, "fetched_bytes": 1000},
  "layers": [{"layer": 0, "misses": 40}, {"layer": 1, "misses": 60}],
  "step_time": {"hidden_layers": 4, "layers": [{"hidden_layers": 3}, {"hidden_layers": 1}]}
})";

/// A report without a model: bytes are those that it sums.
constexpr const char* plain_report = R"({
  "schema": "dsasim-report/1", "config": {"entry_bytes": 10},
  "totals": {"hits": 400, "misses": 100, "fetched_bytes": 1000}, "layers": [{"layer": 0, "misses": 100}]
})";

/// Two engines that count together what the report does: 400 hits, 100 misses, 10 x (40 x 3 + 60) bytes.
constexpr const char* scrape = R"(# HELP python_gc_objects_collected_total Objects collected during gc
# TYPE python_gc_objects_collected_total counter
python_gc_objects_collected_total{generation="0"} 8.6e+03
vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="zai-org/GLM-5.2"} 12.0
vllm:kv_cache_usage_perc{engine="0",model_name="zai-org/GLM-5.2"} NaN
# HELP vllm:hisparse_cache_hits_total Hits
# TYPE vllm:hisparse_cache_hits_total counter
vllm:hisparse_cache_hits_total{engine="0",model_name="zai-org/GLM-5.2"} 3.5e+02
vllm:hisparse_cache_hits_total{engine="1",model_name="zai-org/GLM-5.2"} 50.0
vllm:hisparse_cache_hits_created{engine="0",model_name="zai-org/GLM-5.2"} 1.75e+09
vllm:hisparse_cache_misses_total{engine="0",model_name="zai-org/GLM-5.2"} 90.0
vllm:hisparse_cache_misses_total{ model_name = "zai-org/GLM-5.2" , engine="1", } 10 1750000000000
vllm:hisparse_host_to_device_bytes_total{engine="0",model_name="zai-org/GLM-5.2"} 1.8e+03
vllm:hisparse_host_to_device_bytes_total{engine="1",model_name="zai-org/GLM-5.2"} 0.0 # {trace_id="x"} 1.0
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

CounterDiff compare(const std::string& first, const std::string& second, const std::string& since = "",
                    std::uint64_t workers = 1, const std::vector<std::string>& tolerances = {}) {
  ScrapeOptions options{.since = {}, .workers = workers};
  if (!since.empty()) {
    options.since = NamedText{.path = "before.txt", .text = since};
  }
  DiffOptions diff_options;
  for (const std::string& tolerance : tolerances) {
    diff_options.tolerances.push_back(parse_tolerance(tolerance));
  }
  return diff_counters({.path = "a", .text = first}, {.path = "b", .text = second}, options, diff_options);
}

std::string error_of(const std::string& text, const std::string& since = "") {
  return refusal([&] { compare(report, text, since); });
}

/// With this in the place of engine 0's hits.
std::string with_hits(const std::string& value) {
  return replaced(scrape, "3.5e+02", value);
}

std::string scrape_of(std::uint64_t hits, std::uint64_t misses, std::uint64_t bytes) {
  return fmt::format(
      "vllm:hisparse_cache_hits_total {}\nvllm:hisparse_cache_misses_total {}\n"
      "vllm:hisparse_host_to_device_bytes_total {}\n",
      hits, misses, bytes);
}

std::string report_of(const PlainTrace& plain, const ReplayConfig& config) {
  const captures::TempDir folder;
  write_trace(folder / "t.dsat", plain);
  const TraceReader trace(folder / "t.dsat");
  return report_json(trace, replay(trace, config));
}

}  // namespace

TEST_CASE("Entries that are resident elsewhere are hits, but not of the hot buffer", "[replay][counters]") {
  // Blocks of 64 entries; the newest is resident: ids from 128 on. 5 and 7 miss; then 5 is in the buffer; then 5 and 7.
  const PlainTrace trace = one_stream({{5, 7, 130}, {5, 129, 131}, {9, 5, 7}}, 130);
  ReplayConfig config;
  config.policy = parse_policy("hisparse");
  config.capacity = Capacity::parse("3");
  config.entry_bytes = 656;
  config.resident_blocks = 1;
  const Counters totals = replay(Written(trace).reader, config).totals;
  CHECK(totals.hits == 6);
  CHECK(totals.cache_hits == 3);
  CHECK(totals.misses() == 3);
  CHECK(prometheus_of(report_of(trace, config)) ==
        "# HELP vllm:hisparse_cache_hits_total Selected entries that the hot buffer held, in a replay.\n"
        "# TYPE vllm:hisparse_cache_hits_total counter\n"
        "vllm:hisparse_cache_hits_total 3\n"
        "# HELP vllm:hisparse_cache_misses_total Selected entries that the hot buffer lacked, in a replay.\n"
        "# TYPE vllm:hisparse_cache_misses_total counter\n"
        "vllm:hisparse_cache_misses_total 3\n"
        "# HELP vllm:hisparse_host_to_device_bytes_total Bytes of the rows that were fetched for misses, in a replay.\n"
        "# TYPE vllm:hisparse_host_to_device_bytes_total counter\n"
        "vllm:hisparse_host_to_device_bytes_total 1968\n");

  config.entry_bytes.reset();  // the trace does not say
  CHECK(prometheus_of(report_of(trace, config)).find("bytes") == std::string::npos);
}

TEST_CASE("A report equals the counters that it wrote itself", "[counters]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    ReplayConfig config;
    config.policy = parse_policy(seed % 2 == 0 ? "hisparse" : "lru");
    config.capacity = Capacity::parse("2x");
    config.new_token = seed % 3 == 0 ? NewToken::pinned : NewToken::demand;
    config.entry_bytes = 100 + seed;
    const std::string written = report_of(random_trace({.requests = 3, .layers = 3, .groups = true}, seed), config);
    const CounterDiff found = compare(written, prometheus_of(written));
    CHECK(found.result.differences.empty());
    CHECK(found.result.compared_values == 5);  // three counters, the ratio, the schema
  }
}

TEST_CASE("Bytes are those of the model's layers, hits and misses those of an index", "[counters]") {
  const CounterDiff found = compare(report, scrape);
  CHECK(found.result.differences.empty());
  CHECK(
      found.sources ==
      "a: hits 400, misses 100 (20.00%), 1800 bytes; hits and misses of 2 layers that own an index, bytes in 4 layers "
      "of glm-5.2\n"
      "b: hits 400, misses 100 (20.00%), 1800 bytes; 2 series of each counter, model zai-org/GLM-5.2\n");
  CHECK(prometheus_of(report).find("vllm:hisparse_host_to_device_bytes_total{model_name=\"glm-5.2\"} 1800\n") !=
        std::string::npos);

  const DiffResult plain = compare(plain_report, scrape).result;
  REQUIRE(plain.differences.size() == 1);
  CHECK(plain.differences[0].path == "/host_to_device_bytes");
  CHECK(plain.differences[0].change == 800.0);

  // A prefetch spares 10 of the first layer's misses their fetch.
  const std::string spared = replaced(report, R"("misses": 40)", R"("misses": 40, "avoided_misses": 10)");
  CHECK(prometheus_of(spared).find("} 1500\n") != std::string::npos);
}

TEST_CASE("A report goes first or second, and change is the second less the first", "[counters]") {
  const std::string more = with_hits("351");
  const DiffResult forth = compare(report, more).result;
  REQUIRE(forth.differences.size() == 2);  // and the ratio
  CHECK(forth.differences[0].path == "/hits");
  CHECK(forth.differences[0].change == 1.0);
  const DiffResult back = compare(more, report).result;
  CHECK(back.differences[0].change == -1.0);
  CHECK(compare(report, more, "", 1, {"1%", "hits=1%"}).result.differences.empty());
  CHECK(compare(report, more, "", 1, {"1%"}).result.differences.size() == 1);  // a count only by name
}

TEST_CASE("Workers of an engine count the same rows", "[counters]") {
  const std::string eight = scrape_of(3200, 800, 14'400);
  CHECK(compare(report, eight, "", 8).result.differences.empty());
  CHECK(compare(report, eight).result.differences.size() == 3);  // and an equal ratio
  const std::string huge = replaced(plain_report, "400", "18446744073709551615");
  CHECK(refusal([&] { compare(huge, eight, "", 2); }) == "hits: comes to 2^64 or more; expected less");
}

TEST_CASE("An earlier scrape is taken off, series by series", "[counters]") {
  // Engine 0 had counted this; engine 1 is new.
  std::string before;
  for (const char* line : {"cache_hits_total", "cache_misses_total", "host_to_device_bytes_total"}) {
    before += fmt::format("vllm:hisparse_{}{{model_name=\"zai-org/GLM-5.2\",engine=\"0\"}} 50\n", line);
  }
  const CounterDiff found = compare(report, scrape, before);
  CHECK(found.sources.find("b: hits 350, misses 50 (12.50%), 1750 bytes; ") != std::string::npos);
  CHECK(found.sources.find(", since before.txt\n") != std::string::npos);
  CHECK(compare(report, scrape, scrape).sources.find("b: hits 0, misses 0, 0 bytes; ") != std::string::npos);

  CHECK(
      error_of(scrape, replaced(before, "50", "351")) ==
      "b: line 8: vllm:hisparse_cache_hits_total{engine=\"0\",model_name=\"zai-org/GLM-5.2\"}: expected a counter that "
      "went on from 351 in before.txt, found 350: the server restarted in between");
  const std::string anew =
      before + "vllm:hisparse_cache_hits_created{engine=\"0\",model_name=\"zai-org/GLM-5.2\"} 1.6e+09\n";
  CHECK(error_of(scrape, anew).find("went on from 50 in before.txt, found 350: the server restarted") !=
        std::string::npos);
  CHECK(
      error_of(scrape_of(1, 2, 3), before) ==
      "b: expected vllm:hisparse_cache_hits_total{engine=\"0\",model_name=\"zai-org/GLM-5.2\"}, which before.txt has; "
      "found none: the server restarted in between");
}

TEST_CASE("Counts that are none are refused, with their line", "[counters]") {
  for (const char* value : {"NaN", "+Inf", "-1", "0.5", "9007199254740992", "1e16", "nan", "-Inf"}) {
    CAPTURE(value);
    CHECK(error_of(with_hits(value)) ==
          fmt::format("b: line 8: vllm:hisparse_cache_hits_total: expected a whole number below 2^53 (beyond, a "
                      "scrape is not exact), found {}",
                      value));
  }
  CHECK(error_of(with_hits("9007199254740991")).empty());  // a difference, and no error
  for (const char* value : {"1e999", "0x10", "12x", "++1", "", "1 2 3", "1 x"}) {
    CAPTURE(value);
    CHECK(error_of(with_hits(value)).starts_with("b: line 8: expected "));
  }
}

TEST_CASE("Damaged scrapes are refused, with their line", "[counters]") {
  const std::string text = scrape;
  CHECK(error_of(text.substr(0, text.size() - 1)) == "b: line 14: expected the end of a line: the scrape is cut off");
  CHECK(error_of(text + "vllm:hisparse_cache_hits_total{model_name=\"zai-org/GLM-5.2\",engine=\"1\"} 3\n") ==
        "b: line 15: vllm:hisparse_cache_hits_total{engine=\"1\",model_name=\"zai-org/GLM-5.2\"} stands in line 9 "
        "already");
  for (const char* line : {"{a=\"b\"} 1", "x{a=\"b\" 1", "x{a=\"b} 1", "x{a} 1", "x{a=b} 1", "x{a=\"b\"c=\"d\"} 1",
                           "x{a=\"b\",a=\"c\"} 1", "x{=\"b\"} 1", "x", "7 1", "x\x01 1", "x{a=\"b\\", "x{,} 1"}) {
    CAPTURE(line);
    const std::string message = error_of(fmt::format("{}{}\n", text, line));
    CHECK(message.starts_with("b: line 15: expected "));
    CHECK(message.find('\x01') == std::string::npos);
  }
  CHECK(error_of(replaced(text, "hits_total counter", "hits_total gauge")) ==
        "b: line 7: vllm:hisparse_cache_hits_total: expected a counter, found the type \"gauge\"");
  CHECK(error_of("up 1\n") ==
        "b: expected the counter vllm:hisparse_cache_hits_total, which vLLM exports with its hot buffer; found none");
  CHECK(error_of(replaced(text, "bytes_total{engine=\"0\"", "bytes_total{engine=\"2\""))
            .starts_with("b: line 8: expected vllm:hisparse_host_to_device_bytes_total{engine=\"0\""));
  CHECK(error_of(text + "vllm:hisparse_cache_misses_total{engine=\"2\"} 1\n") ==
        "b: expected as many series of vllm:hisparse_cache_misses_total as of vllm:hisparse_cache_hits_total, found 3 "
        "and "
        "2");
  // OpenMetrics names the counter without its suffix, and ends with a mark; lines may end as those of Windows do.
  CHECK(error_of("# TYPE vllm:hisparse_cache_hits counter\r\n" + scrape_of(1, 2, 3) + "# EOF\n").empty());
}

TEST_CASE("Beside a scrape stands a report of replay", "[counters]") {
  CHECK(is_scrape("# HELP x\n"));
  CHECK(is_scrape("\nup 1\n"));
  for (const char* text : {"", " \n", "{}", "[1]",
                           "\x89"
                           "DSAT",
                           "// a comment\n{}", "7"}) {
    CHECK_FALSE(is_scrape(text));
  }
  CHECK(refusal([] { compare(scrape, scrape); }) == "b: expected a report beside the scrape a, found another scrape");
  CHECK(error_of(scrape).empty());
  for (const char* text : {R"({"schema": "dsasim-curve/1"})", "{}"}) {
    CHECK(refusal([&] { compare(text, scrape); }) ==
          "a: expected a report of `dsasim replay`, \"schema\": \"dsasim-report/1\"");
  }
  CHECK(refusal([] { compare(replaced(report, R"("hits": 400, )", ""), scrape); }) ==
        "a: /totals: expected a key \"hits\", found none");
  CHECK(refusal([] { compare(replaced(report, R"({"hidden_layers": 3}, )", ""), scrape); }) ==
        "a: /step_time/layers: expected 2 layers, found 1");
  CHECK(refusal([] {
          compare(replaced(report, R"("hidden_layers": 3)", R"("hidden_layers": 18446744073709551615)"), scrape);
        }).starts_with("the fetched bytes in the model's layers: comes to 2^64"));
  CHECK(refusal([] { compare("{", scrape); }).starts_with("a: parse error"));

  const CounterDiff unknown = compare(replaced(plain_report, "1000", "null"), scrape);
  CHECK(unknown.result.differences.empty());  // bytes are not compared
  CHECK(unknown.sources.find("no bytes: those of an entry are not known\n") != std::string::npos);
}
