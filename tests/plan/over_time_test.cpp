// Batches as requests come in: admission, growth, preemption and waiting, worked out by hand; what must hold of any.

#include "plan/over_time.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "dsasim/report/plan_report.hpp"
#include "import/captures.hpp"
#include "plan/deployed.hpp"
#include "refusal.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;

namespace {

/// GLM-5.1: 64 tokens' keys and entries in 78 layers.
constexpr std::uint64_t page_bytes = 78ULL * 64 * (656 + 132);

/// A deployment whose GPUs have memory for so many pages.
Deployed with_pages(std::uint64_t pages, PlanConfig config = {}) {
  Deployed deployed("glm-5.1", std::move(config));
  const std::uint64_t used = deployed.memory().weight_bytes() + pages * page_bytes + page_bytes / 2;
  deployed.config.memory_fraction = static_cast<double>(used) / static_cast<double>(deployed.gpu.memory_bytes);
  return deployed;
}

/// A server over a trace of one layer, and the time of its steps.
struct Served {
  Served(const Deployed& on, double row_ns) : deployed(on), link(row_ns) {
    TraceHeader header;
    header.layers = {{}};
    hidden.emplace(deployed.model, header);
    timeline.emplace(deployed.model, *deployed.kernels, *hidden, 1, link, deployed.config);
  }
  std::optional<OverTime> run(const ServedBuffers& buffers, const std::vector<Arriving>& requests) {
    return serve(*timeline, deployed.memory(), buffers, {.in_steps = true, .requests = requests}, deployed.config,
                 [](double) {});
  }
  std::uint64_t compute_ns(std::uint64_t batch, std::uint64_t tokens) {
    return timeline->compute_ns({.batch = batch, .longest_tokens = tokens, .context_tokens = batch * tokens});
  }

  const Deployed& deployed;
  RowLink link;
  std::optional<HiddenLayers> hidden;
  std::optional<StepTimeline> timeline;
};

const std::vector<Arriving> three = {{.prompt_tokens = 100, .output_tokens = 40},
                                     {.prompt_tokens = 120, .output_tokens = 30},
                                     {.prompt_tokens = 10, .output_tokens = 5}};

std::vector<std::uint64_t> column(const OverTime& run, std::uint64_t BatchStretch::*member) {
  std::vector<std::uint64_t> values;
  values.reserve(run.stretches.size());
  for (const BatchStretch& stretch : run.stretches) {
    values.push_back(stretch.*member);
  }
  return values;
}

using Column = std::vector<std::uint64_t>;

}  // namespace

// Memory of four pages of 64 tokens. Tokens seen at the first step are 101, 121 and 11: two pages, two, and one.
// Steps 1 to 8: the first two decode, the third waits. Step 9: the second sees 129 tokens, and the memory would hold
// five pages. It goes back with 8 tokens. Its three pages do not fit beside the first one's two, and nobody overtakes
// it: the first decodes alone until it is done after step 40, in three pages from its 29th token on. Step 41: the
// second is admitted again, and the third with it, for 5 steps; the second has 17 more.
TEST_CASE("Three requests in memory of four pages, worked out by hand", "[plan]") {
  const Deployed deployed = with_pages(4);
  Served served(deployed, 0);
  const OverTime run = *served.run({}, three);
  CHECK(column(run, &BatchStretch::steps) == Column{8, 32, 5, 17});
  CHECK(column(run, &BatchStretch::running) == Column{2, 1, 2, 1});
  CHECK(column(run, &BatchStretch::waiting) == Column{1, 2, 0, 0});
  CHECK(column(run, &BatchStretch::preemptions) == Column{0, 1, 0, 0});
  CHECK(column(run, &BatchStretch::gpu_bytes) ==
        Column{4 * page_bytes, 3 * page_bytes, 4 * page_bytes, 3 * page_bytes});
  CHECK(run.preemptions == 1);
  CHECK(run.most_running == 2);
  CHECK(run.tokens == 75);
  CHECK(run.steps == 62);

  const Column start = column(run, &BatchStretch::start_ns);
  CHECK(start[1] == 8 * served.compute_ns(2, 128));
  CHECK(start[2] - start[1] == 20 * served.compute_ns(1, 128) + 12 * served.compute_ns(1, 192));
  CHECK(run.wait.mean_ns == Approx(static_cast<double>(start[2] - start[1] + start[2]) / 3));
  CHECK(run.wait.p99_ns == start[2]);              // of the third
  CHECK(run.tpot.p99_ns == run.duration_ns / 30);  // of the second, which waited in between
  CHECK(run.tpot.mean_ns ==
        Approx(static_cast<double>(start[2] / 40 + run.duration_ns / 30 + (start[3] - start[2]) / 5) / 3));
  CHECK(run.mean_running == Approx(static_cast<double>(2 * start[1] + (start[2] - start[1]) +
                                                       2 * (start[3] - start[2]) + (run.duration_ns - start[3])) /
                                   static_cast<double>(run.duration_ns)));
}

// With three pages the second request never decodes beside the first: less memory, and no preemption.
TEST_CASE("Memory for all of all requests keeps nobody waiting, and memory for one long one sends nobody back",
          "[plan]") {
  const Deployed small = with_pages(3);
  const OverTime alone = *Served(small, 0).run({}, three);
  CHECK(alone.preemptions == 0);
  CHECK(column(alone, &BatchStretch::steps) == Column{40, 5, 25});
  const Deployed large = with_pages(7);
  const OverTime together = *Served(large, 0).run({}, three);
  CHECK(together.preemptions == 0);
  CHECK(together.wait.p99_ns == 0);
  CHECK(column(together, &BatchStretch::running) == Column{3, 2, 1});
  CHECK(column(together, &BatchStretch::steps) == Column{5, 25, 10});
  const Deployed smaller = with_pages(2);
  CHECK_FALSE(Served(smaller, 0).run({}, three));  // the first request grows to three pages
}

// Two requests lack 1, 2, 3 and 4 rows of each layer at the four steps of the trace; later steps are like its last two.
TEST_CASE("A buffer fills anew when its request is admitted, and host memory sends requests back, too", "[plan]") {
  constexpr std::uint64_t host_page = 78ULL * 64 * 656;
  PlanConfig config;
  config.host_copies = HostCopies::shared;
  config.host_bytes = 4 * host_page;
  const Deployed deployed("glm-5.1", config);
  Served served(deployed, 1000);
  const BufferMisses misses{.layers = 1, .requests = {{.rows = {1, 2, 3, 4}}}};
  const ServedBuffers buffers{.slots = 8,
                              .held_slots = 8,
                              .misses = [&](std::uint64_t, std::uint64_t) -> const BufferMisses& { return misses; }};
  // The second request goes back at its third step, when the first one has its third page.
  const OverTime run =
      *served.run(buffers, {{.prompt_tokens = 126, .output_tokens = 6}, {.prompt_tokens = 100, .output_tokens = 4}});
  CHECK(column(run, &BatchStretch::steps) == Column{2, 4, 2});
  CHECK(column(run, &BatchStretch::host_bytes) == Column{4 * host_page, 3 * host_page, 2 * host_page});
  const auto copies_ns = [&](std::uint64_t rows) { return 78 * 1000 * rows; };
  const Column ns = column(run, &BatchStretch::ns);
  CHECK(ns[0] == copies_ns(2 * 1 + 2 * 2) + 2 * served.compute_ns(2, 128));
  CHECK(ns[1] == copies_ns(3 + 4 + 3 + 4) + 4 * served.compute_ns(1, 192));
  CHECK(ns[2] == copies_ns(1 + 2) + 2 * served.compute_ns(1, 128));
}

// In pages of 78 layers, keys take 132 and entries 656. Memory has 20.5 x 788 = 16,154. A buffer of 64 slots and two
// resident pages are three pages. A request of 600 tokens (10 pages of keys) leaves 16,154 - 1,320 - 1,968 = 12,866: 19
// pages more, and all of it is resident. Beside one of 900 tokens (15 pages) 16,154 - 3,300 - 3,936 = 8,918 are left:
// 13 pages, 6 for each, and both have older entries.
TEST_CASE("Resident pages spill when another request comes in", "[plan]") {
  const Deployed deployed = with_pages(20);
  Served served(deployed, 1000);
  const BufferMisses misses{.layers = 1, .accesses = 4, .looked_up = 1, .requests = {{.rows = {5}}}};
  std::vector<std::uint64_t> asked;
  const ServedBuffers buffers{.slots = 64,
                              .held_slots = 64 + 2 * 64,
                              .misses = [&](std::uint64_t pages, std::uint64_t) -> const BufferMisses& {
                                asked.push_back(pages);
                                return misses;
                              },
                              .resident_pages = 2,
                              .spare_holds_pages = true};
  const OverTime run = *served.run(
      buffers, {{.prompt_tokens = 599, .output_tokens = 6}, {.at = 2, .prompt_tokens = 899, .output_tokens = 3}});
  CHECK(asked == Column{2 + 6, 2 + 6, 2 + 6});
  const std::uint64_t both_ns =
      served.timeline->compute_ns({.batch = 2, .longest_tokens = 960, .context_tokens = std::uint64_t{2} * 768});
  CHECK(column(run, &BatchStretch::ns) ==
        Column{2 * served.compute_ns(1, 640), 3 * (both_ns + 78 * 10 * 1000), served.compute_ns(1, 640)});
}

TEST_CASE("Requests of a trace come in at its start steps", "[plan]") {
  const TraceReader trace = small_trace();
  PlanConfig config = small_plan("lru", "2x,all");
  CHECK_FALSE(plan_of(trace, config).rows[0].over_time);
  config.arrivals = arrivals_of_trace;
  std::uint64_t tokens = 0;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    tokens += trace.extent(request).steps;
  }
  const PlanResult result = plan_of(trace, config);
  for (const PlanRow& row : result.rows) {
    REQUIRE(row.over_time);
    CHECK(row.over_time->tokens == tokens);
    CHECK(row.over_time->wait.p99_ns == 0);
    CHECK(row.over_time->preemptions == 0);
  }
  CHECK(plan_json(plan_of(trace, config, 3)) == plan_json(result));
  CHECK(over_time_csv(plan_of(trace, config, 3)) == over_time_csv(result));
}

TEST_CASE("No memory holds more than it has, and every request gets its tokens", "[plan]") {
  PlanConfig config;
  config.replay.step.deployment.dp_attention = GENERATE(false, true);
  const std::uint64_t pages = GENERATE(9U, 40U, 400U);
  const Deployed deployed = with_pages(pages, config);
  Served served(deployed, 10);
  std::vector<Arriving> requests;
  std::uint64_t tokens = 0;
  for (std::uint64_t i = 0; i < 60; ++i) {
    requests.push_back({.at = i * i / 9, .prompt_tokens = 1 + i * 37 % 300, .output_tokens = 1 + i * 53 % 211});
    tokens += requests.back().output_tokens;
  }
  const OverTime run = *served.run({}, requests);
  CHECK(run.tokens == tokens);
  CHECK(run.requests == 60);
  CHECK(run.mean_running <= static_cast<double>(run.most_running));
  std::uint64_t end_ns = 0;
  std::uint64_t decoded = 0;
  std::uint64_t preemptions = 0;
  for (const BatchStretch& stretch : run.stretches) {
    CHECK(stretch.gpu_bytes <= deployed.memory().free_bytes());
    CHECK(stretch.start_ns >= end_ns);
    CHECK(stretch.running > 0);
    end_ns = stretch.start_ns + stretch.ns;
    decoded += stretch.running * stretch.steps;
    preemptions += stretch.preemptions;
  }
  CHECK(decoded == tokens);
  CHECK(preemptions == run.preemptions);
  if (!config.replay.step.deployment.dp_attention) {
    CHECK((run.preemptions > 0) == (pages < 400));
  }
}

TEST_CASE("Arrivals come from files, with lengths or the trace's", "[plan]") {
  const TraceReader trace = small_trace();
  const captures::TempDir folder;
  PlanConfig config = small_plan("lru", "2x");
  const auto run_of = [&](const std::string& text) {
    captures::write_file(folder / "arrivals", text);
    config.arrivals = (folder / "arrivals").string();
    return *plan_of(trace, config).rows[0].over_time;
  };
  // The second comes in long after the first is done: it does not wait, and the time in between has no batch.
  const OverTime timed = run_of(
      "{\"timestamp\": 5, \"input_length\": 40000, \"output_length\": 3}\n"
      "{\"timestamp\": 100005, \"input_length\": 50000, \"output_length\": 4}\n");
  CHECK(timed.tokens == 7);
  CHECK(timed.wait.p99_ns == 0);
  CHECK(timed.stretches.front().start_ns == 5'000'000);
  CHECK(timed.stretches.back().start_ns == 100'005'000'000);
  CHECK(timed.duration_ns == 100'000'000'000 + timed.stretches.back().ns);
  CHECK(timed.mean_running < 0.01);
  // By steps a batch without requests takes no time.
  const OverTime stepped = run_of("start_step\n0\n1000\n");
  CHECK(stepped.tokens == trace.extent(0).steps + trace.extent(1).steps);
  CHECK(stepped.mean_running == Approx(1));

  const auto refused = [&](const std::string& text) { return refusal([&] { run_of(text); }); };
  CHECK(refused("start_step,input_length,output_length\n0,99999999,2\n")
            .ends_with("expected requests of at most 100000000 tokens, found 100000001 of request 0"));
  CHECK(refused("start_step,input_length,output_length\n0,1,60000000\n1,1,60000000\n")
            .ends_with("expected at most 67108864 output tokens in all, found 120000000"));
  CHECK(refused("start_step\nx\n").ends_with("line 2: expected a whole number in column 1, found \"x\""));
}
