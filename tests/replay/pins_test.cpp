// Pins: the first and the newest entries of each stream, held beside the policy. Random batches with pins are in
// tests/differential/.

#include "catch.hpp"
#include "dsasim/curve/curve.hpp"
#include "dsasim/curve/knee.hpp"
#include "dsasim/replay/replay.hpp"
#include "replay/small_traces.hpp"
#include "replay/written_trace.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;

namespace {

ReplayConfig pinning(const char* pins, const char* capacity, const char* policy = "lru") {
  ReplayConfig config;
  config.policy = parse_policy(policy);
  config.capacity = Capacity::parse(capacity);
  config.pins = parse_pins(pins);
  return config;
}

/// Misses, compulsory misses and evictions of each step.
using StepCounts = std::vector<std::array<std::uint64_t, 3>>;

StepCounts step_counts(const TraceReader& trace, const ReplayConfig& config) {
  StepCounts counts;
  ReplayHooks hooks;
  hooks.on_row = [&](const StepRow& row) {
    counts.push_back({row.counters.misses(), row.counters.compulsory_misses, row.counters.evictions});
  };
  replay(trace, config, hooks);
  return counts;
}

}  // namespace

// A prompt of 4 tokens, sink=1,recent=2, 5 entries: 3 of the pins, 2 of the policy, here with the newest first.
//
//   step  query  pinned   goes to lru        lru then  selection  misses                     lru after
//   -     -      0, 2, 3  -                  -
//   0     4      0, 3, 4  2                  2         0 1 4      1, never seen              1 2
//   1     5      0, 4, 5  3, which evicts 2  3 1       1 2 3      2 evicts 3, and 3 evicts 1 3 2
//   2     6      0, 5, 6  4, which evicts 2  4 3       0 4 6      -                          4 3
TEST_CASE("Pinned entries are hits, and go to the policy when newer ones come", "[replay][pins]") {
  const Written trace(one_stream({{0, 1, 4}, {1, 2, 3}, {0, 4, 6}}, 4));
  const ReplayConfig config = pinning("sink=1,recent=2", "5");
  CHECK(step_counts(trace.reader, config) == StepCounts{{1, 1, 0}, {2, 0, 3}, {0, 0, 1}});
  CHECK(replay(trace.reader, config).config.capacity_entries == std::vector<std::uint64_t>{5});

  ReplayConfig nothing_for_the_policy = config;
  nothing_for_the_policy.capacity = Capacity::parse("3");
  CHECK(step_counts(trace.reader, nothing_for_the_policy) == StepCounts{{1, 1, 0}, {3, 0, 0}, {1, 0, 0}});
}

// At step 0 three queries sit at 4, 5 and 6, and one is accepted: the first of them sees the entries 3 and 4 as the
// newest two, the drafts' 5 and 6 are held besides, and 2 goes to lru, where 1 joins it. Step 1 sits at 5: 3 goes to
// lru and evicts 2. The second 5 is another entry, and held as well.
TEST_CASE("Entries of drafts are held beside the newest, and rejected without a trace", "[replay][pins]") {
  PlainTrace plain = one_stream({}, 4);
  plain.header.has_queries = true;
  plain.requests = {PlainRequest{PlainStep{{4, 1}, {5, 2}, {1, 6, 3}}, PlainStep{{5, 3, 1}}}};
  plain.queries = {{{.queries = 3, .accepted = 1}, {.queries = 1, .accepted = 1}}};
  const Written trace(plain);
  CHECK(step_counts(trace.reader, pinning("recent=2", "6")) == StepCounts{{1, 1, 0}, {0, 0, 1}});
  CHECK_THROWS_WITH(replay(trace.reader, pinning("recent=2", "3")),
                    "`pin`: takes 4 entries of a cache: expected a capacity of 0 or at least 4, found 3");
}

TEST_CASE("Preloads fill what pins leave", "[replay][pins]") {
  // Before step 0, 0, 5 and 6 are pinned; at it, lru gets 5 and evicts the oldest of its three.
  const Written trace(one_stream({{5, 2, 3}}, 7));
  ReplayConfig config = pinning("sink=1,recent=2", "6");
  config.warm = Warm::first;  // 1, 2, 3
  CHECK(step_counts(trace.reader, config) == StepCounts{{0, 0, 1}});
  config.warm = Warm::prompt_tail;  // 2, 3, 4
  CHECK(step_counts(trace.reader, config) == StepCounts{{2, 0, 3}});
}

TEST_CASE("Pins that do not fit are refused with the numbers", "[replay][pins]") {
  PlainTrace plain = one_stream({{0, 1, 2}}, 20);
  plain.header.layers = {{}, {.model_layer = 1}};
  plain.requests = {{{{0, 1, 2}, {3}}}};
  const Written trace(plain);
  const auto refusal = [&](ReplayConfig config, Scope scope = Scope::stream) {
    config.scope = scope;
    try {
      replay(trace.reader, config);
    } catch (const std::exception& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(refusal(pinning("sink=2,recent=3", "4")) ==
        "`pin`: takes 5 entries of a cache: expected a capacity of 0 or at least 5, found 4");
  CHECK(refusal(pinning("sink=2,recent=3", "9"), Scope::request) ==
        "`pin`: takes 10 entries of a cache: expected a capacity of 0 or at least 10, found 9");
  CHECK(refusal(pinning("sink=2,recent=3", "10"), Scope::request).empty());
  CHECK(refusal(pinning("sink=2,recent=3", "0")).empty());
  CHECK(refusal(pinning("sink=2", "4", "hisparse")) ==
        "`pin`: takes 2 entries of a cache beside the 3 that hisparse keeps: expected a capacity of 0 or at least 5, "
        "found 4");
  ReplayConfig config = pinning("recent=1", "4");
  config.new_token = NewToken::pinned;
  CHECK(refusal(config) == "`pin`: expected `new_token` demand: recent=1 holds the newest entry");
  config = pinning("recent=1", "4");
  config.resident_blocks = 1;
  CHECK(refusal(config) == "`pin`: recent=1: the newest entries are in resident blocks; expected `resident_blocks` 0");

  for (const char* text : {"", "4", "sink", "sink=", "sink=-1", "sink=1,sink=2", "newest=3", "recent=99999999"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_pins(text), std::exception);
  }
  PlainTrace slots = one_stream({{1000, 7}});
  slots.header.ids = IdKind::physical;
  const Written physical(slots);
  CHECK_THROWS_WITH(replay(physical.reader, pinning("sink=1", "4")),
                    "`pin`: needs positions, and " + physical.path.string() + " holds physical slots; expected none");
}

TEST_CASE("Curves and knees with pins replay each capacity", "[curve][knee][pins]") {
  const Written trace(random_trace({}, 11));
  const ReplayConfig config = pinning("sink=2,recent=3", "20");
  CurveConfig curve_config{.replay = config, .capacities = {Capacity::parse("20"), Capacity::parse("9")}};
  const Curve curves = curve(trace.reader, curve_config).total;
  CHECK(curves.points[0].misses == replay(trace.reader, config).totals.misses());
  CHECK(curves.points[1].misses == replay(trace.reader, pinning("sink=2,recent=3", "9")).totals.misses());
  curve_config.capacities.clear();
  CHECK_THROWS_WITH(
      curve(trace.reader, curve_config),
      "`capacities`: lru: only lru without preloads, pins and prefetches has its misses at all capacities "
      "in one pass; name some, as in 1x,2x,4x");
  KneeConfig knee_config{
      .replay = config, .policies = {config.policy}, .target = parse_target("miss_ratio=0.5"), .capacities = {}};
  const Knee knee = knees(trace.reader, knee_config).knees.front();
  REQUIRE(knee.point);
  ReplayConfig at = config;
  at.capacity = Capacity::parse(std::to_string(knee.point->capacity_entries));
  const Counters totals = replay(trace.reader, at).totals;
  CHECK(2 * totals.misses() <= totals.accesses);
}
