// When requests come in, and from which step on they decode.

#include "dsasim/import/arrivals.hpp"
#include "catch.hpp"
#include "dsasim/import/import.hpp"
#include "dsasim/trace/reader.hpp"
#include "import/captures.hpp"
#include "refusal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

using namespace dsasim;
using captures::TempDir;
using captures::write_file;
using test::refusal;
using Steps = std::vector<std::uint32_t>;

namespace {

std::vector<std::uint64_t> arrival_steps(const std::vector<Arrival>& arrivals) {
  std::vector<std::uint64_t> steps;
  std::ranges::transform(arrivals, std::back_inserter(steps), &Arrival::step);
  return steps;
}

Steps starts_of(const std::vector<std::uint64_t>& at, const std::vector<std::uint64_t>& steps,
                std::optional<std::uint32_t> max_batch) {
  std::vector<Arrival> arrivals;
  for (const std::uint64_t step : at) {
    arrivals.push_back({.step = step, .prompt_tokens = {}, .output_tokens = {}});
  }
  return start_steps(arrivals, steps, {.file = "a.csv", .step_ms = {}, .max_batch = max_batch});
}

/// The message for a file of these bytes, without its folder.
std::string refused(std::string_view bytes, std::optional<double> step_ms) {
  const TempDir dir;
  write_file(dir / "a", bytes);
  return dir.strip(
      refusal([&] { read_arrivals({.file = (dir / "a").string(), .step_ms = step_ms, .max_batch = {}}); }));
}

}  // namespace

TEST_CASE("Arrivals of Mooncake: times are rounded up to steps", "[import][arrivals]") {
  const TempDir dir;
  const std::string text = R"({"timestamp": 0, "input_length": 6755, "output_length": 500, "hash_ids": [0, 1, 2]}
{"timestamp": 30, "input_length": 7, "output_length": 1, "hash_ids": []}
{"timestamp": 31, "input_length": 8, "output_length": 2}
)";
  write_file(dir / "plain.jsonl", text);
  write_file(dir / "packed.jsonl.zst", captures::zstd(text));
  for (const char* name : {"plain.jsonl", "packed.jsonl.zst"}) {
    const auto arrivals = read_arrivals({.file = (dir / name).string(), .step_ms = 10, .max_batch = {}});
    CHECK(arrival_steps(arrivals) == std::vector<std::uint64_t>{0, 3, 4});
    CHECK(arrivals[0].prompt_tokens == 6755U);
    CHECK(arrivals[2].output_tokens == 2U);
  }
}

TEST_CASE("Arrivals as a CSV: steps, and perhaps lengths", "[import][arrivals]") {
  const TempDir dir;
  write_file(dir / "steps.csv", "who,start_step\na,0\nb,5\r\nc,5\n");
  const auto steps = read_arrivals({.file = (dir / "steps.csv").string(), .step_ms = {}, .max_batch = {}});
  CHECK(arrival_steps(steps) == std::vector<std::uint64_t>{0, 5, 5});
  CHECK(!steps[0].prompt_tokens);
  write_file(dir / "lengths.csv", "output_length,start_step,input_length\n3,1,20\n");
  const auto lengths = read_arrivals({.file = (dir / "lengths.csv").string(), .step_ms = {}, .max_batch = {}});
  CHECK(lengths[0].prompt_tokens == 20U);
  CHECK(lengths[0].output_tokens == 3U);
}

// Room for two. Requests of 4, 2, 3, 1 and 2 steps arrive at 0, 0, 1, 1 and 9.
//
//   step       0 1 2 3 4 5 6 7 8 9 10
//   request 0  x x x x
//           1  x x
//           2      x x x                waits for the end of 1
//           3          x                waits for that of 0; its place, not that of 2
//           4                    x x    nobody is left
TEST_CASE("A request waits for a place, in the order of arrival", "[import][arrivals]") {
  CHECK(starts_of({0, 0, 1, 1, 9}, {4, 2, 3, 1, 2}, 2) == Steps{0, 0, 2, 4, 9});
  CHECK(starts_of({0, 0, 1, 1, 9}, {4, 2, 3, 1, 2}, 1) == Steps{0, 4, 6, 9, 10});
  CHECK(starts_of({0, 0, 1, 1, 9}, {4, 2, 3, 1, 2}, std::nullopt) == Steps{0, 0, 1, 1, 9});
  CHECK(starts_of({3, 4}, {1}, 1) == Steps{3});  // more arrivals than requests
}

TEST_CASE("No more requests decode than there are places, none is lost, and none waits without need",
          "[import][arrivals]") {
  std::mt19937_64 bits(1);
  const auto draw = [&bits](std::uint64_t bound) { return bits() % bound; };
  for (int round = 0; round < 300; ++round) {
    const std::uint32_t places = 1 + static_cast<std::uint32_t>(draw(5));
    std::vector<std::uint64_t> at(1 + draw(30));
    std::vector<std::uint64_t> steps(at.size());
    std::uint64_t now = 0;
    for (std::size_t i = 0; i < at.size(); ++i) {
      at[i] = now += draw(2) * draw(6);
      steps[i] = 1 + draw(12);
    }
    const Steps starts = starts_of(at, steps, places);
    REQUIRE(starts.size() == at.size());
    REQUIRE(std::ranges::is_sorted(starts));
    const auto decoding = [&](std::uint64_t step, std::size_t before) {
      std::size_t count = 0;
      for (std::size_t i = 0; i < before; ++i) {
        count += starts[i] <= step && step < starts[i] + steps[i] ? 1U : 0U;
      }
      return count;
    };
    for (std::size_t i = 0; i < at.size(); ++i) {
      CAPTURE(round, i, places);
      REQUIRE(starts[i] >= at[i]);
      REQUIRE(decoding(starts[i], at.size()) <= places);
      for (std::uint64_t step = at[i]; step < starts[i]; ++step) {  // all places were taken by those before it
        REQUIRE(decoding(step, i) == places);
      }
    }
  }
}

TEST_CASE("What is no file of arrivals is refused in one line", "[import][arrivals]") {
  const std::string good = R"({"timestamp": 5, "input_length": 7, "output_length": 1})";
  CHECK(refused("", std::nullopt) == "a: has no arrivals");
  CHECK(refused("start_step\n", std::nullopt) == "a: has no arrivals");
  CHECK(refused(good, std::nullopt).find("expected the time of a decode step") != std::string::npos);
  CHECK(refused("start_step\n1\n", 1).find("goes with arrivals that have times") != std::string::npos);
  CHECK(refused(R"({"input_length": 7, "output_length": 1})", 1) == "a: line 1, byte 39: has no timestamp");
  CHECK(refused(good + "\n" + R"({"timestamp": 6})", 1) == "a: line 2, byte 72: has no input_length");
  CHECK(refused(R"({"timestamp": 4})"
                "\n" +
                    good,
                1)
            .find("has lengths, and the arrivals above have none") != std::string::npos);
  CHECK(refused(good + "\n" + R"({"timestamp": 4, "input_length": 7, "output_length": 1})", 1)
            .find("timestamp is 4, before that of the arrival above, 5; expected them in order") != std::string::npos);
  CHECK(refused(R"({"timestamp": 5, "input_length": 0, "output_length": 1})", 1)
            .find("input_length is 0, expected 1 to 1099511627776") != std::string::npos);
  CHECK(refused(R"({"timestamp": 18446744073709551615, "input_length": 1, "output_length": 1})", 1) != "");
  for (const char* value : {"-1", "1.5", "\"5\"", "null", "[1]", "1e3"}) {
    CAPTURE(value);
    CHECK(refused(fmt::format(R"({{"timestamp": {}, "input_length": 7, "output_length": 1}})", value), 1) != "");
  }
  CHECK(refused(good.substr(0, 20), 1) != "");
  CHECK(refused("start,input_length\n", std::nullopt).find("found \"start,input_length\"") != std::string::npos);
  CHECK(refused("start_step,start_step\n1,1\n", std::nullopt).find("expected JSON lines") != std::string::npos);
  CHECK(refused("start_step,input_length\n1,1\n", std::nullopt).find("expected JSON lines") != std::string::npos);
  CHECK(refused("start_step,x\n1\n", std::nullopt) == "a: line 2: has 1 columns, expected 2");
  CHECK(refused("start_step\nnow\n", std::nullopt) == "a: line 2: expected a whole number in column 1, found \"now\"");
  CHECK(refused("start_step\n3\n2\n", std::nullopt).find("a: line 3: start_step is 2, before that") == 0);
  CHECK(refused("start_step\n3", std::nullopt).find("may be cut off") != std::string::npos);
  CHECK(refused("start_step\n" + std::string(5000, '1') + "\n", std::nullopt).find("longer than 4096 bytes") !=
        std::string::npos);
  CHECK(refused(std::string("\0\0\0\0", 4), 1) != "");
}

TEST_CASE("A start beyond the steps of a trace is refused, and fewer arrivals than requests are",
          "[import][arrivals]") {
  CHECK(starts_of({4294967295}, {1}, 1) == Steps{4294967295});
  CHECK(refusal([] { starts_of({4294967296}, {1}, 1); }) ==
        "`arrivals`: a.csv: request 0 would begin at step 4294967296, expected no more than 4294967295");
  CHECK(refusal([] {
          starts_of({0}, {1, 1}, 1);
        }) == "`arrivals`: a.csv: expected an arrival for each of 2 requests, found 1");
}

TEST_CASE("Captures become a batch of requests that arrive", "[import][arrivals]") {
  const TempDir dir;
  // Three requests of 3, 2 and 2 steps.
  write_file(dir / "c.csv",
             "request,step,layer,id\n"
             "a,0,0,1\na,1,0,2\na,2,0,3\n"
             "b,0,0,1\nb,1,0,4\n"
             "c,0,0,5\nc,1,0,6\n");
  write_file(dir / "a.csv", "start_step\n0\n1\n1\n40\n");
  ImportOptions options;
  options.prompt_tokens = 10;
  options.arrivals = {.file = (dir / "a.csv").string(), .step_ms = {}, .max_batch = 2};
  const std::vector<std::filesystem::path> inputs{dir / "c.csv"};
  import_captures(inputs, dir / "t.dsat", options);
  const TraceReader trace(dir / "t.dsat");
  Steps starts;
  for (const RequestInfo& request : trace.header().requests) {
    starts.push_back(request.start_step);
  }
  CHECK(starts == Steps{0, 1, 3});
  CHECK(trace.extent(0).steps == 3);
  // A capture that says when its requests begin.
  write_file(dir / "late.csv", "request,step,layer,id\na,4,0,1\n");
  const std::vector<std::filesystem::path> late{dir / "late.csv"};
  CHECK(refusal([&] { import_captures(late, dir / "u.dsat", options); }) ==
        "`arrivals`: request 0 begins at step 4, as its capture says; expected captures that say none");
  CHECK(!std::filesystem::exists(dir / "u.dsat"));
}
