// Misses that were counted by others, on the traces that are shipped.

#include "catch.hpp"
#include "dsasim/replay/replay.hpp"

#include <cstdint>
#include <string>
#include <vector>

using namespace dsasim;

namespace {

struct Answer {
  const char* policy;
  std::uint64_t misses;
};

void check(const TraceReader& trace, Scope scope, const char* capacity, const std::vector<Answer>& answers) {
  for (const Answer& answer : answers) {
    ReplayConfig config;
    config.policy = parse_policy(answer.policy);
    config.scope = scope;
    config.capacity = Capacity::parse(capacity);
    CAPTURE(answer.policy, capacity);
    CHECK(replay(trace, config).totals.misses() == answer.misses);
  }
}

}  // namespace

TEST_CASE("Known answers on paper128-req_0", "[known]") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  REQUIRE(trace.accesses() == 409'600);
  check(trace, Scope::stream, "128",
        {{"lru", 215'426},
         {"fifo", 230'131},
         {"clock", 163'516},
         {"lfu", 286'534},
         {"belady", 71'805},
         {"hisparse", 109'631},
         {"fifo,atomic=step", 109'631}});
  check(trace, Scope::stream, "256",
        {{"lru", 45'614},
         {"fifo", 69'171},
         {"clock", 44'262},
         {"lfu", 181'138},
         {"belady", 25'019},
         {"hisparse", 42'472},
         {"fifo,atomic=step", 55'538}});
  check(trace, Scope::stream, "4x",
        {{"lru", 19'624},
         {"fifo", 25'972},
         {"clock", 19'582},
         {"lfu", 57'647},
         {"belady", 14'066},
         {"hisparse", 19'266},
         {"fifo,atomic=step", 24'670}});
  check(trace, Scope::shared, "4096", {{"lru", 41'514}, {"fifo", 72'233}, {"belady", 21'711}, {"hisparse", 41'161}});
}

TEST_CASE("Known answers on k512-req_0", "[known]") {
  const TraceReader trace("traces/k512-req_0.dsat");
  REQUIRE(trace.accesses() == 8'388'608);
  check(trace, Scope::stream, "1024",
        {{"lru", 1'287'648},
         {"fifo", 1'913'807},
         {"clock", 1'247'331},
         {"lfu", 5'915'038},
         {"belady", 673'225},
         {"hisparse", 1'192'708},
         {"fifo,atomic=step", 1'500'186}});
}

TEST_CASE("Known answers on k512-req_0 at other capacities", "[known]") {
  const TraceReader trace("traces/k512-req_0.dsat");
  check(trace, Scope::stream, "512",
        {{"lru", 4'859'520},
         {"fifo", 5'124'839},
         {"clock", 3'775'861},
         {"lfu", 7'168'319},
         {"belady", 1'668'144},
         {"hisparse", 2'607'415},
         {"fifo,atomic=step", 2'607'415}});
  check(trace, Scope::stream, "2048",
        {{"lru", 603'713}, {"fifo", 836'751}, {"belady", 329'160}, {"hisparse", 589'819}});
  check(trace, Scope::shared, "16384", {{"lru", 1'233'991}});
}

TEST_CASE("Known answers on smollm2-k64", "[known]") {
  // Counted by loops over sets in Python, which know nothing of this simulator.
  const TraceReader trace("traces/smollm2-k64.dsat");
  REQUIRE(trace.accesses() == 1'152'000);
  check(trace, Scope::stream, "1x", {{"hisparse", 213'796}});
  check(trace, Scope::stream, "2x", {{"lru", 68'339}, {"fifo", 113'053}, {"belady", 41'268}});
}

TEST_CASE("Known answers of policies that rank entries", "[known]") {
  // The first three were counted outside this project; those of the batch are docs/policies.md's own.
  check(TraceReader("traces/k512-req_0.dsat"), Scope::stream, "2x",
        {{"rt", 1'072'646}, {"rt,history=residents", 1'088'208}, {"ewma2", 1'089'306}});
  check(TraceReader("traces/paper128.dsat"), Scope::stream, "2x", {{"rt", 289'384}, {"ewma2", 291'951}});
}

TEST_CASE("Known answers of lirs", "[known]") {
  // Counted by a plain LIRS in Python that knows nothing of this one (docs/validation.md).
  const TraceReader trace("traces/paper128-req_0.dsat");
  check(trace, Scope::shared, "2048", {{"lirs", 120'122}});
  check(trace, Scope::shared, "4096", {{"lirs", 45'562}});
  check(trace, Scope::shared, "8192", {{"lirs", 16'165}});
}

TEST_CASE("In a batch, requests are innermost", "[known]") {
  const TraceReader trace("traces/paper256.dsat");
  REQUIRE(trace.request_count() == 4);
  check(trace, Scope::shared, "24576", {{"lru", 412'501}});  // 411,775 with layers innermost
}
