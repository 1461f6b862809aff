// Time in a replay: decode steps worked out by hand, and the last-level cache around the reservation.

#include "dsasim/replay/replay.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "import/captures.hpp"
#include "replay/row_addresses.hpp"
#include "replay/small_traces.hpp"
#include "step/step_streams.hpp"

#include <fmt/format.h>

#include <fstream>
#include <set>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;
using captures::TempDir;

namespace {

/// 10 bytes and 1 flop a nanosecond, so that everything can be worked out in the head.
constexpr const char* slow_gpu = R"({
  "description": "slow", "source": "this test", "memory_bytes": 1000, "memory_gb_s": 10, "bf16_tflop_s": 0.001,
  "sms": 1, "llc": "65536,ways=16,line_bytes=128,sector_bytes=32,policy=lru", "memory": "serial"
})";

/// Four equal layers that select; the third and fourth share the indexers of the first two.
constexpr const char* plain_model = R"({
  "description": "plain", "source": "this test", "layers": 4, "head": [10, 40],
  "attention": [
    {"layers": "0-1", "weights": {"q": [10, 10]}, "entry_bytes": 20, "entry_flops": 8, "kv_heads": 2,
     "unit_tokens": 1, "top_k": 2, "owns_indexer": true},
    {"weights": {"q": [10, 10]}, "entry_bytes": 20, "entry_flops": 8, "kv_heads": 2, "unit_tokens": 1, "top_k": 2}
  ],
  "indexer": {"heads": 1, "dim": 2, "key_bytes": 40, "weights": {"q": [10, 10]}},
  "ffn": [{"weights": {"up": [10, 20]}}],
  "weight_bytes": {"attention": 10, "ffn": 10, "experts": 10, "head": 10},
  "arithmetic": {"linear": "bf16", "attention": "bf16", "indexer": "bf16"}
})";

std::string write_text(const TempDir& scratch, const char* name, const char* text) {
  const std::string path = (scratch.path() / name).string();
  std::ofstream(path) << text;
  return path;
}

/// A trace of two layers, one request of 8 prompt tokens, two steps.
PlainTrace two_layers() {
  PlainTrace trace;
  trace.header.layers = {{}, {}};
  trace.header.requests = {{.prompt_tokens = 8, .start_step = 0}};
  trace.requests = {{{{0, 1}, {0, 1}}, {{0, 1}, {2, 3}}}};
  return trace;
}

std::string refusal(const TraceReader& trace, const ReplayConfig& config) {
  try {
    effective_config(trace, config);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

ReplayConfig timed(const TempDir& scratch) {
  ReplayConfig config;
  config.capacity = Capacity::parse("4");
  config.page_tokens = 1;
  config.memory.miss_ns = 100;
  config.step.model = write_text(scratch, "plain.json", plain_model);
  config.step.gpu = write_text(scratch, "slow.json", slow_gpu);
  config.step.kernels = "roofline";
  return config;
}

}  // namespace

TEST_CASE("A decode step, worked out by hand") {
  const TempDir scratch;
  write_trace(scratch.path() / "t.dsat", two_layers());
  const TraceReader trace(scratch.path() / "t.dsat");
  std::vector<StepTimeRow> rows;
  ReplayHooks hooks;
  hooks.on_times = [&](const StepTimeRow& row) { rows.push_back(row); };
  const ReplayResult result = replay(trace, timed(scratch), hooks);
  REQUIRE(result.step_times);
  // Two layers stand for four: the first for both that own an indexer.
  CHECK(result.step_times->hidden_layers == std::vector<std::uint32_t>{2, 2});
  CHECK(result.config.entry_bytes == 20);
  REQUIRE(rows.size() == 4);
  const auto numbers = [](const StepTimeRow& row) {
    const StepParts& kernels = row.times.kernels;
    return std::vector<std::uint64_t>{kernels[StepPart::indexer], kernels[StepPart::topk],      row.times.gather_ns,
                                      row.times.stall_ns,         kernels[StepPart::attention], kernels.rest_ns()};
  };
  // Keys of 9 tokens x 40 B in 2 layers: 72 ns; half as many flops. Scores: 9 x 4 B in each. Two misses of 100 ns in 2
  // layers, which is not the GPU's own memory. Attention: 2 layers x 2 entries x 8 flops. Weights: 2 x 4,000 B, and 2 x
  // 800 flops, which take longer.
  CHECK(numbers(rows[0]) == std::vector<std::uint64_t>{72, 8, 400, 400, 32, 1600});
  CHECK(rows[0].total_ns == 72 + 8 + 400 + 32 + 1600);
  CHECK(numbers(rows[1]) == std::vector<std::uint64_t>{0, 0, 400, 400, 32, 1200});
  // A step later the context is longer, and the first layer's rows hit.
  CHECK(numbers(rows[2]) == std::vector<std::uint64_t>{80, 8, 0, 0, 32, 1600});
  CHECK(rows[2].total_ns == 80 + 8 + 32 + 1600);
  CHECK(rows[3].total_ns == 400 + 32 + 1200);
  // The head: 4,000 B, 800 flops.
  CHECK(result.step_times->totals.kernels[StepPart::head] == 1600);
  const Tpot& tpot = result.step_times->tpot;
  CHECK(tpot.max_ns == 2112 + 1632 + 800);
  CHECK(tpot.p50_ns == 1720 + 1632 + 800);
  CHECK(tpot.mean_ns == (4544 + 4152) / 2.0);
  // 40 contiguous bytes hide behind attention.
  CHECK(result.step_times->slowdown_all_hit == 8696.0 / (3744 + 3752));
  CHECK(result.step_times->slowdown_contiguous == result.step_times->slowdown_all_hit);
}

TEST_CASE("A gather may share its time with attention, and GPUs share weights and heads") {
  const TempDir scratch;
  write_trace(scratch.path() / "t.dsat", two_layers());
  const TraceReader trace(scratch.path() / "t.dsat");
  ReplayConfig config = timed(scratch);
  config.step.overlap = Overlap::attention;
  const auto shared = replay(trace, config).step_times->tpot;
  CHECK(shared.max_ns == 4544 - 2 * 32);
  config.step.deployment.tensor_parallel = 2;
  const ReplayResult halves = replay(trace, config);
  CHECK(halves.config.entry_bytes == 10);
  CHECK(halves.step_times->layers[0].kernels[StepPart::attention] == 2 * 16);
  CHECK(halves.step_times->layers[1].kernels.rest_ns() == 2 * 600);
  CHECK(halves.step_times->layers[0].kernels[StepPart::indexer] == 72 + 80);  // every GPU scans all keys
}

TEST_CASE("Warm-up steps have no times") {
  const TempDir scratch;
  write_trace(scratch.path() / "t.dsat", two_layers());
  const TraceReader trace(scratch.path() / "t.dsat");
  ReplayConfig config = timed(scratch);
  config.warmup_steps = 1;
  const auto times = replay(trace, config).step_times;
  CHECK(times->tpot.p50_ns == 4152);
  CHECK(times->tpot.max_ns == 4152);
  CHECK(times->layers[0].gather_ns == 0);
  config.warmup_steps = 2;
  CHECK(replay(trace, config).step_times->tpot.max_ns == 0);
}

TEST_CASE("Ranks of a time per token are the nearest") {
  std::vector<std::uint64_t> hundred;
  for (std::uint64_t ns = 100; ns > 0; --ns) {
    hundred.push_back(ns);
  }
  const Tpot tpot = summarise(hundred);
  CHECK(tpot.p50_ns == 50);
  CHECK(tpot.p95_ns == 95);
  CHECK(tpot.p99_ns == 99);
  CHECK(tpot.max_ns == 100);
  CHECK(tpot.mean_ns == 50.5);
  CHECK(summarise({7}).p50_ns == 7);
  CHECK(summarise({}).max_ns == 0);
}

TEST_CASE("Rows of all streams and of all layers of a group lie back to back") {
  const TempDir scratch;
  const PlainTrace plain = random_trace({.groups = true}, 1);
  write_trace(scratch.path() / "t.dsat", plain);
  const TraceReader trace(scratch.path() / "t.dsat");
  const RowAddresses addresses(trace, {}, std::vector<std::uint64_t>(trace.layer_count(), 656));
  std::set<std::uint64_t> seen;
  std::size_t rows = 0;
  for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
    for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
      for (std::uint32_t member = 0; member < trace.header().layers[layer].group_size; ++member) {
        for (std::uint32_t id = 0; id < trace.extent(request).id_limit; ++id, ++rows) {
          seen.insert(addresses.address(layer, request, member, EntryId{id}));
        }
      }
    }
  }
  REQUIRE(seen.size() == rows);
  CHECK(*seen.rbegin() - *seen.begin() == (rows - 1) * 656);
}

namespace {

/// The same 16 rows at every one of ten steps.
PlainTrace steady() {
  PlainSelection ids(16);
  for (std::uint32_t i = 0; i < 16; ++i) {
    ids[i] = i;
  }
  return one_stream(std::vector<PlainSelection>(10, ids));
}

ReplayConfig unreserved(std::uint64_t llc_stream_bytes) {
  ReplayConfig config;
  config.capacity = Capacity::parse("0");
  config.entry_bytes = 656;
  config.llc = parse_llc("64KiB");
  config.llc_stream_bytes = llc_stream_bytes;
  return config;
}

}  // namespace

TEST_CASE("Without a reservation a small selection stays in the last-level cache, until a stream flushes it") {
  const TempDir scratch;
  write_trace(scratch.path() / "t.dsat", steady());
  const TraceReader trace(scratch.path() / "t.dsat");
  const Counters alone = replay(trace, unreserved(0)).totals;
  // 16 rows of 656 B back to back: each touches 21 or 22 sectors. All hit from the second step on.
  CHECK(alone.llc_sectors == 10 * (alone.llc_sectors / 10));
  CHECK(alone.llc_sectors / 10 >= 16 * 21);
  CHECK(alone.llc_sectors / 10 <= 16 * 22);
  // At the first step, sectors that two rows share are found by the second.
  CHECK(alone.llc_hit_sectors >= 9 * (alone.llc_sectors / 10));
  CHECK(alone.llc_hit_sectors < 9 * (alone.llc_sectors / 10) + 16);
  CHECK(alone.misses() == alone.accesses);

  const Counters flushed = replay(trace, unreserved(1U << 20U)).totals;
  CHECK(flushed.llc_sectors == alone.llc_sectors);
  CHECK(flushed.llc_hit_sectors < 10 * 16);  // shared sectors alone
  // A set-aside keeps them, whatever passes.
  ReplayConfig config = unreserved(1U << 20U);
  config.set_aside_bytes = 32U << 10U;
  CHECK(replay(trace, config).totals.llc_hit_sectors == alone.llc_hit_sectors);
}

TEST_CASE("What the reservation holds is not looked for in the ordinary part") {
  const TempDir scratch;
  write_trace(scratch.path() / "t.dsat", steady());
  const TraceReader trace(scratch.path() / "t.dsat");
  ReplayConfig config = unreserved(0);
  config.capacity = Capacity::parse("16");
  const Counters totals = replay(trace, config).totals;
  CHECK(totals.hits == 9 * 16);
  CHECK(totals.llc_sectors == replay(trace, unreserved(0)).totals.llc_sectors / 10);
}

TEST_CASE("A model's weights and keys pass through the last-level cache") {
  const TempDir scratch;
  write_trace(scratch.path() / "t.dsat", two_layers());
  const TraceReader trace(scratch.path() / "t.dsat");
  ReplayConfig config = timed(scratch);
  config.capacity = Capacity::parse("0");
  config.llc_of_gpu = true;  // 64 KiB hold all weights, 18 KB, and keys: rows that come again are found
  const Counters kept = replay(trace, config).layers[0];
  CHECK(kept.llc_hit_sectors > kept.llc_sectors / 2);
  config.llc_of_gpu = false;
  config.llc = parse_llc("2KiB");
  CHECK(replay(trace, config).layers[0].llc_hit_sectors < kept.llc_hit_sectors);
}

TEST_CASE("Times do not depend on the threads, with lines and a last-level cache as well") {
  const TempDir scratch;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    write_trace(scratch.path() / "t.dsat", random_trace({.requests = 4, .layers = 4, .groups = seed % 2 == 0}, seed));
    const TraceReader trace(scratch.path() / "t.dsat");
    for (const char* memory : {"hbm3", "serial"}) {
      for (const Scope scope : {Scope::stream, Scope::layer, Scope::request, Scope::shared}) {
        ReplayConfig config;
        config.scope = scope;
        config.capacity = Capacity::parse("6");
        config.entry_bytes = 656;
        config.memory = parse_memory(memory);
        if (seed > 3) {
          config.llc = parse_llc("1MiB,policy=random");
          config.llc_stream_bytes = 5000;
        }
        const auto rows_of = [&](std::uint32_t jobs) {
          std::string rows;
          ReplayHooks hooks;
          hooks.on_row = [&](const StepRow& row) {
            rows += fmt::format("{} {} {} {} {} {}\n", row.step, row.layer, row.request, row.counters.gather_ns,
                                row.counters.llc_sectors, row.counters.llc_hit_sectors);
          };
          replay(trace, config, hooks, jobs);
          return rows;
        };
        CHECK(rows_of(1) == rows_of(3));
      }
    }
  }
}

TEST_CASE("What times need is asked for") {
  const TempDir scratch;
  write_trace(scratch.path() / "t.dsat", two_layers());
  const TraceReader trace(scratch.path() / "t.dsat");
  ReplayConfig config = timed(scratch);
  config.step.gpu.clear();
  CHECK(refusal(trace, config) == "`gpu`: expected one: a model and a GPU go together");
  config = timed(scratch);
  config.step.model.clear();
  CHECK(refusal(trace, config) == "`model`: expected one: a model and a GPU go together");
  config = ReplayConfig{};
  config.set_aside_bytes = 1;
  CHECK(refusal(trace, config) == "`set_aside`: expected `llc` with it: it is a part of that cache");
  config = ReplayConfig{};
  config.llc_stream_bytes = 1;
  CHECK(refusal(trace, config) == "`llc_stream`: expected `llc` with it: it passes through that cache");
  config = ReplayConfig{};
  config.llc_of_gpu = true;
  CHECK(refusal(trace, config) == "`llc`: expected `gpu` with \"gpu\", or the cache itself");
  config = unreserved(0);
  config.entry_bytes.reset();
  CHECK(refusal(trace, config) ==
        fmt::format("`entry_bytes`: {} does not give its entries' bytes, which `llc` needs", trace.name()));
  config = unreserved(0);
  config.capacity = Capacity::parse("51");  // in each of two layers: 66,912 bytes
  CHECK_THROWS_WITH(replay(trace, config),
                    "`capacity`: 51 reserves 66912 bytes in all caches together, and `llc` has 65536");
}

TEST_CASE("A trace of more layers than the model's is refused") {
  const TempDir scratch;
  PlainTrace trace = two_layers();
  trace.header.layers = {{.model_layer = 0, .group_size = 3}, {.model_layer = 3, .group_size = 2}};
  write_trace(scratch.path() / "t.dsat", trace);
  const TraceReader reader(scratch.path() / "t.dsat");
  CHECK_THAT(refusal(reader, timed(scratch)), Catch::Matchers::EndsWith("selects in 4 layers, and the trace has 5"));
}

TEST_CASE("A request's keys lie where they lay when others have ended") {
  const TempDir scratch;
  TraceHeader header;
  header.layers = {{}, {}};
  header.requests = {{}, {}, {}};
  const Model model = load_model(write_text(scratch, "m.json", plain_model));
  const HiddenLayers hidden(model, header);
  const StepStreams step(model, hidden, 1, header.requests.size());
  const auto streams_of = [&](const std::vector<StepQuery>& queries) {
    std::vector<ByteStream> streams;
    step.indexer_keys(0, queries, streams);
    return streams;
  };
  const auto all = streams_of(
      {{.request = 0, .context_tokens = 8}, {.request = 1, .context_tokens = 9}, {.request = 2, .context_tokens = 10}});
  const auto left = streams_of({{.request = 1, .context_tokens = 10}, {.request = 2, .context_tokens = 11}});
  // The trace's first layer stands for two of the model's, both of which own an indexer: a stream for each and request.
  REQUIRE(all.size() == 6);
  REQUIRE(left.size() == 4);
  std::set<std::uint64_t> addresses;
  for (const ByteStream& stream : all) {
    addresses.insert(stream.address);
  }
  CHECK(addresses.size() == 6);
  CHECK(left[0].address == all[1].address);
  CHECK(left[1].address == all[2].address);
  CHECK(left[2].address == all[4].address);
  CHECK(left[3].address == all[5].address);
  CHECK(left[0].bytes == 10 * 40);
}

TEST_CASE("Bytes of a capacity are those of all layers that a layer of the trace stands for") {
  const TempDir scratch;
  write_trace(scratch / "t.dsat", two_layers());  // of the model's four
  const TraceReader trace(scratch / "t.dsat");
  ReplayConfig config;
  config.capacity = Capacity::parse("160B");
  config.entry_bytes = 20;
  CHECK(effective_config(trace, config).capacity_entries == std::vector<std::uint64_t>{8});
  config.step = {.model = write_text(scratch, "m.json", plain_model),
                 .gpu = write_text(scratch, "g.json", slow_gpu),
                 .kernels = "roofline"};
  CHECK(effective_config(trace, config).entry_cost_bytes == std::vector<std::uint64_t>{40, 40});
  CHECK(effective_config(trace, config).capacity_entries == std::vector<std::uint64_t>{4});
  config.scope = Scope::shared;
  CHECK(effective_config(trace, config).capacity_entries == std::vector<std::uint64_t>{4});
}

TEST_CASE("A model whose entries are of other tokens than the trace's is refused") {
  const TempDir scratch;
  PlainTrace plain = two_layers();
  plain.header.unit_tokens = 4;
  plain.header.requests.front().prompt_tokens = 40;
  write_trace(scratch / "t.dsat", plain);
  ReplayConfig config;
  config.step = {.model = write_text(scratch, "m.json", plain_model),
                 .gpu = write_text(scratch, "g.json", slow_gpu),
                 .kernels = "roofline"};
  CHECK(refusal(TraceReader(scratch / "t.dsat"), config) ==
        "`model`: m selects entries of 1 tokens, and the trace entries of 4");
}

TEST_CASE("Steps at which nothing runs are not counted") {
  const TempDir scratch;
  PlainTrace plain = two_layers();
  plain.header.requests = {{.prompt_tokens = 8, .start_step = 10},
                           {.prompt_tokens = 8, .start_step = 11},
                           {.prompt_tokens = 8, .start_step = 20}};
  plain.requests = {plain.requests[0], plain.requests[0], plain.requests[0]};
  write_trace(scratch / "t.dsat", plain);
  const TraceReader trace(scratch / "t.dsat");  // steps 10 and 11, 11 and 12, 20 and 21
  CHECK(trace.busy_steps({.first = 0, .last = 22}) == 5);
  CHECK(trace.busy_steps({.first = 11, .last = 21}) == 3);
  CHECK(trace.busy_steps({.first = 13, .last = 20}) == 0);
  ReplayConfig config;
  config.warmup_steps = 11;
  CHECK(effective_config(trace, config).counted_steps == 4);
}
