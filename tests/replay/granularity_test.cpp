// Caches that hold blocks of entries, or the tokens of one: worked by hand, against the same trace in larger entries,
// and what is refused. tests/differential/ compares random ones with the plain reference.

#include "cache/replay_log.hpp"
#include "catch.hpp"
#include "dsasim/allocate/allocate.hpp"
#include "dsasim/curve/curve.hpp"
#include "dsasim/curve/knee.hpp"
#include "dsasim/replay/replay.hpp"
#include "refusal.hpp"
#include "replay/counted_rows.hpp"
#include "replay/reference_replay.hpp"
#include "replay/small_traces.hpp"
#include "replay/written_trace.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;

namespace {

ReplayConfig config_of(std::string_view policy, std::string_view capacity, std::string_view granularity) {
  ReplayConfig config;
  config.policy = parse_policy(policy);
  config.capacity = Capacity::parse(capacity);
  config.granularity = parse_granularity(granularity);
  return config;
}

PlainTrace in_bytes(PlainTrace trace, std::uint64_t entry_bytes) {
  trace.header.entry_bytes = entry_bytes;
  return trace;
}

PlainTrace three_steps() {
  return in_bytes(one_stream({{0, 1, 5}, {4, 3}, {2, 1, 0, 3}}), 100);
}

/// The same selections in entries that stand for a block: each once, where an entry of it came first.
PlainTrace in_larger_entries(PlainTrace trace, std::uint32_t block_entries) {
  trace.header.unit_tokens *= block_entries;
  trace.header.entry_bytes *= block_entries;
  for (StoreInfo& store : trace.header.stores) {
    store.unit_tokens *= block_entries;
    store.entry_bytes *= block_entries;
  }
  for (PlainRequest& request : trace.requests) {
    for (PlainStep& step : request) {
      for (PlainSelection& selection : step) {
        PlainSelection blocks;
        for (const std::uint32_t id : selection) {
          if (std::find(blocks.begin(), blocks.end(), id / block_entries) == blocks.end()) {
            blocks.push_back(id / block_entries);
          }
        }
        selection = blocks;
      }
    }
  }
  return trace;
}

}  // namespace

// Blocks of 2 entries, a cache of 4 entries, which are 2 blocks; the oldest first.
//
//   step  selection  blocks    misses                       lru
//   0     0 1 5      0 - 2     0 2; 1 is in the same block  0 2
//   1     4 3        2 1       1, which evicts 0            2 1
//   2     2 1 0 3    1 0 - -   0, which evicts 2            1 0
TEST_CASE("A miss fetches the block of its entry", "[replay][granularity]") {
  const Written trace(three_steps());
  const Rows expected = {"3/2/2/0", "2/1/1/1", "4/1/0/1"};
  CHECK(rows_of(trace.reader, config_of("lru", "4", "2")) == expected);
  // Misses take what the step does not name, and nothing else is there: 0, then 2.
  CHECK(rows_of(trace.reader, config_of("hisparse", "4", "2")) == expected);
  // 0 is needed at step 2, and 2 never again: 1 takes its place.
  CHECK(rows_of(trace.reader, config_of("belady", "4", "2")) == Rows{"3/2/2/0", "2/1/1/1", "4/0/0/0"});

  ReplayConfig config = config_of("lru", "4", "2");
  config.page_tokens = 1;
  const ReplayResult result = replay(trace.reader, config);
  CHECK(result.totals.fetched_rows == 4 * 2);
  CHECK(result.totals.fetched_bytes == 4 * 2 * 100);
  CHECK(result.totals.missed_pages == 4 * 2);
  CHECK(result.config.capacity_entries == std::vector<std::uint64_t>{4});
  CHECK(result.config.reservation.entries == 4);
}

TEST_CASE("The block at a context's end is fetched whole", "[replay][granularity]") {
  const Written trace(in_bytes(one_stream({{4}}, 4), 10));  // of block 1, entry 4 alone exists
  const ReplayResult result = replay(trace.reader, config_of("lru", "8", "4"));
  CHECK(result.totals.misses() == 1);
  CHECK(result.totals.fetched_bytes == 4 * 10);
}

TEST_CASE("Capacities are whole blocks, and without one entries are read", "[replay][granularity]") {
  const Written trace(three_steps());
  const auto entries = [&](std::string_view capacity) {
    return replay(trace.reader, config_of("lru", capacity, "2")).config.capacity_entries.front();
  };
  CHECK(entries("5") == 4);
  CHECK(entries("1.9x") == 6);  // of 4: 7
  CHECK(entries("1") == 0);
  CHECK(rows_of(trace.reader, config_of("lru", "1", "2")) == Rows{"3/3/3/0", "2/2/2/0", "4/4/1/0"});
  CHECK(replay(trace.reader, config_of("lru", "0", "2")).totals.fetched_rows == 9);

  PlainTrace two_layers = three_steps();
  two_layers.header.layers = {{.model_layer = 0}, {.model_layer = 1}};
  for (PlainStep& step : two_layers.requests[0]) {
    step.push_back(step[0]);
  }
  const Written both(two_layers);
  ReplayConfig config = config_of("lru", "0", "4");
  config.capacity = Capacity::parse_budget("20");  // 2 blocks each, and one more for layer 0
  CHECK(replay(both.reader, config).config.capacity_entries == std::vector<std::uint64_t>{12, 8});
}

// Blocks of 2 and a prompt of positions 0 to 3. Of the queries at 4, 5 and 6 one is accepted: 5 and 6 are gone. Block 2
// has 4, and stays; block 3 is gone. What is later written at 5 is in block 2.
//
//   step  query  access  misses                 lru
//   0     0      4       block 2                2
//         1      5       -                      2
//         2      6       block 3                2 3
//   after the step                              2
//   1     0      5       -                      2
//         1      6       block 3, compulsory    2 3
TEST_CASE("A block goes with its last entry that was accepted", "[replay][granularity]") {
  PlainTrace drafts = one_stream({}, 4);
  drafts.header.has_queries = true;
  drafts.requests[0] = {{{4}, {5}, {6}}, {{5}, {6}}};
  drafts.queries = {{{.queries = 3, .accepted = 1}, {.queries = 2, .accepted = 2}}};
  const Written trace(drafts);
  CHECK(rows_of(trace.reader, config_of("lru", "8", "2")) == Rows{"3/2/2/0", "2/1/1/0"});
  CHECK(rows_of(trace.reader, config_of("hisparse", "8", "2")) == Rows{"3/2/2/0", "2/1/1/0"});
  CHECK(rows_of(trace.reader, config_of("belady", "8", "2")) == Rows{"3/2/2/0", "2/1/1/0"});
}

// Entries of 4 tokens, a prompt of 10 tokens, and room for 8 tokens. The query of step 0 sees 11 tokens: entry 2 has 8,
// 9 and 10.
//
//   step  selection  tokens           misses                     lru
//   0     2 0        8 9 10 0 1 2 3   all                        8 9 10 0 1 2 3
//   1     2          8 9 10 11        11                         0 1 2 3 8 9 10 11
//   2     1          4 5 6 7          all, which evict 0 1 2 3   8 9 10 11 4 5 6 7
TEST_CASE("An entry is accessed token by token", "[replay][granularity]") {
  PlainTrace units = in_bytes(one_stream({{2, 0}, {2}, {1}}, 10), 400);
  units.header.unit_tokens = 4;
  const Written trace(units);
  CHECK(rows_of(trace.reader, config_of("lru", "2", "tokens")) == Rows{"7/7/7/0", "4/1/1/0", "4/4/4/4"});
  const ReplayResult result = replay(trace.reader, config_of("lru", "2", "tokens"));
  CHECK(result.totals.fetched_bytes == 12 * 100);
  CHECK(result.config.reservation.bytes == 800);
  CHECK(rows_of(trace.reader, config_of("lru", "0", "tokens")) == Rows{"7/7/7/0", "4/4/1/0", "4/4/4/0"});
}

TEST_CASE("Blocks are replayed as larger entries are", "[replay][granularity]") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    PlainTrace small = random_batch(seed);
    if (small.header.ids == IdKind::physical && rejects_queries(small)) {
      continue;  // refused
    }
    small.header.entry_bytes = small.header.stores.empty() ? 8 : small.header.entry_bytes;
    const std::uint32_t block = 2 + static_cast<std::uint32_t>(seed % 5);
    const Written of_entries(small);
    const Written of_blocks(in_larger_entries(small, block));
    for (const char* policy : {"lru", "fifo", "lfu", "hisparse", "belady", "sieve"}) {
      CAPTURE(policy);
      const std::uint64_t blocks = longest_union(of_entries.reader, {.block_entries = block}) + seed % 7 + 1;
      const auto in_blocks =
          replay(of_entries.reader, config_of(policy, std::to_string(blocks * block), std::to_string(block)));
      const auto in_entries = replay(of_blocks.reader, config_of(policy, std::to_string(blocks), "1"));
      CHECK(in_blocks.totals.accesses == of_entries.reader.accesses());
      CHECK(in_blocks.totals.misses() == in_entries.totals.misses());
      CHECK(in_blocks.totals.compulsory_misses == in_entries.totals.compulsory_misses);
      CHECK(in_blocks.totals.evictions == in_entries.totals.evictions);
      CHECK(in_blocks.totals.fetched_bytes == in_entries.totals.fetched_bytes);
    }
    CHECK(longest_union(of_entries.reader, {.block_entries = block}) == of_blocks.reader.longest_union());
  }
}

TEST_CASE("A curve and a knee of blocks are those of their replays", "[curve][granularity]") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  CurveConfig config{.replay = config_of("lru", "0", "16"), .capacities = {}, .histograms = false, .streams = false};
  const CurveResult all = curve(trace, config);
  std::uint64_t before = all.total.accesses;
  for (const CurvePoint& point : all.total.points) {
    CHECK(point.capacity_entries % 16 == 0);
    CHECK((point.misses < before || point.capacity_entries == 0));
    before = point.misses;
  }
  for (const std::size_t at : {std::size_t{1}, all.total.points.size() / 2, all.total.points.size() - 1}) {
    const CurvePoint point = all.total.points[at];
    const auto replayed = replay(trace, config_of("lru", std::to_string(point.capacity_entries), "16"));
    CHECK(point.misses == replayed.totals.misses());
    CHECK(all.total.compulsory_misses == replayed.totals.compulsory_misses);
  }
  for (const char* policy : {"lru", "belady"}) {
    KneeConfig knee{.replay = config.replay, .policies = {parse_policy(policy)}, .target = {}, .capacities = {}};
    knee.target = parse_target("misses=12000");
    const Knee found = knees(trace, knee).knees.front();
    REQUIRE(found.point);
    CHECK(found.exact);
    CHECK(found.point->capacity_entries % 16 == 0);
    const auto misses = [&](std::uint64_t entries) {
      return replay(trace, config_of(policy, std::to_string(entries), "16")).totals.misses();
    };
    CHECK(misses(found.point->capacity_entries) <= 12'000);
    CHECK(misses(found.point->capacity_entries - 16) > 12'000);
  }
}

TEST_CASE("What is defined for entries alone is refused beside a granularity", "[replay][granularity]") {
  const Written trace(three_steps());
  const auto refused = [&](const ReplayConfig& config) { return refusal([&] { replay(trace.reader, config); }); };
  CHECK(refused(config_of("hisparse", "3", "2")) ==
        "`capacity`: hisparse keeps a whole selection: expected 0 or at least 4 entries (2 blocks of 2), found 2");
  CHECK(refused(config_of("rt", "4", "2")) == "`granularity`: `policy` rt is defined for entries; expected 1, found 2");
  ReplayConfig config = config_of("lru", "4", "2");
  config.pins = parse_pins("sink=1");
  CHECK(refused(config) == "`granularity`: `pin` is defined for entries; expected 1, found 2");
  config = config_of("lru", "4", "2");
  config.prefetch = parse_prefetch("previous,rows=1");
  CHECK(refused(config) == "`granularity`: `prefetch` is defined for entries; expected 1, found 2");
  config = config_of("lru", "4", "2");
  config.llc = parse_llc("60MiB");
  CHECK(refused(config) == "`granularity`: `llc` is defined for entries; expected 1, found 2");
  CHECK(refused(config_of("lru", "4", "tokens")) ==
        "`granularity`: tokens: the entries of " + trace.path.string() + " are tokens; expected a number");
  CHECK(refusal([] { parse_granularity("0"); }).starts_with("`granularity`: "));
  CHECK(refusal([] { parse_granularity("65537"); }).starts_with("`granularity`: "));
  CHECK(refusal([] { parse_granularity("token"); }).starts_with("`granularity`: "));

  CurveConfig histograms{.replay = config_of("lru", "4", "2"), .capacities = {}, .histograms = true, .streams = false};
  CHECK(refusal([&] { curve(trace.reader, histograms); }) ==
        "`histograms`: reuse is counted of entries; expected `granularity` 1, found 2");
  AllocateConfig split;
  split.replay = config_of("lru", "4", "2");
  split.budget = Capacity::parse_budget("8");
  CHECK(refusal([&] { allocate(trace.reader, split); }) ==
        "`granularity`: of the replay: a split is of entries; expected 1, found 2");
  PlainTrace odd = three_steps();
  odd.header.unit_tokens = 3;
  const Written thirds(odd);
  CHECK(refusal([&] { replay(thirds.reader, config_of("lru", "4", "tokens")); }) ==
        "`granularity`: tokens: an entry of " + thirds.path.string() +
            " has 100 bytes and 3 tokens; expected a multiple");
}
