// The memory of a deployment and the queue of a link, worked out by hand; what must hold of any plan; wrong input.

#include "dsasim/plan/plan.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "dsasim/report/plan_report.hpp"
#include "dsasim/step/predict_step.hpp"
#include "plan/batch_point.hpp"
#include "plan/deployed.hpp"
#include "refusal.hpp"

#include <fmt/core.h>

#include <array>
#include <cmath>
#include <optional>

using namespace dsasim;
using namespace dsasim::test;

namespace {

PlanConfig with_dp_attention() {
  PlanConfig config;
  config.replay.step.deployment.dp_attention = true;
  return config;
}

}  // namespace

// GLM-5.1 in fp8 on 8 H200, bytes of one GPU. Attention: 6144 x (2048 + 512 + 64) = 16,121,856 weights on each GPU and
// 148,897,792 / 8 of it; indexer 9,371,648; 78 of both. FFN: 3 x 226,492,416 / 8. Experts, shared expert and router:
// 75 x (9,663,676,416 + 39,321,600) / 8. Embedding and head: 2 x 951,582,720 x 2 bytes / 8. Together 94,966,579,200.
TEST_CASE("GLM-5.1 on 8 H200, worked out by hand", "[plan]") {
  const Deployed deployed("glm-5.1");
  const MemoryAccount memory = deployed.memory();
  CHECK(memory.weight_bytes() == 94'966'579'200);
  CHECK(memory.free_bytes() == 126'900'000'000 - 94'966'579'200);

  // 32,768 tokens: keys of 132 bytes and entries of 656, in 78 layers.
  const RequestBytes all = memory.request(std::nullopt);
  CHECK(all.keys == 78 * 132 * 32'768);
  CHECK(all.kv == 78ULL * 656 * 32'768);
  CHECK(all.host == 0);
  CHECK(memory.max_batch(all) == 15);  // 31.93 GB / 2.014 GB

  // A buffer of 4,096 slots and one for the newest token; each of 8 GPUs has its copy in host memory.
  const RequestBytes hot = memory.request(4097);
  CHECK(hot.keys == all.keys);
  CHECK(hot.kv == 78 * 656 * 4097);
  CHECK(hot.host == 8ULL * 78 * 656 * 32'768);
  CHECK(memory.max_batch(hot) == 58);  // 31.93 GB / 0.547 GB
  // Buffers of 512 entries: 0.364 GB, nearly all of it keys.
  CHECK(memory.request(512).gpu() == 78ULL * (132 * 32'768 + 656 * 512));
  CHECK(memory.max_batch(memory.request(512)) == 87);
}

TEST_CASE("Pages are whole, host memory and the stack bound the batch, copies are as asked", "[plan]") {
  CHECK(Deployed("glm-5.1", {}, 65).memory().request(std::nullopt).keys == 78 * 132 * 128);
  PlanConfig config;
  config.host_copies = HostCopies::shared;
  config.host_bytes = 78ULL * 656 * 32'768 * 10;
  const Deployed shared("glm-5.1", config);
  CHECK(shared.memory().request(2048).host == 78ULL * 656 * 32'768);
  CHECK(shared.memory().max_batch(shared.memory().request(2048)) == 10);
  config.max_batch = 7;
  CHECK(Deployed("glm-5.1", config).memory().max_batch(shared.memory().request(2048)) == 7);
}

// With requests of its own a GPU has all of attention and the embedding: 2 x (951,582,720 + 118,947,840) +
// 78 x (165,019,648 + 9,371,648) + 3 x 28,311,552 + 75 x 1,212,874,752.
TEST_CASE("With attention by requests, each GPU has its share of them", "[plan]") {
  const Deployed deployed("glm-5.1", with_dp_attention());
  CHECK(deployed.memory().weight_bytes() == 106'794'123'264);
  const RequestBytes all = deployed.memory().request(std::nullopt);
  CHECK(deployed.memory().max_batch(all) == 8 * 9);  // 20.1 GB / 2.014 GB
  CHECK(deployed.memory().request(2048).host == 78ULL * 656 * 32'768);
}

// GLM-5.2: 21 layers own an index, 57 share one. Every layer lacks 10 rows of the one request.
TEST_CASE("Copies of layers that share an index hide behind compute, as far as it covers them", "[plan]") {
  const Prefetch prefetch = GENERATE(Prefetch::none, Prefetch::anchor);
  const double row_ns = GENERATE(0.0, 100.0, 1e9);
  PlanConfig config;
  config.prefetch = prefetch;
  const Deployed deployed("glm-5.2", config);
  TraceHeader header;
  header.layers = {{}};
  const HiddenLayers hidden(deployed.model, header);
  RowLink link(row_ns);
  StepTimeline timeline(deployed.model, *deployed.kernels, hidden, 1, link, deployed.config);
  const std::array missed = {LayerMisses{.rows = 10, .most_rows = 10}};
  const StepTimeline::Step step = timeline.step(timeline.alike(1), {.slots = 4096}, missed);

  const std::uint64_t compute_ns = timeline.compute_ns(timeline.alike(1));
  const auto copy_ns = static_cast<std::uint64_t>(10 * row_ns);
  CHECK(step.ns == compute_ns + step.exposed_ns);
  CHECK(step.exposed_ns + step.hidden_ns == 78 * copy_ns);
  CHECK(step.link_bytes == 78 * 10 * 656);
  if (prefetch == Prefetch::none) {
    CHECK(step.hidden_ns == 0);
  } else if (row_ns <= 100) {
    // A copy of 1 us is over before the next layer's attention, and so are three in a row, a layer apart.
    CHECK(step.exposed_ns == 21 * copy_ns);
  } else {
    // A copy of 10 s covers all compute from a layer's attention to that of the next one that shares the index.
    CHECK(step.hidden_ns > 0);
    CHECK(step.hidden_ns < compute_ns);
  }
}

// GLM-5.2 again: 21 owners look up. Copies of the other 57 are of the owner's plan, by four blocks: 10 rows are at most
// 3 each. Without prefetch all 78 look up.
TEST_CASE("Only swap-ins look up, and copies ahead are shared out to four blocks", "[plan]") {
  class Recorder final : public MemoryModel {
   public:
    double gather_ns(const Gather& gather) override {
      REQUIRE(gather.swap_in);
      const SwapIn& call = *gather.swap_in;
      const bool looks_up =
          call.requests == 2 && call.most_missed_rows == 7 && call.selected_rows == 2048 && call.slots == 4096;
      lookups += looks_up ? 1 : 0;
      planned += call.requests == 4 && call.most_missed_rows == 3 && call.selected_rows == 0 && call.slots == 0 ? 1 : 0;
      return 0;
    }
    int lookups = 0;
    int planned = 0;
  };
  PlanConfig config;
  config.prefetch = GENERATE(Prefetch::none, Prefetch::anchor);
  const Deployed deployed("glm-5.2", config);
  TraceHeader header;
  header.layers = {{}};
  const HiddenLayers hidden(deployed.model, header);
  Recorder link;
  StepTimeline timeline(deployed.model, *deployed.kernels, hidden, 1, link, deployed.config);
  timeline.step(timeline.alike(2), {.slots = 4096}, std::array{LayerMisses{.rows = 10, .most_rows = 7}});
  CHECK(link.lookups == (config.prefetch == Prefetch::none ? 78 : 21));
  CHECK(link.planned == (config.prefetch == Prefetch::none ? 0 : 57));
}

// Two layers' copies behind one owner: the second waits in the queue. In the trace's terms each of GLM-5.2's layers
// lacks one row; a row takes a third of a step's compute.
TEST_CASE("The link serves one layer after the other", "[plan]") {
  const Deployed deployed("glm-5.2");
  TraceHeader header;
  header.layers = {{}};
  const HiddenLayers hidden(deployed.model, header);
  RowLink none(0);
  const std::array missed = {LayerMisses{.rows = 1, .most_rows = 1}};
  StepTimeline unmoved(deployed.model, *deployed.kernels, hidden, 1, none, deployed.config);
  const std::uint64_t compute_ns = unmoved.compute_ns(unmoved.alike(1));
  const auto row_ns = compute_ns / 3;
  RowLink link(static_cast<double>(row_ns));
  StepTimeline timeline(deployed.model, *deployed.kernels, hidden, 1, link, deployed.config);
  const StepTimeline::Step step = timeline.step(timeline.alike(1), {.slots = 4096}, missed);
  // The link never rests between an owner and the last layer that shares its index: the step lasts as long as the
  // copies, and the compute outside of these stretches.
  CHECK(step.ns == 78 * row_ns + compute_ns - step.hidden_ns);
  CHECK(step.hidden_ns < compute_ns);
}

TEST_CASE("A batch misses what its requests do, each at its own step", "[plan]") {
  const Deployed deployed("glm-5.1");
  TraceHeader header;
  header.layers = {{}, {}};
  const HiddenLayers hidden(deployed.model, header);
  RowLink link(1000);
  StepTimeline timeline(deployed.model, *deployed.kernels, hidden, 2, link, deployed.config);
  // Layer 0 lacks 1, 2, 3, 4 rows at the four steps of the request, layer 1 none.
  const BufferMisses misses{.layers = 2, .requests = {{.rows = {1, 0, 2, 0, 3, 0, 4, 0}}}};
  const PlanPoint alone = batch_point(timeline, {.slots = 4096}, misses, 1, 1);
  CHECK(alone.exposed_ns == 2.5 * 39 * 1000);  // half of the 78 layers stand for layer 0
  CHECK(alone.misses == 2.5 / 2);
  CHECK(alone.tpot.steps == 4);
  CHECK(alone.tpot.p99_ns == timeline.compute_ns(timeline.alike(1)) + 4 * 39 * 1000);
  // Four requests a step apart lack 10 rows together, at every step.
  const PlanPoint four = batch_point(timeline, {.slots = 4096}, misses, 4, 1);
  CHECK(four.exposed_ns == 10 * 39 * 1000);
  CHECK(four.tpot.max_ns == four.tpot.p50_ns);
  // Shared out to two GPUs: requests 0 and 2 lack 1 + 3 or 2 + 4 rows, 1 and 3 the others. The slower one counts.
  CHECK(batch_point(timeline, {.slots = 4096}, misses, 4, 2).exposed_ns == 6 * 39 * 1000);
}

// A prompt of 4 entries, selections of 2, a buffer of 2, host memory of 3, blocks of 2. Buffer and host memory before
// each step, oldest first; an entry that the step appends comes into host memory first.
//   {0, 1}: -      {2, 3, 4}  lacks 0 and 1, both beyond host memory: one block
//   {0, 4}: {0, 1} {0, 1, 5}  lacks 4, which 5 displaced: one block
//   {1, 5}: {0, 4} {5, 4, 6}  lacks 1, which takes the place of 5, and 5: two blocks
//   {7, 1}: {1, 5} {1, 5, 7}  lacks 7, which displaces 1, and 1: host memory has both
TEST_CASE("Host memory that holds a part has what was used last, and drives the rest", "[plan]") {
  const TraceReader trace = written(one_stream({{0, 1}, {0, 4}, {1, 5}, {7, 1}}, 4));
  const std::array traces = {&trace};
  ReplayConfig config;
  config.policy = parse_policy("lru");
  const std::uint64_t slots = 2;
  const auto misses = [&](std::uint64_t host_entries) {
    return replay_misses(traces, config, {&slots, 1}, {.entries = host_entries, .block_entries = 2}, 2, 1).front();
  };
  const BufferMisses found = misses(3);
  CHECK(found.requests.front().rows == std::vector<std::uint32_t>{2, 1, 2, 2});
  CHECK(found.requests.front().blocks == std::vector<std::uint32_t>{1, 1, 2, 0});
  CHECK(found.beyond_host == 5);
  CHECK(found.nvme_share() == Approx(5.0 / 7));
  CHECK(misses(8).beyond_host == 0);
  CHECK(misses(0).requests.front().blocks.empty());
}

TEST_CASE("Each buffer size of one pass is that of its own, and more host memory reads no more from drives", "[plan]") {
  const TraceReader trace = small_trace({.requests = 4, .layers = 2, .top_k = 8, .longest_prompt = 60});
  const std::array traces = {&trace};
  ReplayConfig config;
  config.policy = parse_policy(GENERATE("lru", "hisparse"));
  const std::array<std::uint64_t, 3> slots = {8, 11, 24};
  std::array<std::uint64_t, 3> beyond = {~0ULL, ~0ULL, ~0ULL};
  for (const std::uint64_t entries : {1U, 9U, 20U, 45U, 1000U}) {
    const HostRows host{.entries = entries, .block_entries = 3};
    const auto together = replay_misses(traces, config, slots, host, 8, 1);
    for (std::size_t size = 0; size < slots.size(); ++size) {
      const BufferMisses alone = replay_misses(traces, config, {&slots[size], 1}, host, 8, 2).front();
      CHECK(together[size].misses == alone.misses);
      CHECK(together[size].beyond_host == alone.beyond_host);
      for (std::size_t request = 0; request < alone.requests.size(); ++request) {
        CHECK(together[size].requests[request].rows == alone.requests[request].rows);
        CHECK(together[size].requests[request].blocks == alone.requests[request].blocks);
      }
      CHECK(alone.beyond_host <= beyond[size]);
      CHECK(alone.beyond_host <= alone.misses);
      beyond[size] = alone.beyond_host;
    }
  }
  CHECK(beyond == std::array<std::uint64_t, 3>{0, 0, 0});
}

// Each of 8 GPUs reads its own copy of 3 blocks in each of 78 layers, one block after the other at 500 ns, before 10
// rows of 100 ns; with one copy for all, they read once.
TEST_CASE("Drives are read before the copies, by all GPUs of the node", "[plan]") {
  PlanConfig config;
  config.host_copies = GENERATE(HostCopies::rank, HostCopies::shared);
  const Deployed deployed("glm-5.1", config);
  TraceHeader header;
  header.layers = {{}};
  const HiddenLayers hidden(deployed.model, header);
  RowLink link(100);
  RowLink drive(500);
  StepTimeline timeline(deployed.model, *deployed.kernels, hidden, 1, link, deployed.config,
                        {.model = &drive, .block_bytes = 4096});
  const std::array missed = {LayerMisses{.rows = 10, .most_rows = 10, .blocks = 3}};
  const StepTimeline::Step step = timeline.step(timeline.alike(1), {.slots = 4096}, missed);
  const std::uint64_t blocks = config.host_copies == HostCopies::rank ? 24 : 3;
  CHECK(step.exposed_ns == 78 * (blocks * 500 + 10 * 100));
  CHECK(step.nvme_bytes == 78 * blocks * 4096);
}

// Host memory of 10 contexts. A selection is 2,048 of 32,768 entries: with drives it would do for 160 requests, and GPU
// memory bounds them. In it each of 58 requests then has 10 / 58 of its entries.
TEST_CASE("Drives let run what host memory does not hold", "[plan]") {
  const TraceReader trace = small_trace();
  PlanConfig config = small_plan("lru", "2x");
  config.host_copies = HostCopies::shared;
  config.host_bytes = 78ULL * 656 * 32'768 * 10;
  const PlanRow without = plan_of(trace, config).rows[0];
  CHECK(without.max_batch == 10);
  config.nvme = "pm1743";
  const PlanRow with = plan_of(trace, config).rows[0];
  CHECK(with.max_batch == 58);
  CHECK(with.point->nvme_bytes > 0);
  config.batch = 10;
  const PlanRow held = plan_of(trace, config).rows[0];
  CHECK(held.point->nvme_bytes == 0);
  CHECK(held.point->tpot.mean_ns == without.point->tpot.mean_ns);
  config.batch = 11;
  CHECK(plan_of(trace, config).rows[0].point->nvme_share <= with.point->nvme_share);
  config.host_bytes = *config.host_bytes / 16;
  config.batch = 58;
  CHECK(plan_of(trace, config).rows[0].max_batch == 10);
}

TEST_CASE("More slots of lru never move more bytes, and a faster link never makes a longer token", "[plan]") {
  const TraceReader trace = small_trace();
  PlanConfig config = small_plan("lru", "1x,1.5x,2x,3x,4x");
  config.batch = 5;
  double bytes = 1e300;
  const PlanResult slow = plan_of(trace, config);
  for (const PlanRow& row : slow.rows) {
    CHECK(row.point->link_bytes <= bytes);
    CHECK(row.point->link_bytes > 0);
    bytes = row.point->link_bytes;
  }
  config.host = "pcie5,gb_s=100,swap_gb_s=128";
  const PlanResult fast = plan_of(trace, config);
  for (std::size_t i = 0; i < slow.rows.size(); ++i) {
    CHECK(fast.rows[i].point->tpot.mean_ns <= slow.rows[i].point->tpot.mean_ns);
    CHECK(fast.rows[i].point->tpot.p99_ns <= slow.rows[i].point->tpot.p99_ns);
    CHECK(fast.rows[i].point->link_bytes == slow.rows[i].point->link_bytes);
  }
  CHECK(plan_json(plan_of(trace, config, 3)) == plan_json(fast));
}

TEST_CASE("Without misses a step is that of `step`", "[plan]") {
  const TraceReader trace = small_trace();
  PlanConfig config = small_plan("hisparse", "all,32768");  // the context fits the buffer
  config.batch = GENERATE(1, 4);
  config.host = "pcie5,lookup_ns=0";
  const PlanResult result = plan_of(trace, config);
  const Deployed deployed("glm-5.1");
  const StepPrediction step =
      predict_step(deployed.model, deployed.gpu, deployed.table,
                   {.batch = *config.batch, .context_tokens = 32'768, .deployment = config.replay.step.deployment});
  for (const PlanRow& row : result.rows) {
    CHECK(row.point->tpot.mean_ns == static_cast<double>(step.tpot_ns()));
    CHECK(row.point->exposed_ns == 0);
    CHECK(row.miss_ratio == 0);
  }
}

TEST_CASE("The limit of a token bounds the batch, and the break-even batch is the first that gains", "[plan]") {
  const TraceReader trace = small_trace();
  PlanConfig config = small_plan("hisparse", "2x,all");
  const PlanResult free = plan_of(trace, config);
  REQUIRE(free.break_even_batch);
  CHECK(free.break_even_batch == free.rows[0].break_even_batch);
  CHECK_FALSE(free.rows[1].break_even_batch);
  const auto tokens_per_s = [&](std::size_t row, std::uint64_t batch) {
    PlanConfig fixed = config;
    fixed.batch = batch;
    return plan_of(trace, fixed).rows[row].point->tokens_per_s();
  };
  CHECK(tokens_per_s(0, *free.break_even_batch) > tokens_per_s(1, *free.break_even_batch));
  CHECK(tokens_per_s(0, *free.break_even_batch - 1) <= tokens_per_s(1, *free.break_even_batch - 1));

  const auto limit_ns = static_cast<std::uint64_t>(free.rows[0].point->tpot.mean_ns * 0.6);
  config.slo_tpot_ns = limit_ns;
  const PlanPoint kept = *plan_of(trace, config).rows[0].point;
  CHECK(kept.batch < free.rows[0].max_batch);
  CHECK(kept.tpot.mean_ns <= static_cast<double>(limit_ns));
  config.slo_tpot_ns.reset();
  config.batch = kept.batch + 1;
  CHECK(plan_of(trace, config).rows[0].point->tpot.mean_ns > static_cast<double>(limit_ns));
  config.batch.reset();
  config.slo_tpot_ns = 1000;
  CHECK_FALSE(plan_of(trace, config).best);
}

TEST_CASE("A plot of a plan has tokens a second and TPOT, and nothing where nothing runs", "[plan]") {
  const TraceReader trace = small_trace();
  PlanConfig config = small_plan("lru", "all,4x,1x");
  const PlanResult result = plan_of(trace, config);
  const std::string plot = plan_plot(result, 80);
  CHECK(plot.find(fmt::format("a tokens a second of the node, 100%: {:.0f}\n",
                              result.rows[*result.best].point->tokens_per_s())) != std::string::npos);
  CHECK(plot.find("b mean TPOT, 100%: ") != std::string::npos);
  CHECK(plot.find(" 32,768\n") != std::string::npos);  // everything in GPU memory, at the right edge
  config.slo_tpot_ns = 1000;
  CHECK(plan_plot(plan_of(trace, config), 80).empty());
}

TEST_CASE("Drawn traces stand in for another context, with their error on the trace itself", "[plan]") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  PlanConfig config = small_plan("hisparse", "2x");
  config.extrapolation = Extrapolation::generate;
  config.context_tokens = 8192;
  const PlanResult result = plan_of(trace, config);
  CHECK(result.drawn);
  REQUIRE(result.rows[0].trace_error);
  CHECK(std::abs(*result.rows[0].trace_error) < 0.25);
  config.extrapolation = Extrapolation::scale;
  const PlanResult scaled = plan_of(trace, config);
  CHECK_FALSE(scaled.drawn);
  CHECK(scaled.rows[0].miss_ratio == Approx(0.1037).epsilon(0.01));  // the trace's own, at twice its top-k
}

TEST_CASE("Memory that a batch leaves holds pages whose rows bypass the buffer", "[plan]") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  PlanConfig config = small_plan("lru", "2x,all");
  config.extrapolation = Extrapolation::generate;
  config.context_tokens = 8192;
  const auto row_of = [&](std::uint64_t batch, bool pages, std::uint32_t least) {
    config.batch = batch;
    config.resident_pages = pages;
    config.replay.resident_blocks = least;
    return plan_of(trace, config).rows[0];
  };
  // 31.9 GB: 8 requests have all of their pages and buffers (0.72 GB each), and 80 no more than a few.
  const PlanRow few = row_of(8, true, 2);
  CHECK(few.point->resident_pages == 128);
  CHECK(few.miss_ratio == 0);
  CHECK(few.point->tpot.mean_ns == plan_of(trace, config).rows[1].point->tpot.mean_ns);
  const PlanRow many = row_of(80, true, 2);
  const std::uint64_t pages = many.point->resident_pages;
  CHECK(pages > 2);
  CHECK(pages < 128);
  // As many pages as a replay is told to keep: the same misses.
  const PlanRow kept = row_of(80, false, static_cast<std::uint32_t>(pages));
  CHECK(many.point->misses == kept.point->misses);
  CHECK(many.miss_ratio == kept.miss_ratio);
  const PlanRow none = row_of(80, false, 0);
  CHECK(none.point->resident_pages == 0);
  CHECK(many.point->misses < none.point->misses);
  CHECK(many.point->tpot.mean_ns < none.point->tpot.mean_ns);
  CHECK(many.max_batch <= none.max_batch);
}

TEST_CASE("A plan that cannot be is refused", "[plan]") {
  const TraceReader trace = small_trace();
  const auto refused = [&](const PlanConfig& config) { return refusal([&] { plan_of(trace, config); }); };
  PlanConfig config = small_plan("hisparse", "2047");
  CHECK(refused(config) ==
        "`slots`: expected at least the 2048 entries of a selection of glm-5.1, found 2047 (2047 entries)");
  config = small_plan("hisparse", "2x");
  config.replay.step.deployment.tensor_parallel = 4;
  CHECK(refused(config).starts_with("`tp`: glm-5.1 puts 187.9 GB of weights on each of 4 GPUs"));
  config = small_plan("hisparse", "2x");
  config.host = "h200";
  CHECK(refused(config) == "`host`: h200 is no link to host memory; expected a configuration of the memory model host");
  config = small_plan("hisparse", "2x");
  config.nvme = "pm1743";
  CHECK(refused(config) == "`nvme`: has no effect where host memory holds all KV; expected `host_memory`");
  config.host_bytes = 1;
  config.nvme = "pcie5";
  CHECK(refused(config) == "`nvme`: pcie5 is no drive; expected a configuration of the memory model nvme");
  config = small_plan("hisparse", "2x");
  config.replay.step.model = "deepseek-r1";
  CHECK(refused(config).starts_with("`model`: deepseek-r1 selects nothing"));
  config = small_plan("hisparse", "2x");
  config.batch = 2000;
  CHECK(refused(config) == "`batch`: expected 1 to 1024, found 2000");
  config.batch.reset();
  config.replay.resident_blocks = 1;
  CHECK(refused(config).starts_with("`resident_blocks`: blocks of 64 entries are not scaled"));
  config.replay.resident_blocks = 0;
  config.resident_pages = true;
  CHECK(refused(config).starts_with("`resident_pages`: blocks of 64 entries are not scaled"));
  config.replay.new_token = NewToken::pinned;
  CHECK(refused(config) == "`resident_pages`: the newest entry is in a resident page; expected `new_token` demand");
  config.replay.new_token = NewToken::demand;
  config.resident_pages = false;
  config.extrapolation = Extrapolation::generate;
  config.replay.warmup_steps = 1;
  CHECK(refused(config).starts_with("`warmup_steps`: has no effect here: traces are drawn"));
  config.replay.policy = parse_policy("score");
  config.replay.warmup_steps = 0;
  CHECK(refused(config).starts_with("`policy`: score needs the indexer's scores, which drawn traces have not"));
  config.context_tokens = 0;
  CHECK(refused(config) == "`context`: expected 1 to 100000000, found 0");
  for (const char* slots : {"", "2y", "0", "-1", "nanx", "all,,2x"}) {
    INFO(slots);
    CHECK_THROWS_AS(parse_buffer_sizes("--slots", slots), ConfigError);
  }
}
