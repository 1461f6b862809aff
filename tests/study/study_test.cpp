#include "dsasim/study/study.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "dsasim/report/study_report.hpp"

using namespace dsasim;

namespace {

StudyConfig config_of(std::uint32_t parts) {
  StudyConfig config;
  config.step.model = "llama-3.1-8b";
  config.step.gpu = "h200";
  config.memory.name = "serial";
  config.parts = parts;
  return config;
}

}  // namespace

TEST_CASE("Every point of a study is what a replay counts") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  const StudyConfig config = config_of(4);
  const StudyResult result = study(trace, config, 2);
  CHECK(result.entry_cost_bytes == 2 * result.config.entry_bytes);  // 16 layers stand for 32
  REQUIRE(!result.points.empty());
  for (const StudyPoint& point : result.points) {
    ReplayConfig replayed;
    replayed.policy = parse_policy(point.policy);
    replayed.scope = point.scope;
    replayed.capacity = Capacity::parse(std::to_string(point.capacity_entries));
    replayed.memory = config.memory;
    replayed.step = config.step;
    const ReplayResult expected = replay(trace, replayed);
    CHECK(point.misses == expected.totals.misses());
    CHECK(point.tpot.mean_ns == expected.step_times->tpot.mean_ns);
    const std::uint64_t caches = point.scope == Scope::shared ? 1 : 16;
    CHECK(point.capacity_entries * caches * result.entry_cost_bytes <= point.reserved_bytes);
    CHECK(point.tpot.mean_ns <= result.nothing.tpot.mean_ns);
    CHECK(point.tpot.mean_ns >= result.all_hit_tpot_ns);
  }
}

TEST_CASE("The best point, the knee and Belady's are what they are called") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  const StudyResult result = study(trace, config_of(8), 1);
  REQUIRE(result.best);
  REQUIRE(result.knee);
  REQUIRE(result.belady);
  const StudyPoint& best = result.points[*result.best];
  const StudyPoint& knee = result.points[*result.knee];
  const StudyPoint& belady = result.points[*result.belady];
  const double none_ns = result.nothing.tpot.mean_ns;
  for (const StudyPoint& point : result.points) {
    CHECK((point.policy == "belady" || point.tpot.mean_ns >= best.tpot.mean_ns));
    const bool same = point.policy == best.policy && point.scope == best.scope;
    if (same && point.reserved_bytes < knee.reserved_bytes) {
      CHECK(none_ns - point.tpot.mean_ns < 0.9 * (none_ns - best.tpot.mean_ns));
    }
  }
  CHECK(none_ns - knee.tpot.mean_ns >= 0.9 * (none_ns - best.tpot.mean_ns));
  CHECK(belady.misses <= knee.misses);
  CHECK(belady.reserved_bytes == knee.reserved_bytes);
  CHECK(study_text(trace, result).find("Reserve ") != std::string::npos);
}

TEST_CASE("A study needs a model and a GPU") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  StudyConfig config = config_of(1);
  config.step.gpu.clear();
  CHECK_THROWS_AS(study(trace, config, 1), ConfigError);
}
