#include "dsasim/study/study.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "dsasim/report/study_report.hpp"

using namespace dsasim;

namespace {

StudyConfig config_of(std::uint32_t parts) {
  StudyConfig config;
  config.replay.step.model = "llama-3.1-8b";
  config.replay.step.gpu = "h200";
  config.replay.step.kernels = "roofline";
  config.replay.memory.name = "serial";
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
    ReplayConfig replayed = config.replay;
    replayed.policy = point.policy;
    replayed.scope = point.scope;
    replayed.capacity = Capacity::parse_budget(std::to_string(point.reserved_bytes) + "B");
    const ReplayResult expected = replay(trace, replayed);
    CHECK(point.misses == expected.totals.misses());
    CHECK(point.tpot.mean_ns == expected.step_times->tpot.mean_ns);
    CHECK(point.caches == (point.scope == Scope::shared ? 1 : 16));
    CHECK(*expected.config.reservation.bytes <= point.reserved_bytes);
    CHECK(point.capacity_entries == expected.config.capacity_entries.front());
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
    CHECK((point.policy.name == "belady" || point.tpot.mean_ns >= best.tpot.mean_ns));
    const bool same = point.policy == best.policy && point.scope == best.scope;
    if (same && point.reserved_bytes < knee.reserved_bytes) {
      CHECK(none_ns - point.tpot.mean_ns < 0.9 * (none_ns - best.tpot.mean_ns));
    }
  }
  CHECK(none_ns - knee.tpot.mean_ns >= 0.9 * (none_ns - best.tpot.mean_ns));
  CHECK(belady.policy == bound_of(knee.policy));
  CHECK(belady.misses <= knee.misses);
  CHECK(belady.reserved_bytes == knee.reserved_bytes);
  CHECK(study_text(trace, result).find("Reserve ") != std::string::npos);
}

TEST_CASE("A study reserves no more than a GPU sets aside, and leaves nothing out without a word") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  const StudyResult result = study(trace, config_of(4), 2);
  CHECK(result.llc_bytes == 60 << 20U);
  CHECK(result.reservable_bytes == (75 << 20U) / 2);  // 37.5 MiB: data/hardware/README.md
  CHECK(result.points.size() + result.gaps.size() == 4 * 2 * 4);
  for (const StudyPoint& point : result.points) {
    CHECK(point.reserved_bytes <= result.reservable_bytes);
  }
  const std::string text = study_text(trace, result);
  CHECK(text.find("of which at most 37.5 MiB can be set aside") != std::string::npos);
  for (const StudyGap& gap : result.gaps) {
    CHECK(policy_needs(gap.policy).whole_selection);
    CHECK(gap.reason.find("a whole selection 128") != std::string::npos);
    CHECK(text.find(gap.reason) != std::string::npos);
  }
}

TEST_CASE("A reservation that gains next to nothing has no knee") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  StudyConfig config = config_of(2);
  config.replay.memory.name = "serial";
  config.replay.memory.miss_ns = 0;  // misses cost nothing
  const StudyResult result = study(trace, config, 2);
  REQUIRE(result.best);
  CHECK_FALSE(result.knee);
  const std::string text = study_text(trace, result);
  CHECK(text.find("Reserve nothing: ") != std::string::npos);
  CHECK(text.find("knee") == std::string::npos);
}

TEST_CASE("Where a GPU's set-aside is not known, a study says so") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  StudyConfig config = config_of(1);
  config.replay.step.gpu = "h100";  // whose largest set-aside nobody measured
  const StudyResult result = study(trace, config, 1);
  CHECK_FALSE(result.set_aside_bytes);
  CHECK(result.reservable_bytes == result.llc_bytes);
  CHECK(study_text(trace, result).find("how much of it can be set aside is not known") != std::string::npos);
}

TEST_CASE("A study needs a model and a GPU") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  StudyConfig config = config_of(1);
  config.replay.step.gpu.clear();
  CHECK_THROWS_AS(study(trace, config, 1), ConfigError);
}
