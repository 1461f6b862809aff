// Steps of several queries, rejected drafts, pauses, shared KV stores and mixed units, worked by hand; and what is
// refused of them. tests/differential/ compares random ones with the plain reference.

#include "cache/replay_log.hpp"
#include "catch.hpp"
#include "dsasim/allocate/allocate.hpp"
#include "dsasim/analysis/analysis.hpp"
#include "dsasim/curve/curve.hpp"
#include "dsasim/export/export.hpp"
#include "dsasim/generate/measure.hpp"
#include "dsasim/predict/predict.hpp"
#include "dsasim/replay/replay.hpp"
#include "import/captures.hpp"
#include "refusal.hpp"
#include "replay/counted_rows.hpp"
#include "replay/reference_replay.hpp"
#include "replay/small_traces.hpp"
#include "replay/written_trace.hpp"

#include <array>
#include <string>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;

namespace {

ReplayConfig config_of(std::string_view policy, std::string_view capacity, Scope scope = Scope::stream) {
  ReplayConfig config;
  config.policy = parse_policy(policy);
  config.capacity = Capacity::parse(capacity);
  config.scope = scope;
  return config;
}

/// One request of one layer, with these queries at each step.
PlainTrace with_queries(const std::vector<PlainStep>& steps, const std::vector<PlainQueries>& queries,
                        std::uint64_t prompt_tokens) {
  PlainTrace trace = one_stream({}, prompt_tokens);
  trace.header.has_queries = true;
  trace.requests[0] = steps;
  trace.queries = {queries};
  return trace;
}

/// Two layers of one store.
PlainTrace with_one_store(const std::vector<PlainStep>& steps) {
  PlainTrace trace = one_stream({}, 20);
  trace.header.layers = {{.model_layer = 2, .group_size = 1}, {.model_layer = 3, .group_size = 3}};
  const StoreInfo store{.kv_owner = 0, .kv_rows = 1, .unit_tokens = 1, .entry_bytes = 100};
  trace.header.stores = {store, store};
  trace.header.entry_bytes = 100;
  trace.requests[0] = steps;
  return trace;
}

}  // namespace

// A cache of 5, oldest entry first; what a step names is no victim of it, in whichever query.
//
//   step  queries          union    hits  misses  victims    new order
//   0     1 2 3 | 3 2 4    1 2 3 4  -     1 2 3 4 -          1 2 3 4
//   1     5 2 | 6 5 4      5 2 6 4  2 4   5 6     1          3 | 5 6 | 2 4
//   2     7 1              7 1      -     7 1     3 5        6 2 4 | 7 1
//   3     5 6              5 6      6     5       2          4 7 1 | 5 | 6
TEST_CASE("A policy that replaces by selection sees the queries of a step as one", "[replay][shapes]") {
  const Written trace(with_queries({{{1, 2, 3}, {3, 2, 4}}, {{5, 2}, {6, 5, 4}}, {{7, 1}}, {{5, 6}}},
                                   {{2, 2}, {2, 2}, {1, 1}, {1, 1}}, 20));
  CHECK(trace.reader.longest_selection() == 3);
  CHECK(trace.reader.longest_union() == 4);
  CHECK(rows_of(trace.reader, config_of("hisparse", "5")) == Rows{"6/4/4/0", "5/2/2/1", "2/2/1/2", "2/1/0/1"});
  CHECK(refusal([&] { rows_of(trace.reader, config_of("hisparse", "3")); }) ==
        "`capacity`: hisparse keeps what the queries of a step select together: expected 0 or at least 4 entries, "
        "found 3");
  // Nothing is reserved: every access misses, whatever the policy.
  CHECK(rows_of(trace.reader, config_of("hisparse", "0")) == Rows{"6/6/4/0", "5/5/2/0", "2/2/1/0", "2/2/0/0"});
}

// LRU of 3, oldest first: the queries of step 0 one after the other.
//
//   query   accesses   misses   order
//   0       1 2 3      1 2 3    1 2 3
//   1       3 2 4      4        3 2 4    (1 left)
TEST_CASE("A policy that replaces by access sees one query after the other", "[replay][shapes]") {
  const Written trace(with_queries({{{1, 2, 3}, {3, 2, 4}}, {{1}, {4}}}, {{2, 2}, {2, 2}}, 20));
  CHECK(rows_of(trace.reader, config_of("lru", "3")) == Rows{"6/4/4/1", "2/1/0/1"});
  CHECK(rows_of(trace.reader, config_of("belady", "3")) == Rows{"6/4/4/1", "2/0/0/0"});
}

// A prompt of positions 0 to 3, and a cache of 4, oldest first. Of the three queries of step 0, at 4, 5 and 6, one is
// accepted: the context ends with 4, and entries 5 and 6 are gone. What step 1 writes there are other entries.
//
//   step  query  accesses   misses        order
//   0     0      4 0        4 0           4 0
//         1      4 5        5             0 4 5
//         2      5 6        6             0 4 5 6
//   after the step                        0 4
//   1     0      5 1        5 1           0 4 5 1
//         1      6 0        6 0           5 1 6 0    (0 left for 6, and 4 for 0)
TEST_CASE("Entries of rejected drafts are gone after their step, without an eviction", "[replay][shapes]") {
  const std::vector<PlainStep> steps = {{{4, 0}, {4, 5}, {5, 6}}, {{5, 1}, {6, 0}}};
  const Written trace(with_queries(steps, {{3, 1}, {2, 2}}, 4));
  CHECK(rows_of(trace.reader, config_of("lru", "4")) == Rows{"6/4/4/0", "4/4/3/2"});
  // Only what room there was is used again: of 6 entries, none has to leave.
  CHECK(rows_of(trace.reader, config_of("lru", "6")) == Rows{"6/4/4/0", "4/3/3/0"});
  // All of them accepted, positions 5 and 6 are what they were.
  const Written accepted(with_queries(steps, {{3, 3}, {2, 2}}, 4));
  CHECK(rows_of(accepted.reader, config_of("lru", "6")) == Rows{"6/4/4/0", "4/1/1/0"});
}

// With an entry of 4 tokens, a prompt of 6 and drafts at positions 6 to 9: entry 1 holds positions 4 to 7, entry 2 the
// others. One is accepted, position 6: entry 2 is gone, entry 1 stays.
TEST_CASE("An entry of several tokens stays as long as one of them does", "[replay][shapes]") {
  PlainTrace plain = with_queries({{{1}, {1}, {2}, {2}}, {{1}, {2}, {2}}}, {{4, 1}, {3, 3}}, 6);
  plain.header.unit_tokens = 4;
  const Written trace(plain);
  CHECK(rows_of(trace.reader, config_of("lru", "4")) == Rows{"4/2/2/0", "3/1/1/0"});
}

TEST_CASE("Every policy replays rejected drafts", "[replay][shapes]") {
  const Written rejects(with_queries({{{4, 0}, {5}}}, {{2, 1}}, 4));
  for (const PolicySpec& spec : all_variants()) {
    CAPTURE(to_string(spec));
    CHECK(can_forget(spec));
    if (!policy_needs(spec).scores) {  // which a trace of several queries has not
      CHECK(rows_of(rejects.reader, config_of(to_string(spec), "4")) == Rows{"3/3/3/0"});
    }
  }
}

// A cache of 2. The query at position 5 selects its own entry at step 0, and is rejected; at step 1 it is drafted
// again, and accepted. At step 3 one of 5 and 1 has to leave.
//
//   step  accesses  uses of 5         uses of 1   leaves
//   0     5         0, then none
//   1     5         1
//   2     1         1                 2
//   3     2         1                 2           5, whose only use is the older one
//   4     5                                       1
//
// Had the use at step 0 counted, 5 would have two, and 1 would leave.
TEST_CASE("What a policy remembers of a rejected draft does not count for the next at its position",
          "[replay][shapes]") {
  const Written trace(with_queries({{{5}}, {{5}}, {{1}}, {{2}}, {{5}}}, {{1, 0}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, 5));
  for (const char* policy : {"lru-k", "lru-k,atomic=step", "lrfu", "ewma2"}) {
    CAPTURE(policy);
    CHECK(rows_of(trace.reader, config_of(policy, "2")) == Rows{"1/1/1/0", "1/1/1/0", "1/1/1/0", "1/1/1/1", "1/1/0/1"});
  }
}

TEST_CASE("A step of no query is a row of nothing, and counts for no mean", "[replay][shapes]") {
  const Written trace(with_queries({{{1, 2}}, {}, {}, {{1, 2}}}, {{1, 1}, {0, 0}, {0, 0}, {1, 1}}, 20));
  CHECK(rows_of(trace.reader, config_of("lru", "4")) == Rows{"2/2/2/0", "0/0/0/0", "0/0/0/0", "2/0/0/0"});
  CHECK(effective_config(trace.reader, config_of("lru", "4")).counted_steps == 2);
}

// One cache of 4 for both layers, at scope stream: they have the same entries. The second layer's group of three reads
// the same store, so that a miss fetches one row.
//
//   step  layer  accesses  misses  cache
//   0     0      1 2       1 2     1 2
//         1      1 2       -       1 2
//   1     0      1 3       3       1 2 3
//         1      3 4       4       1 2 3 4
TEST_CASE("Layers of one KV store find what the others fetched", "[replay][shapes]") {
  const Written trace(with_one_store({{{1, 2}, {1, 2}}, {{1, 3}, {3, 4}}}));
  for (const Scope scope : {Scope::stream, Scope::layer, Scope::request, Scope::shared}) {
    CAPTURE(scope);
    CHECK(rows_of(trace.reader, config_of("lru", "4", scope)) == Rows{"2/2/2/0", "2/0/0/0", "2/1/1/0", "2/1/1/0"});
    const ReplayResult result = replay(trace.reader, config_of("lru", "4", scope), {}, 2);
    CHECK(result.layers[0].fetched_bytes == 300);
    CHECK(result.layers[1].fetched_bytes == 100);
    CHECK(result.config.reservation.caches == 1);
    CHECK(result.config.reservation.entries == 4);
    CHECK(result.config.reservation.bytes == 400);
  }
  CHECK(refusal([&] {
          ReplayConfig config = config_of("lru", "4");
          config.capacity_list = {4, 5};
          rows_of(trace.reader, config);
        }) == "`capacities_from`: layers 0 and 1 read one KV store; expected equal capacities, found 4 and 5");
}

// After 8 tokens and the query's own, layer 0 has entries 0 to 8 of one token and 10 bytes, layer 1 entries 0 to 2 of
// four tokens and 40 bytes, of which the last has one. Pages of four tokens: {0, 8} lie in two of them, and so do {0,
// 2}.
TEST_CASE("Stores of one trace may differ in unit and bytes", "[replay][shapes]") {
  PlainTrace plain = one_stream({}, 8);
  plain.header.layers = {{.model_layer = 0, .group_size = 1}, {.model_layer = 1, .group_size = 1}};
  plain.header.stores = {{.kv_owner = 0, .kv_rows = 1, .unit_tokens = 1, .entry_bytes = 10},
                         {.kv_owner = 1, .kv_rows = 1, .unit_tokens = 4, .entry_bytes = 40}};
  plain.header.entry_bytes = 10;
  plain.requests[0] = {{{0, 8}, {0, 2}}};
  const Written trace(plain);
  ReplayConfig config = config_of("lru", "80B");
  config.page_tokens = 4;
  const ReplayResult result = replay(trace.reader, config);
  CHECK(result.config.capacity_entries == std::vector<std::uint64_t>{8, 2});
  CHECK(result.layers[0].fetched_bytes == 20);
  CHECK(result.layers[1].fetched_bytes == 80);
  CHECK(result.requests[0].fetched_bytes == 100);
  CHECK(result.layers[0].missed_pages == 2);
  CHECK(result.layers[1].missed_pages == 2);
  CHECK(refusal([&] { rows_of(trace.reader, config_of("lru", "0.5ctx")); }).find("differ in tokens") !=
        std::string::npos);
  plain.requests[0] = {{{0, 8}, {0, 3}}};
  CHECK(refusal([&] { write_trace(trace.folder / "u.dsat", plain); }) ==
        "request 0, step 0, layer 1: id 3 lies outside the context of 3 entries of 4 tokens (physical ids must be "
        "declared; ids of single tokens have a unit of 1)");
}

TEST_CASE("What is not defined for several queries or shared stores is refused in words", "[replay][shapes]") {
  const Written queries(with_queries({{{4, 0}, {5}}}, {{2, 1}}, 4));
  const Written stores(with_one_store({{{1, 2}, {1, 2}}}));
  const auto named = [](const ReplayConfig& base, auto change) {
    ReplayConfig config = base;
    change(config);
    return config;
  };
  const auto pinned = named(config_of("lru", "4"), [](auto& c) { c.new_token = NewToken::pinned; });
  const auto allocate_new = named(config_of("lru", "4"), [](auto& c) { c.new_token = NewToken::allocate; });
  const auto timed = named(config_of("lru", "4"), [](auto& c) {
    c.step.model = "deepseek-v3.2";
    c.step.gpu = "h200";
  });
  const std::string two = "its steps have up to 2 queries; ";
  const std::string shared = "its layers share KV stores; ";
  const auto check = [](const Written& trace, const std::string& reason, auto action) {
    const std::string found = refusal([&] { action(trace.reader); });
    CAPTURE(found, reason);
    CHECK(found.find(reason) != std::string::npos);
    CHECK(found.find("is not supported for such traces") != std::string::npos);
  };
  check(queries, two + "`new_token` other than demand", [&](const auto& trace) { rows_of(trace, pinned); });
  check(stores, shared + "`model`", [&](const auto& trace) { rows_of(trace, timed); });
  check(stores, shared + "`new_token` allocate", [&](const auto& trace) { rows_of(trace, allocate_new); });
  check(queries, two + "a curve of all",
        [](const auto& trace) { curve(trace, {.replay = config_of("lru", "1"), .capacities = {}}); });
  check(stores, shared + "a curve of all",
        [](const auto& trace) { curve(trace, {.replay = config_of("lru", "1"), .capacities = {}}); });
  check(queries, two + "allocate", [](const auto& trace) { allocate(trace, {}); });
  check(queries, two + "analyze", [](const auto& trace) { analyze(trace, {}); });
  check(queries, two + "predict", [](const auto& trace) {
    const std::array traces = {&trace};
    PredictConfig one_entry;
    one_entry.guesses = {Capacity::parse("1")};
    predict(traces, one_entry);
  });
  check(queries, two + "the export", [](const auto& trace) {
    export_trace(trace, "oracle-general", config_of("lru", "1"), [](std::string_view) {});
  });
  CHECK_FALSE(refusal([&] { measure(queries.reader); }).empty());
  // Where capacities are named, a curve is replays.
  CHECK(curve(queries.reader, {.replay = config_of("lru", "1"), .capacities = {Capacity::parse("2")}})
            .total.points[0]
            .misses == 3);
}

TEST_CASE("Rejected drafts of slots are refused: which entry a slot has is not known", "[replay][shapes]") {
  PlainTrace plain = with_queries({{{4, 0}, {5}}}, {{2, 1}}, 4);
  plain.header.ids = IdKind::physical;
  const Written trace(plain);
  CHECK(refusal([&] { rows_of(trace.reader, config_of("lru", "4")); }).find("its ids are slots") != std::string::npos);
}
