// Rows fetched ahead of selections: docs/prefetch.md. Random batches with prefetches are in tests/differential/.

#include "catch.hpp"
#include "dsasim/replay/replay.hpp"
#include "replay/small_traces.hpp"
#include "replay/written_trace.hpp"

#include <cstdint>
#include <string>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;

namespace {

ReplayConfig fetching(const char* prefetch, const char* policy = "lru", const char* capacity = "3") {
  ReplayConfig config;
  config.policy = parse_policy(policy);
  config.capacity = Capacity::parse(capacity);
  config.prefetch = parse_prefetch(prefetch);
  return config;
}

std::string refusal(const TraceReader& trace, const ReplayConfig& config) {
  try {
    replay(trace, config);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

/// Issued, useful, avoided, evictions; then misses of the policy.
std::vector<std::uint64_t> counts(const TraceReader& trace, const ReplayConfig& config) {
  const Counters totals = replay(trace, config).totals;
  const PrefetchCounts& ahead = totals.prefetch;
  CHECK(ahead.wasted() + ahead.useful == ahead.issued);
  return {ahead.issued, ahead.useful, ahead.avoided, ahead.evictions, totals.misses()};
}

}  // namespace

// lru of 3 entries, newest first; `previous` guesses what was selected last and is not resident, one row a selection.
//
//   step  selection  without a prefetch       guess  into=side           into=buffer: in it, evicts  then
//   0     1 2 3      all miss: 3 2 1          -      -                   -                           3 2 1
//   1     4 5        both miss: 5 4 3         -      -                   -                           5 4 3
//   2     2 6        both miss: 6 2 5         2      2 is there          2 evicts 3: 2 5 4. 2 hits, 6 evicts 4: 6 2 5
//   3     4 1        both miss: 1 4 6         4      4 is there          4 evicts 5: 4 6 2. 4 hits, 1 evicts 2: 1 4 6
TEST_CASE("Rows fetched ahead are found in the buffer or beside it", "[replay][prefetch]") {
  const Written trace(one_stream({{1, 2, 3}, {4, 5}, {2, 6}, {4, 1}}));
  CHECK(replay(trace.reader, fetching("none")).totals.misses() == 9);
  CHECK(counts(trace.reader, fetching("previous,rows=1,into=side")) == std::vector<std::uint64_t>{2, 2, 2, 0, 9});
  CHECK(counts(trace.reader, fetching("previous,rows=1")) == std::vector<std::uint64_t>{2, 2, 0, 2, 7});
  // What a side area answers is not fetched again, and does not wait.
  const Counters side = replay(trace.reader, fetching("previous,rows=1,into=side")).totals;
  CHECK(side.fetched_rows == 7);
  CHECK(side.demand_misses() == 7);
}

TEST_CASE("A prefetch that is not defined is refused", "[replay][prefetch]") {
  const Written trace(one_stream({{0, 1}, {2}}));
  CHECK(refusal(trace.reader, fetching("history,rows=2", "belady")) ==
        "`prefetch`: belady does not know when a prefetched entry is needed; expected into=side");
  CHECK(refusal(trace.reader, fetching("history,rows=2,into=side", "belady")).empty());
  ReplayConfig timed = fetching("history,rows=2");
  timed.step.model = "deepseek-v3.2";
  timed.step.gpu = "h200";
  CHECK(refusal(trace.reader, timed) == "`prefetch`: what fetching ahead costs is not modelled; expected no `model`");
  PlainTrace slots = one_stream({{1000, 7}});
  slots.header.ids = IdKind::physical;
  const Written physical(slots);
  CHECK(refusal(physical.reader, fetching("slash,rows=2")) ==
        "`prefetch`: slash needs positions, and the ids of " + physical.path.string() + " are slots");
  CHECK(refusal(physical.reader, fetching("previous,rows=2")).empty());

  CHECK_THROWS_WITH(parse_prefetch("oracle,rows=3"),
                    "`prefetch`: unknown predictor \"oracle\"; known: none, previous, ema, vertical, neighbours, "
                    "slash, layer-before, history, history+layer");
  CHECK_THROWS_WITH(parse_prefetch("previous"),
                    "`prefetch`: expected rows=N with previous: the most that are fetched for a selection");
  for (const char* text : {"", "previous,rows=0", "previous,rows=2,into=host", "previous,lines=2", "none,rows=2"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_prefetch(text), std::exception);
  }
}

TEST_CASE("A guess by the layer before is the same on any number of threads", "[replay][prefetch]") {
  const Written trace(random_trace({.requests = 3, .layers = 4, .top_k = 8, .kept_of_8 = 5}, 3));
  for (const char* predictor : {"layer-before,rows=4", "history+layer,rows=4,into=side", "ema,rows=4"}) {
    const Counters one = replay(trace.reader, fetching(predictor, "hisparse", "12"), {}, 1).totals;
    CHECK(replay(trace.reader, fetching(predictor, "hisparse", "12"), {}, 4).totals == one);
    CHECK(one.prefetch.useful > 0);
  }
}

// Layer 1 guesses 0 and 2 at step 1, which layer 0 selects there: 2 hits.
TEST_CASE("A layer that reserves nothing tells the next what it selects", "[replay][prefetch]") {
  PlainTrace two_layers = one_stream({});
  two_layers.header.layers = {{}, {}};
  two_layers.requests = {{{{1}, {1}}, {{0, 2}, {2}}}};
  const Written trace(two_layers);
  ReplayConfig config = fetching("layer-before,rows=2");
  config.capacity_list = {0, 3};
  CHECK(counts(trace.reader, config) == std::vector<std::uint64_t>{2, 1, 0, 0, 4});
}
