// Refreshes of rows in a memory that forgets: docs/retention.md.

#include "catch.hpp"
#include "dsasim/cache/policy_spec.hpp"
#include "dsasim/replay/replay.hpp"
#include "replay/small_traces.hpp"
#include "replay/written_trace.hpp"

#include <map>
#include <string>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;

namespace {

ReplayConfig retaining(double steps, const char* policy, const char* capacity) {
  ReplayConfig config;
  config.policy = parse_policy(policy);
  config.capacity = Capacity::parse(capacity);
  config.retention_steps = steps;
  return config;
}

RetentionCounts counts(const TraceReader& trace, const ReplayConfig& config) {
  return replay(trace, config).totals.retention;
}

/// Every step selects four of twelve entries, the later ones more rarely.
std::vector<PlainSelection> selections() {
  std::vector<PlainSelection> steps;
  for (std::uint32_t step = 0; step < 60; ++step) {
    steps.push_back({step % 2, 2 + step % 3, 5 + step * 7 % 5, 10 + step / 20 % 2});
  }
  return steps;
}

}  // namespace

// lru of 3 entries; retention of 2 steps. A hit g steps after the last use needs ceil(g / 2) - 1 refreshes.
//
//   step  selection  lru after it  hits and their idle steps
//   0     1 2        2 1           -
//   1     1          1 2           1: 1
//   2     3          3 1 2         -
//   3     2          2 3 1         2: 3, a refresh
//   4     1 2        2 1 3         1: 3, a refresh; 2: 1
//   5     4          4 2 1         - (3 goes, and nothing was needed for it)
//   6     3          3 4 2         -
//   9     2          2 3 4         2: 5, two refreshes
TEST_CASE("Rows that are used rarely need refreshes, and those that are evicted unused none", "[replay][retention]") {
  const Written trace(one_stream({{1, 2}, {1}, {3}, {2}, {1, 2}, {4}, {3}, {3}, {3}, {2}}));
  const RetentionCounts two = counts(trace.reader, retaining(2, "lru", "3"));
  CHECK(two.hits == 7);  // with 3 at steps 7 and 8
  CHECK(two.idle_steps == 1 + 3 + 3 + 1 + 5 + 1 + 1);
  CHECK(two.refreshes == 1 + 1 + 2);
  CHECK(two.retained == 4);
  // Half a step: ceil(g / 0.5) - 1 = 2 g - 1 for each.
  CHECK(counts(trace.reader, retaining(0.5, "lru", "3")).refreshes == 2 * 15 - 7);
  // What is reserved for nothing has no hits.
  CHECK(counts(trace.reader, retaining(2, "lru", "0")) == RetentionCounts{});
}

TEST_CASE("Where all entries stay, refreshes follow from the selections", "[replay][retention]") {
  const auto steps = selections();
  const Written trace(one_stream(steps));
  for (const std::uint32_t retention : {1U, 3U, 7U}) {
    RetentionCounts expected;
    std::map<std::uint32_t, std::uint32_t> last;
    for (std::uint32_t step = 0; step < steps.size(); ++step) {
      for (const std::uint32_t id : steps[step]) {
        if (last.contains(id)) {
          const std::uint32_t idle = step - last[id];
          ++expected.hits;
          expected.idle_steps += idle;
          for (std::uint32_t at = retention; at < idle; at += retention) {  // one whenever the time is up
            ++expected.refreshes;
          }
          expected.retained += idle <= retention ? 1 : 0;
        }
        last[id] = step;
      }
    }
    CHECK(counts(trace.reader, retaining(retention, "fifo", "100")) == expected);
    CHECK(counts(trace.reader, retaining(retention, "hisparse", "100")) == expected);
  }
}

TEST_CASE("A longer retention never needs more refreshes, and changes no other count", "[replay][retention]") {
  const Written trace(one_stream(selections()));
  for (const char* policy : {"lru", "fifo", "clock", "random", "hisparse", "belady"}) {
    for (const char* capacity : {"4", "6", "9"}) {
      INFO(policy << " " << capacity);
      const Counters plain = replay(trace.reader, retaining(0, policy, capacity)).totals;
      std::uint64_t before = ~std::uint64_t{0};
      for (const double retention : {0.01, 1.0, 2.5, 4.0, 1000.0}) {
        Counters totals = replay(trace.reader, retaining(retention, policy, capacity)).totals;
        const RetentionCounts of = totals.retention;
        CHECK(of.hits == totals.cache_hits);
        CHECK(of.refreshes <= before);
        before = of.refreshes;
        totals.retention = {};
        CHECK(totals == plain);
      }
      CHECK(before == 0);
    }
  }
}

TEST_CASE("An entry that a step puts in ages from then on", "[replay][retention]") {
  // A prompt of 10: the step's own entries are 10, 11, 12 ...; 10 is put in at step 0 and used at step 3.
  PlainTrace batch = one_stream({{1}, {1}, {1}, {10}});
  batch.header.requests[0].prompt_tokens = 10;
  const Written trace(batch);
  ReplayConfig config = retaining(2, "lru", "8");
  config.new_token = NewToken::allocate;
  const RetentionCounts of = counts(trace.reader, config);
  CHECK(of.hits == 3);
  CHECK(of.idle_steps == 1 + 1 + 3);
  CHECK(of.refreshes == 1);
}

TEST_CASE("Refreshes are of rows that selections bring in", "[replay][retention]") {
  const Written trace(one_stream({{1, 2}, {1}}));
  ReplayConfig config = retaining(2, "lru", "3");
  config.prefetch = parse_prefetch("previous,rows=1");
  CHECK_THROWS_AS(replay(trace.reader, config), ConfigError);
  CHECK_THROWS_AS(replay(trace.reader, retaining(1e-9, "lru", "3")), ConfigError);
}
