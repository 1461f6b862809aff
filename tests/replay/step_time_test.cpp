// The time of a token in a replay, against `predict_step` and against itself.

#include "dsasim/replay/replay.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "dsasim/step/predict_step.hpp"
#include "import/captures.hpp"
#include "replay/small_traces.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;
using captures::TempDir;

namespace {

constexpr std::uint32_t prompt_tokens = 5000;
constexpr std::uint32_t top_k = 2048;
constexpr std::uint32_t steps = 3;

/// So many requests, which select 2,048 rows in each of three layers; from step to step some of them change.
PlainTrace selecting(std::uint32_t requests, std::uint32_t longer_by = 0) {
  PlainTrace trace;
  trace.header.layers.resize(3);
  for (std::uint32_t request = 0; request < requests; ++request) {
    trace.header.requests.push_back({.prompt_tokens = prompt_tokens + request * longer_by, .start_step = 0});
    auto& of_request = trace.requests.emplace_back();
    for (std::uint32_t step = 0; step < steps; ++step) {
      auto& of_step = of_request.emplace_back();
      for (std::uint32_t layer = 0; layer < 3; ++layer) {
        PlainSelection ids;
        for (std::uint32_t i = 0; i < top_k; ++i) {
          ids.push_back(i + step * (100 + 50 * layer + request));
        }
        of_step.push_back(ids);
      }
    }
  }
  return trace;
}

ReplayConfig timed(const std::string& model, const std::string& capacity) {
  ReplayConfig config;
  config.capacity = Capacity::parse(capacity);
  config.step = {.model = model, .gpu = "h200", .deployment = {.tensor_parallel = 8}};
  return config;
}

StepPrediction predicted(const StepSpec& step, std::uint64_t batch, std::uint64_t context) {
  const Gpu gpu = load_gpu(step.gpu);
  return predict_step(load_model(step.model), gpu, KernelTable::load(step.kernels, gpu),
                      {.batch = batch, .context_tokens = context, .deployment = step.deployment});
}

}  // namespace

TEST_CASE("A replay in which every row misses has the parts of a step, at each step's context", "[replay][step]") {
  const TempDir scratch;
  for (const std::uint32_t requests : {1U, 3U}) {
    write_trace(scratch / "t.dsat", selecting(requests));
    const TraceReader trace(scratch / "t.dsat");
    for (const char* model : {"glm-5.1", "glm-5.2", "deepseek-v3.2"}) {
      for (const char* kernels : {"", "b200", "roofline"}) {
        for (const bool dp : {false, true}) {
          ReplayConfig config = timed(model, "0");
          config.step.kernels = kernels;
          config.step.deployment.dp_attention = dp;
          config.step.deployment.host_ns = 1000;
          StepParts expected;
          for (std::uint32_t step = 0; step < steps; ++step) {
            expected.add(predicted(config.step, requests, prompt_tokens + step + 1).parts, 1);
          }
          const auto times = replay(trace, config).step_times;
          INFO(model << " " << kernels << " " << requests);
          for (const auto& [name, part] : step_part_names) {
            INFO(name);
            CHECK(times->totals.kernels[part] == expected[part]);
          }
          CHECK(times->totals.stall_ns == 0);
          CHECK(times->totals.set_aside_ns == 0);
          CHECK(times->tpot.mean_ns == Approx(static_cast<double>(expected.total_ns()) / steps));
        }
      }
    }
  }
}

TEST_CASE("Several queries of a step take what as many requests take, and their time is of what is accepted",
          "[replay][step]") {
  // Two requests: 2 queries of which 1 stays, a pause, 3 queries which all stay. Contexts 5,001 and 5,002, then 5,002
  // to 5,004: of equal rows, the longest decides and the sum is read.
  PlainTrace plain;
  plain.header.layers.resize(3);
  plain.header.has_queries = true;
  PlainSelection ids;
  for (std::uint32_t i = 0; i < top_k; ++i) {
    ids.push_back(i);
  }
  for (std::uint32_t request = 0; request < 2; ++request) {
    plain.header.requests.push_back({.prompt_tokens = prompt_tokens, .start_step = 0});
    plain.queries.push_back({{2, 1}, {0, 0}, {3, 3}});
    plain.requests.push_back({PlainStep(6, ids), PlainStep(), PlainStep(9, ids)});
  }
  const TempDir scratch;
  write_trace(scratch / "t.dsat", plain);
  const TraceReader trace(scratch / "t.dsat");
  ReplayConfig config = timed("deepseek-v3.2", "0");
  config.step.energy = true;
  const auto times = replay(trace, config).step_times;
  StepParts expected = predicted(config.step, 4, prompt_tokens + 2).parts;
  expected.add(predicted(config.step, 6, prompt_tokens + 4).parts, 1);
  for (const auto& [name, part] : step_part_names) {
    INFO(name);
    CHECK(times->totals.kernels[part] == Approx(static_cast<double>(expected[part])).epsilon(2e-4));
  }
  CHECK(times->tpot.steps == 2);  // nobody decodes at the second
  CHECK(times->accepted_tokens == 2.0);
  // Of a step of 4 queries and one of 6, 8 tokens stay.
  const auto flops_of = [](const TokenEnergy& energy) {
    const auto found = std::find_if(energy.parts.begin(), energy.parts.end(),
                                    [](const EnergyPart& part) { return part.name == "linear"; });
    return found->amount;
  };
  const Gpu gpu = load_gpu("h200");
  const double of_query =
      flops_of(predict_energy(load_model("deepseek-v3.2"), gpu, KernelTable::load("", gpu),
                              {.batch = 1, .context_tokens = 5001, .deployment = {.tensor_parallel = 8}}));
  CHECK(flops_of(*times->energy) == Approx(of_query * (4 + 6) / 8));

  // One query a step: what a trace says that has no queries.
  PlainTrace single = selecting(2);
  write_trace(scratch / "one.dsat", single);
  single.header.has_queries = true;
  single.queries.assign(2, std::vector<PlainQueries>(steps, {1, 1}));
  write_trace(scratch / "same.dsat", single);
  const auto one = replay(TraceReader(scratch / "one.dsat"), timed("glm-5.1", "1x")).step_times;
  const auto same = replay(TraceReader(scratch / "same.dsat"), timed("glm-5.1", "1x")).step_times;
  CHECK(one->totals == same->totals);
  CHECK(one->tpot.p99_ns == same->tpot.p99_ns);
}

TEST_CASE("Heads of one layer have no times of their own", "[replay][step]") {
  PlainTrace plain;
  plain.header.unit_tokens = 128;
  plain.header.layers.resize(228);
  plain.header.requests = {{.prompt_tokens = prompt_tokens, .start_step = 0}};
  plain.requests = {{PlainStep(228, PlainSelection{0, 1})}};
  const TempDir scratch;
  write_trace(scratch / "t.dsat", plain);
  ReplayConfig config = timed("minimax-m3", "16");
  config.step.kernels = "roofline";
  config.step.deployment.tensor_parallel = 4;
  try {
    replay(TraceReader(scratch / "t.dsat"), config);
    FAIL("accepted");
  } catch (const ConfigError& error) {
    CHECK(std::string(error.what()).find("the heads of a layer are one kernel") != std::string::npos);
  }
}

TEST_CASE("Requests of different contexts take between those of the shortest and of the longest", "[replay][step]") {
  const TempDir scratch;
  write_trace(scratch / "t.dsat", selecting(4, 20000));
  const TraceReader trace(scratch / "t.dsat");
  const ReplayConfig config = timed("glm-5.1", "0");
  const auto times = replay(trace, config).step_times;
  CHECK(times->tpot.p50_ns > predicted(config.step, 4, prompt_tokens + 2).tpot_ns());
  CHECK(times->tpot.p50_ns < predicted(config.step, 4, prompt_tokens + 60000 + 2).tpot_ns());
  // The scan reads all keys, whosever they are.
  CHECK(times->totals.kernels[StepPart::indexer] ==
        Approx(3.0 * static_cast<double>(predicted(config.step, 4, prompt_tokens + 30000 + 2).parts[StepPart::indexer]))
            .epsilon(1e-4));
}

TEST_CASE("More hits never make a token longer where reserving costs nothing", "[replay][step]") {
  const TempDir scratch;
  write_trace(scratch / "t.dsat", selecting(2));
  const TraceReader trace(scratch / "t.dsat");
  for (const char* kernels : {"", "roofline"}) {
    for (const char* memory : {"", "serial", "h200,hbm_ns=2000", "pcie5", "hbm3"}) {
      for (const Overlap overlap : {Overlap::none, Overlap::attention}) {
        double before_ns = 0;
        double nothing_ns = 0;
        for (const char* capacity : {"0", "1x", "1.1x", "2x"}) {
          ReplayConfig config = timed("deepseek-v3.2", capacity);
          config.memory = parse_memory(memory);
          config.step.kernels = kernels;
          config.step.overlap = overlap;
          config.step.reservation_cost = ReservationCost::none;
          const ReplayResult result = replay(trace, config);
          const double ns = result.step_times->tpot.mean_ns;
          INFO(kernels << " " << memory << " " << capacity);
          CHECK((before_ns == 0 || ns <= before_ns));
          CHECK(result.step_times->slowdown_all_hit >= 1);
          nothing_ns = before_ns == 0 ? ns : nothing_ns;
          if (result.step_times->gain) {
            CHECK(result.step_times->gain->ns == Approx(nothing_ns - ns));
          }
          before_ns = ns;
        }
        if (overlap == Overlap::none) {  // otherwise attention may hide a gather
          CHECK(before_ns < nothing_ns);
        }
      }
    }
  }
}

TEST_CASE("A roofline's token is never longer than one of measured kernels", "[replay][step]") {
  const TempDir scratch;
  for (const std::uint32_t requests : {1U, 16U}) {
    write_trace(scratch / "t.dsat", selecting(requests));
    const TraceReader trace(scratch / "t.dsat");
    for (const char* capacity : {"0", "1x", "2x"}) {
      for (const char* gpu : {"h100", "h200", "b200"}) {
        ReplayConfig config = timed("glm-5.2", capacity);
        config.step.gpu = gpu;
        const double measured_ns = replay(trace, config).step_times->tpot.mean_ns;
        config.step.kernels = "roofline";
        CHECK(replay(trace, config).step_times->tpot.mean_ns < measured_ns);
      }
    }
  }
}

TEST_CASE("From another memory, attention reads what was gathered, and the gather comes on top", "[replay][step]") {
  const TempDir scratch;
  write_trace(scratch / "t.dsat", selecting(1));
  const TraceReader trace(scratch / "t.dsat");
  ReplayConfig config = timed("deepseek-v3.2", "1x");
  const auto own = replay(trace, config).step_times;
  config.memory = parse_memory("pcie5");
  const auto host = replay(trace, config).step_times;
  config.memory = parse_memory("serial");
  const auto serial = replay(trace, config).step_times;
  config.capacity = Capacity::parse("0");
  config.memory = {};
  const auto cold = replay(trace, config).step_times;
  // Host: all rows are in the GPU's memory when attention starts. Another memory: they are on the chip.
  CHECK(host->totals.kernels == cold->totals.kernels);
  CHECK(host->totals.stall_ns == host->totals.gather_ns);
  CHECK(serial->totals.kernels[StepPart::attention] < own->totals.kernels[StepPart::attention]);
  CHECK(serial->totals.stall_ns == serial->totals.gather_ns);
  CHECK(own->totals.stall_ns == 0);
  CHECK_FALSE(host->gain);
  config.capacity = Capacity::parse("1x");
  config.memory = parse_memory("pcie5");
  config.step.overlap = Overlap::attention;
  CHECK(replay(trace, config).step_times->totals.stall_ns < host->totals.stall_ns);
}

TEST_CASE("A hot buffer's misses are priced as the kernel that swaps them in", "[replay][step]") {
  const TempDir scratch;
  write_trace(scratch / "t.dsat", selecting(4));
  const TraceReader trace(scratch / "t.dsat");
  ReplayConfig config;
  config.entry_bytes = 656;
  config.memory = parse_memory("pcie5");
  // A cache that several streams share is no such buffer, nor is one that takes access by access.
  const auto [policy, scope, swaps_in] = GENERATE(table<const char*, Scope, bool>(
      {{"hisparse", Scope::stream, true}, {"hisparse", Scope::layer, false}, {"lru", Scope::stream, false}}));
  config.policy = parse_policy(policy);
  config.scope = scope;
  std::vector<StepRow> rows;
  ReplayHooks hooks;
  hooks.on_row = [&](const StepRow& row) { rows.push_back(row); };
  const ReplayResult result = replay(trace, config, hooks);
  const Memory memory = make_memory(config.memory);
  REQUIRE(rows.size() == 4 * 3 * steps);
  double ns = 0;
  for (std::size_t at = 0; at < rows.size(); at += 4) {  // the requests of one step and layer
    Gather gather{.row_bytes = 656};
    SwapIn call{.requests = 4, .selected_rows = top_k, .slots = 2 * top_k};
    for (std::size_t i = at; i < at + 4; ++i) {
      gather.hit_rows += rows[i].counters.hits;
      gather.missed_rows += rows[i].counters.misses();
      call.most_missed_rows = std::max(call.most_missed_rows, rows[i].counters.misses());
    }
    gather.swap_in = swaps_in ? std::optional(call) : std::nullopt;
    ns += std::floor(memory.model->gather_ns(gather) + 0.5);
  }
  CHECK(static_cast<double>(result.totals.gather_ns) == ns);
}

TEST_CASE("A set-aside costs attention what was measured, as far as a reservation fits it", "[replay][step]") {
  const TempDir scratch;
  write_trace(scratch / "t.dsat", selecting(16));
  const TraceReader trace(scratch / "t.dsat");
  ReplayConfig config = timed("deepseek-v3.2", "30MiB");
  config.capacity = Capacity::parse_budget("30MiB");
  config.step.deployment = {.tensor_parallel = 1};  // 128 heads
  const ReplayResult result = replay(trace, config);
  CHECK(result.config.counts_set_aside);
  REQUIRE(result.step_times->gain);
  CHECK(result.step_times->gain->ns < 0);
  CHECK(*result.step_times->gain->error_ns > 0);
  CHECK(result.step_times->totals.set_aside_ns > 0);
  config.step.reservation_cost = ReservationCost::none;
  CHECK(replay(trace, config).step_times->gain->ns >= 0);
  config.step.reservation_cost = ReservationCost::set_aside;
  config.capacity = Capacity::parse_budget("60MiB");  // more than an H200 sets aside
  CHECK_FALSE(replay(trace, config).config.counts_set_aside);
  config.step.kernels = "b200";  // of which nobody measured it
  CHECK_FALSE(replay(trace, config).step_times->gain->error_ns);
}
