// The hot buffers of serving stacks, `hisparse` with --new-token pinned (SGLang) or --resident-blocks (vLLM): worked
// examples, random batches against a plain reference, and the misses that SGLang's kernel counted on an H200.

#include "catch.hpp"
#include "dsasim/allocate/allocate.hpp"
#include "dsasim/curve/curve.hpp"
#include "dsasim/curve/knee.hpp"
#include "dsasim/error.hpp"
#include "dsasim/replay/replay.hpp"
#include "dsasim/sweep/sweep.hpp"
#include "import/captures.hpp"
#include "replay/reference_hot_buffer.hpp"
#include "replay/reference_replay.hpp"
#include "replay/small_traces.hpp"
#include "replay/written_trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;

namespace {

ReplayConfig sglang(std::uint64_t slots, Warm warm = Warm::none) {
  ReplayConfig config;
  config.policy = parse_policy("hisparse");
  config.capacity = Capacity::parse(std::to_string(slots));
  config.warm = warm;
  config.new_token = NewToken::pinned;
  return config;
}

ReplayConfig vllm(std::uint64_t slots, std::uint32_t blocks) {
  ReplayConfig config = sglang(slots);
  config.new_token = NewToken::demand;
  config.resident_blocks = blocks;
  return config;
}

std::vector<std::uint64_t> step_misses(const TraceReader& trace, const ReplayConfig& config) {
  std::vector<std::uint64_t> misses;
  ReplayHooks hooks;
  hooks.on_row = [&](const StepRow& row) { misses.push_back(row.counters.misses()); };
  replay(trace, config, hooks);
  return misses;
}

using Misses = std::vector<std::uint64_t>;

/// Requests whose prompts are around the buffer's size or of `longest` units, and that grow by a third of it.
PlainTrace batch_around(std::uint64_t slots, std::uint32_t unit_tokens, std::uint32_t longest, std::uint64_t seed) {
  std::mt19937_64 bits(seed);
  const auto draw = [&bits](std::uint64_t bound) { return static_cast<std::uint32_t>(bits() % bound); };
  PlainTrace trace;
  trace.header.unit_tokens = unit_tokens;
  trace.header.layers = {{}, {.model_layer = 1}};
  for (std::uint64_t prompt = slots - std::min<std::uint64_t>(slots, 5); prompt < slots + 3; ++prompt) {
    const std::uint64_t entries = draw(4) == 0 ? draw(longest + 1) : prompt;
    trace.header.requests.push_back(
        {.prompt_tokens = entries * unit_tokens + draw(unit_tokens), .start_step = prompt % 2 == 0 ? 0 : draw(4)});
    trace.requests.emplace_back(unit_tokens * (4 + slots / 3), PlainStep(2));
    for (std::size_t step = 0; step < trace.requests.back().size(); ++step) {
      const auto context =
          static_cast<std::uint32_t>(context_entries(trace.header, trace.header.requests.back(), step));
      for (PlainSelection& selection : trace.requests.back()[step]) {
        const std::size_t wanted = std::min<std::size_t>(context, draw(static_cast<std::uint32_t>(slots) + 1));
        while (selection.size() < wanted) {
          const std::uint32_t id = context - 1 - draw(draw(2) == 0 ? std::min(context, 4U) : context);
          if (std::find(selection.begin(), selection.end(), id) == selection.end()) {
            selection.push_back(id);
          }
        }
      }
    }
  }
  return trace;
}

/// Row by row; `make` gives the reference of a stream whose prompt has so many entries.
template <class Make>
void compare(const PlainTrace& trace, const ReplayConfig& config, const Make& make) {
  const Written written(trace);
  std::vector<ReferenceHotBuffer> buffers;  // by layer and request
  for (std::size_t stream = 0; stream < trace.header.layers.size() * trace.requests.size(); ++stream) {
    const RequestInfo& info = trace.header.requests[stream % trace.requests.size()];
    buffers.push_back(make(info.prompt_tokens / trace.header.unit_tokens));
  }
  ReplayHooks hooks;
  std::size_t rows = 0;
  hooks.on_row = [&](const StepRow& row) {
    const RequestInfo& info = trace.header.requests[row.request];
    const std::uint64_t step = row.step - info.start_step;
    const PlainSelection missed = buffers[row.layer * trace.requests.size() + row.request].misses(
        trace.requests[row.request][step][row.layer], context_entries(trace.header, info, step));
    CAPTURE(row.step, row.layer, row.request, info.prompt_tokens);
    REQUIRE(row.counters.misses() == missed.size());
    ++rows;
  };
  replay(written.reader, config, hooks, 2);
  REQUIRE(rows > 0);
}

}  // namespace

TEST_CASE("While a context fits SGLang's buffer nothing misses, however the prompt came", "[replay][hotbuffer]") {
  const Warm warm = GENERATE(Warm::none, Warm::first, Warm::prompt_tail);
  // Contexts of 2 and 3 entries in 3 slots.
  CHECK(step_misses(Written(one_stream({{0}, {1}}, 1)).reader, sglang(3, warm)) == Misses{0, 0});
  // Contexts of 3, 4, 5 and 6. At step 1 the slots hold 0, 1, 2, whatever was used before, and 1 becomes the newest:
  // 0 2 1. At step 2 position 3 takes the place of 0, the oldest, although 0 was selected at step 0: 2 1 3.
  const Written grows(one_stream({{0}, {1}, {3}, {0}}, 2));
  CHECK(step_misses(grows.reader, sglang(3, warm)) == Misses{0, 0, 1, 1});
  const Counters totals = replay(grows.reader, sglang(3, warm)).totals;
  CHECK(totals.compulsory_misses == 1);  // 3; position 0 was in its slot
  CHECK(totals.evictions == 2);
}

TEST_CASE("A prompt longer than SGLang's buffer begins as `warm` says", "[replay][hotbuffer]") {
  const Written trace(one_stream({{0, 3}, {0, 3}}, 4));  // 3 slots; positions 4 and 5 are the newest
  CHECK(step_misses(trace.reader, sglang(3, Warm::none)) == Misses{2, 0});
  CHECK(step_misses(trace.reader, sglang(3, Warm::first)) == Misses{1, 0});
  CHECK(step_misses(trace.reader, sglang(3, Warm::prompt_tail)) == Misses{1, 0});
}

TEST_CASE("The newest entry keeps its slot until the next one appears", "[replay][hotbuffer]") {
  // Entries of 4 tokens; a prompt of 16 has entries 0 to 3, and entry 4 is complete at step 3. Until then entry 3 has
  // the slot of the newest.
  PlainTrace trace = one_stream({{0}, {3}, {0}, {4}, {4}, {3}}, 16);
  trace.header.unit_tokens = 4;
  CHECK(step_misses(Written(trace).reader, sglang(3, Warm::first)) == Misses{0, 0, 0, 0, 0, 1});
  // Under any policy: the slot is the stack's, not the buffer's.
  ReplayConfig lru = sglang(3, Warm::first);
  lru.policy = parse_policy("lru");
  CHECK(step_misses(Written(trace).reader, lru) == Misses{0, 0, 0, 0, 0, 1});
}

TEST_CASE("Only SGLang's buffer, of one stream, keeps contexts that fit", "[replay][hotbuffer]") {
  const Written trace(one_stream({{0}, {1}, {3}, {0}}, 2));
  ReplayConfig config = sglang(3);
  SECTION("not vLLM's") {
    config.new_token = NewToken::demand;
    CHECK(step_misses(trace.reader, config) == Misses{1, 1, 1, 0});
  }
  SECTION("not one that streams share") {
    config.scope = GENERATE(Scope::shared, Scope::layer, Scope::request);
    CHECK(step_misses(trace.reader, config) == Misses{1, 1, 1, 0});
  }
  SECTION("not under another policy") {
    config.policy = parse_policy(GENERATE("lru", "fifo,atomic=step"));
    CHECK(step_misses(trace.reader, config) == Misses{1, 1, 1, 0});
  }
}

TEST_CASE("The first positions are in the buffer even if next to nothing was selected", "[replay][hotbuffer]") {
  // 100 slots, prompt 99: position 99 is the last that fits. From step 1 on, slots 0 to 99 hold 0 to 99.
  const Written trace(one_stream({{7}, {99}, {50}, {0}, {100}, {1}}, 99));
  CHECK(step_misses(trace.reader, sglang(100)) == Misses{0, 0, 0, 0, 1, 1});  // 100 takes the place of 1
}

TEST_CASE("A part of a replay begins with the buffer as it is when the context outgrows it", "[replay][hotbuffer]") {
  // 3 slots, prompt 2; from step 2 on the context has 5 entries. The slots hold 0, 1, 2.
  const Written trace(one_stream({{0}, {1}, {3, 1}, {0}}, 2));
  ReplayConfig config = sglang(3);
  config.steps = StepRange{.first = 2, .last = 4};
  CHECK(step_misses(trace.reader, config) == Misses{1, 1});
}

TEST_CASE("SGLang's buffer misses what the plain one misses", "[replay][hotbuffer][reference]") {
  const std::uint64_t slots = GENERATE(1U, 3U, 8U, 21U);
  const std::uint32_t unit_tokens = GENERATE(1U, 4U);
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    CAPTURE(slots, unit_tokens, seed);
    const PlainTrace trace = batch_around(slots, unit_tokens, 40, seed);
    compare(trace, sglang(slots, Warm::none), [&](std::uint64_t prompt) {
      return ReferenceHotBuffer::sglang(slots, prompt, ReferenceHotBuffer::Start::handed_over);
    });
    compare(trace, sglang(slots, Warm::first), [&](std::uint64_t prompt) {
      return ReferenceHotBuffer::sglang(slots, prompt, ReferenceHotBuffer::Start::colocated);
    });
  }
}

TEST_CASE("Entries of the newest blocks are hits that leave vLLM's buffer alone", "[replay][hotbuffer]") {
  // Blocks of 64: the context ends in block 1 at step 0 (position 127) and in block 2 from step 1 on.
  const Written trace(one_stream({{64, 127, 3}, {64, 128}, {64, 127}, {3, 129}}, 127));
  CHECK(step_misses(trace.reader, vllm(3, 0)) == Misses{3, 1, 1, 2});
  CHECK(step_misses(trace.reader, vllm(3, 1)) == Misses{1, 1, 1, 0});
  CHECK(step_misses(trace.reader, vllm(3, 2)) == Misses{0, 0, 0, 1});
  CHECK(step_misses(trace.reader, vllm(3, 3)) == Misses{0, 0, 0, 0});
  CHECK(step_misses(trace.reader, vllm(3, 1'000'000)) == Misses{0, 0, 0, 0});
  CHECK(step_misses(trace.reader, vllm(0, 1)) == Misses{3, 2, 2, 2});  // nothing is reserved
}

TEST_CASE("vLLM's buffer misses what the plain one misses", "[replay][hotbuffer][reference]") {
  const std::uint64_t slots = GENERATE(8U, 70U);
  const std::uint32_t unit_tokens = GENERATE(1U, 4U);
  const std::uint32_t blocks = GENERATE(0U, 1U, 2U, 3U);
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    CAPTURE(slots, unit_tokens, blocks, seed);
    compare(batch_around(slots, unit_tokens, 250, seed), vllm(slots, blocks),
            [&](std::uint64_t) { return ReferenceHotBuffer::vllm(slots, blocks); });
  }
}

TEST_CASE("Resident blocks are left out of any cache, and of a curve", "[replay][curve][hotbuffer][reference]") {
  const Scope scope = GENERATE(Scope::shared, Scope::layer, Scope::request, Scope::stream);
  const PlainTrace trace = batch_around(70, 1, 250, 11);
  const Written written(trace);
  for (const char* name : {"lru", "fifo", "clock", "lfu", "belady", "hisparse", "random,atomic=step"}) {
    ReplayConfig config = vllm(90, 2);
    config.policy = parse_policy(name);
    config.scope = scope;
    config.page_tokens = 16;
    config.steps = StepRange{.first = 1, .last = written.reader.batch_steps()};
    CAPTURE(name, static_cast<int>(scope));
    std::uint64_t misses = 0;
    for (const PlainRow& row : ReferenceReplay(trace, config, {90, 90}).run()) {
      misses += row.counters.accesses - row.counters.hits;
    }
    REQUIRE(misses > 0);
    CHECK(replay(written.reader, config).totals.misses() == misses);
    if (config.policy.name == "lru") {
      CurveConfig curve_config{.replay = config, .capacities = {Capacity::parse("90"), Capacity::parse("0")}};
      const Curve curve_of_all = curve(written.reader, curve_config).total;
      CHECK(curve_of_all.points[0].misses == misses);
      CHECK(curve_of_all.points[1].misses == curve_of_all.accesses);
    }
  }
}

TEST_CASE("Resident blocks are the newest entries' only rule, and need positions", "[replay][hotbuffer]") {
  const Written trace(one_stream({{0}}));
  ReplayConfig config = vllm(3, 1);
  config.new_token = GENERATE(NewToken::pinned, NewToken::allocate);
  CHECK_THROWS_WITH(replay(trace.reader, config),
                    "`resident_blocks`: the newest entry is in a resident block; expected `new_token` demand");
  PlainTrace slots = one_stream({{1000, 7}});
  slots.header.ids = IdKind::physical;
  const Written physical(slots);
  CHECK_THROWS_WITH(
      replay(physical.reader, vllm(3, 1)),
      "`resident_blocks`: needs positions, and " + physical.path.string() + " holds physical slots; expected 0");
}

TEST_CASE("Curves, knees and splits of SGLang's buffer count what replays count", "[curve][allocate][hotbuffer]") {
  const Warm warm = GENERATE(Warm::none, Warm::first);
  const Written trace(batch_around(12, 1, 40, 7));
  const std::array<std::uint64_t, 5> slots = {12, 13, 15, 18, 60};
  CurveConfig curve_config{.replay = sglang(12, warm), .capacities = {}};
  for (const std::uint64_t capacity : slots) {
    curve_config.capacities.push_back(Capacity::parse(std::to_string(capacity)));
  }
  const CurveResult curves = curve(trace.reader, curve_config, {}, 2);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    CHECK(curves.total.points[i].misses == replay(trace.reader, sglang(slots[i], warm)).totals.misses());
  }
  REQUIRE(curves.total.points.back().misses == 0);

  KneeConfig knee_config;
  knee_config.replay = sglang(12, warm);
  knee_config.policies = {parse_policy("hisparse")};
  knee_config.target = parse_target("misses=0");
  const KneeResult knee = knees(trace.reader, knee_config);
  REQUIRE(knee.knees[0].point);
  CHECK(replay(trace.reader, sglang(knee.knees[0].point->capacity_entries, warm)).totals.misses() == 0);
  CHECK(replay(trace.reader, sglang(knee.knees[0].before->capacity_entries, warm)).totals.misses() > 0);

  AllocateConfig split;
  split.replay = sglang(12, warm);
  split.budget = Capacity::parse("256");  // 16 for each of 16 caches
  split.least = Capacity::parse("12");
  split.most = Capacity::parse("40");
  split.granularity = 1;
  const AllocateResult splits = allocate(trace.reader, split);  // replays what it predicts
  REQUIRE(splits.optimal.replayed);
  CHECK(splits.optimal.replayed->misses() == splits.optimal.predicted_total);
}

TEST_CASE("Rows of a sweep of SGLang's buffer are what replays count", "[sweep][hotbuffer]") {
  const Warm warm = GENERATE(Warm::none, Warm::first);
  const Written trace(batch_around(12, 4, 40, 8));
  const std::string grid =
      fmt::format(R"({{"trace": "{}", "capacity": [12, 13, 15, 18, 60], "columns": ["misses"]}})", trace.path.string());
  const Sweep sweep(Grid::parse("g.json", grid, sweep_keys(), sweep_columns()),
                    {.trace = {}, .config = sglang(12, warm)});
  sweep.run(trace.folder / "out.csv", {.jobs = 2});
  std::string expected = "point,trace,capacity,capacity_entries,misses,status,error\n";
  for (std::size_t i = 0; i < sweep.points().size(); ++i) {
    const ReplayConfig& config = sweep.points()[i].spec.config;
    expected += fmt::format("{0},{1},{2},{2},{3},ok,\n", i, trace.path.string(), config.capacity.text(),
                            replay(trace.reader, config).totals.misses());
  }
  CHECK(captures::read_file(trace.folder / "out.csv") == expected);
}

namespace {

/// Of SGLang's swap-in kernel on an H200, one call for each (step, layer, request); all calls of a configuration.
struct KernelCount {
  std::uint64_t slots;
  std::uint64_t misses;
};

std::uint64_t misses_of(const TraceReader& trace, const ReplayConfig& config) {
  return replay(trace, config, {}, 2).totals.misses();
}

/// A batch of the parts of one request that begin `gap` steps after each other: what its requests miss together.
std::uint64_t misses_of_parts(const TraceReader& trace, ReplayConfig config, std::uint64_t parts, std::uint64_t steps,
                              std::uint64_t gap) {
  std::uint64_t sum = 0;
  for (std::uint64_t part = 0; part < parts; ++part) {
    config.steps = StepRange{.first = part * gap, .last = part * gap + steps};
    sum += misses_of(trace, config);
  }
  return sum;
}

}  // namespace

TEST_CASE("SGLang's kernel on an H200 missed as often: long prompts", "[known][hotbuffer]") {
  const TraceReader trace("traces/k512-req_0.dsat");
  for (const auto& [slots, misses] : {KernelCount{512, 2'595'979}, {1024, 1'190'618}, {2048, 587'098}}) {
    CHECK(misses_of(trace, sglang(slots, Warm::first)) == misses);
  }
  for (const auto& [slots, misses] : {KernelCount{512, 2'596'225}, {1024, 1'191'396}, {2048, 589'520}}) {
    CHECK(misses_of(trace, sglang(slots, Warm::none)) == misses);
  }
}

TEST_CASE("SGLang's kernel on an H200 missed as often: parts of one request", "[known][hotbuffer]") {
  const TraceReader k512("traces/k512-req_0.dsat");
  CHECK(misses_of_parts(k512, sglang(512, Warm::first), 4, 200, 50) == 1'930'431);
  CHECK(misses_of_parts(k512, sglang(1024, Warm::first), 4, 200, 50) == 862'169);
  const TraceReader k2048("traces/k2048-req_0.dsat");
  CHECK(misses_of_parts(k2048, sglang(2048, Warm::first), 4, 100, 18) == 4'175'965);
  CHECK(misses_of_parts(k2048, sglang(8192, Warm::first), 4, 100, 18) == 458'655);
}

TEST_CASE("SGLang's kernel on an H200 missed as often: a context that outgrows the buffer, by score",
          "[known][hotbuffer]") {
  // A prompt of 8,192 in 8,256 slots: the context fits for 64 of the 128 steps.
  const TraceReader trace("traces/scored-k512-req_0.dsat");
  for (const auto& [slots, misses] : {KernelCount{512, 291'799}, {1024, 118'850}, {2048, 65'672}, {8256, 1'083}}) {
    CHECK(misses_of(trace, sglang(slots, Warm::first)) == misses);
  }
  for (const auto& [slots, misses] : {KernelCount{512, 292'069}, {1024, 119'279}, {2048, 67'936}, {8256, 1'083}}) {
    CHECK(misses_of(trace, sglang(slots, Warm::none)) == misses);
  }
}

TEST_CASE("vLLM's rules on an H200 missed as often, with and without a resident block", "[known][hotbuffer]") {
  const TraceReader trace("traces/k512-req_0.dsat");
  for (const auto& [slots, misses] : {KernelCount{512, 2'607'415}, {1024, 1'192'708}, {2048, 589'819}}) {
    CHECK(misses_of(trace, vllm(slots, 0)) == misses);
  }
  for (const auto& [slots, misses] : {KernelCount{512, 2'376'966}, {1024, 1'151'145}, {2048, 579'536}}) {
    CHECK(misses_of(trace, vllm(slots, 1)) == misses);
  }
}
