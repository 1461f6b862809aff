// Each row of a sweep is what replay() counts at that point, whatever shares its decoding; on any number of jobs, in
// any number of shards, and after any interruption.

#include "dsasim/sweep/sweep.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "dsasim/replay/measure.hpp"
#include "import/captures.hpp"
#include "replay/small_traces.hpp"
#include "sweep/identity.hpp"
#include "sweep/journal.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;
using captures::read_file;
using captures::TempDir;
using captures::write_file;

namespace {

/// Two traces, of groups and of one layer, and a grid over them.
struct Fixture {
  TempDir folder;
  std::string first = folder / "a.dsat";
  std::string second = folder / "b.dsat";
  std::string output = folder / "out.csv";

  Fixture() {
    write_trace(first, random_trace({.requests = 3, .layers = 3, .groups = true}, 1));
    write_trace(second, random_trace({.requests = 2, .layers = 1}, 2));
  }

  Sweep sweep(const std::string& rest) const {
    const std::string text = fmt::format(R"({{"trace": ["{}", "{}"], {}}})", first, second, rest);
    return Sweep(Grid::parse("g.json", text, sweep_keys(), sweep_columns()));
  }
  std::string run(const Sweep& sweep, const SweepOptions& options = {}) const {
    std::filesystem::remove(output + ".journal");
    sweep.run(output, options);
    return read_file(output);
  }
};

const std::string mixed =
    R"("policy": ["lru", "fifo", "hisparse", "belady", "random,seed=5"], "scope": ["stream", "shared", "layer"],
       "capacity": [0, 1, 5, 8, 20, 40, "0.5ctx", "100B"], "entry-bytes": 10,
       "skip": [{"policy": "random,seed=5", "scope": "layer"}])";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

/// The row's last cells, of these many columns and status and error, as replay() gives them.
std::string replayed_cells(const PlannedPoint& point, const std::vector<std::string>& columns) {
  const TraceReader trace(point.spec.trace);
  try {
    const ReplayResult result = replay(trace, point.spec.config);
    std::map<std::string, std::string> fields;
    for (const Measure& measure : measures()) {
      fields[std::string(measure.name)] = text_of(total_of(measure, result));
    }
    std::string cells = fmt::format("{}", fmt::join(result.config.capacity_entries, " "));
    for (const std::string& column : columns) {
      cells += "," + fields.at(column);
    }
    return cells + ",ok,";
  } catch (const ConfigError& error) {
    std::string reason = error.what();
    reason = reason.find(',') == std::string::npos ? reason : "\"" + reason + "\"";
    return std::string(columns.size() + 1, ',') + "refused," + reason;
  }
}

void check_rows(const Sweep& sweep, const std::string& table) {
  const std::vector<std::string> columns = sweep.grid().columns().empty() ? sweep_columns() : sweep.grid().columns();
  const std::vector<std::string> lines = lines_of(table);
  REQUIRE(lines.size() == sweep.points().size() + 1);
  for (const PlannedPoint& point : sweep.points()) {
    CHECK(lines[point.number + 1].ends_with("," + replayed_cells(point, columns)));
    CHECK(lines[point.number + 1].starts_with(fmt::format("{},{},", point.number, point.spec.trace)));
  }
}

}  // namespace

TEST_CASE("A sweep replays as many groups at a time as the memory fits", "[sweep]") {
  std::vector<PointGroup> groups(3);
  groups[0].bytes = 3;
  groups[1].bytes = 5;
  groups[2].bytes = 2;
  const auto threads = [&](const char* memory_bytes, std::uint32_t jobs) {
    ::setenv("DSASIM_MEMORY_BYTES", memory_bytes, 1);
    const std::uint32_t found = Sweep::threads(groups, jobs);
    ::unsetenv("DSASIM_MEMORY_BYTES");
    return found;
  };
  CHECK(threads("10", 3) == 3);
  CHECK(threads("9", 3) == 2);
  CHECK(threads("9", 2) == 2);
  CHECK(threads("7", 3) == 1);
  CHECK(threads("1", 3) == 1);   // which says itself why it cannot
  CHECK(threads("10", 8) == 8);  // more than there are groups: each has several
}

TEST_CASE("Every row of a sweep is what a replay of its point counts, on any number of jobs") {
  const Fixture fixture;
  const Sweep sweep = fixture.sweep(mixed);
  REQUIRE(sweep.points().size() == 2 * (5 * 3 - 1) * 8);
  const std::string table = fixture.run(sweep);
  check_rows(sweep, table);
  CHECK(lines_of(table).front() ==
        "point,trace,policy,scope,capacity,entry-bytes,capacity_entries,accesses,hits,misses,compulsory_misses,"
        "capacity_misses,evictions,miss_ratio,fetched_bytes,missed_pages,gather_ns,cache_hits,llc_sectors,"
        "llc_hit_sectors,prefetched,prefetch_useful,prefetch_wasted,avoided_misses,prefetch_evictions,prefetched_bytes,"
        "idle_steps,retained_hits,refreshes,"
        "tpot_mean_ns,tpot_p50_ns,tpot_p95_ns,tpot_p99_ns,tpot_max_ns,slowdown_all_hit,slowdown_contiguous,"
        "fetched_bytes_per_step,fetched_bytes_per_s,known_joules_per_token,step_misses,step_gather_ns,status,error");
  for (const std::uint32_t jobs : {2U, 7U, 64U}) {
    CHECK(fixture.run(sweep, {.jobs = jobs}) == table);
  }
}

TEST_CASE("Points of lru that a curve serves have the numbers of their replays") {
  const Fixture fixture;
  const Sweep sweep = fixture.sweep(
      R"("columns": ["misses", "hits", "fetched_bytes", "compulsory_misses", "miss_ratio", "accesses",
         "capacity_misses"], "policy": ["lru", "fifo"], "scope": ["stream", "shared"], "warm": ["none", "first"],
         "entry-bytes": 10, "capacity": [0, 1, 2, 3, 5, 8, 13, 20, 30, "0.5ctx", "50B"])");
  const auto groups = Sweep::groups(sweep.shard({}), 1);
  CHECK(std::count_if(groups.begin(), groups.end(), [](const PointGroup& group) { return group.one_pass; }) == 4);
  check_rows(sweep, fixture.run(sweep));
}

TEST_CASE("A curve is not used for columns that it does not know, nor for few points") {
  const Fixture fixture;
  const auto has_curve = [&](const std::string& rest) {
    const auto groups = Sweep::groups(fixture.sweep(rest).shard({}), 1);
    return std::any_of(groups.begin(), groups.end(), [](const PointGroup& group) { return group.one_pass; });
  };
  const std::string eight = R"("capacity": [1, 2, 3, 4, 5, 6, 7, 8])";
  CHECK(has_curve(R"("columns": "misses", )" + eight));
  CHECK_FALSE(has_curve(eight));
  CHECK_FALSE(has_curve(R"("columns": ["misses", "evictions"], )" + eight));
  CHECK_FALSE(has_curve(R"("columns": "misses", "capacity": [1, 2, 3, 4, 5, 6, 7])"));
}

TEST_CASE("Groups have each point once, agree on their family, and are limited") {
  const Fixture fixture;
  const Sweep sweep = fixture.sweep(mixed);
  const auto replayable = static_cast<std::size_t>(std::count_if(
      sweep.points().begin(), sweep.points().end(), [](const PlannedPoint& point) { return point.refusal.empty(); }));
  REQUIRE(replayable < sweep.points().size());
  for (const std::uint32_t jobs : {1U, 2U, 16U, 500U}) {
    std::set<std::size_t> seen;
    for (const PointGroup& group : Sweep::groups(sweep.shard({}), jobs)) {
      CHECK(group.points.size() <= 16);
      for (const PlannedPoint* point : group.points) {
        CHECK(point->run.family == group.points.front()->run.family);
        CHECK(point->refusal.empty());
        CHECK(seen.insert(point->number).second);
      }
    }
    CHECK(seen.size() == replayable);
  }
}

TEST_CASE("Shards are a division of the points into parts of about equal cost") {
  const Fixture fixture;
  const Sweep sweep = fixture.sweep(mixed);
  std::uint64_t total_ns = 0;
  std::uint64_t largest_ns = 0;
  for (const PlannedPoint& point : sweep.points()) {
    total_ns += point.run.cost_ns;
    largest_ns = std::max(largest_ns, point.run.cost_ns);
  }
  for (const std::uint32_t shards : {1U, 2U, 3U, 7U, 300U}) {
    std::set<std::size_t> seen;
    for (std::uint32_t number = 1; number <= shards; ++number) {
      std::uint64_t cost_ns = 0;
      for (const PlannedPoint* point : sweep.shard({.number = number, .count = shards})) {
        CHECK(seen.insert(point->number).second);
        cost_ns += point->run.cost_ns;
      }
      CHECK(cost_ns <= total_ns / shards + largest_ns + 1);
      CHECK(cost_ns + largest_ns + 1 >= total_ns / shards);
    }
    CHECK(seen.size() == sweep.points().size());
  }
}

TEST_CASE("The merger of all shards is the whole, shards without points included") {
  const Fixture fixture;
  const auto check = [&](const Sweep& sweep, std::uint32_t shards) {
    const std::string whole = fixture.run(sweep);
    std::vector<std::string> parts;
    for (std::uint32_t number = shards; number > 0; --number) {
      parts.push_back(fixture.folder / fmt::format("{}_{}.csv", number, shards));
      sweep.run(parts.back(), {.shard = Shard{.number = number, .count = shards}});
    }
    const MergedParts merged = merge_parts(parts);
    CHECK(merged.table == whole);
    CHECK(merged.points == sweep.points().size());
    CHECK(merged.without_result == sweep.run(fixture.output, {}).without_result);
  };
  check(fixture.sweep(mixed), 3);
  check(fixture.sweep(R"("capacity": [1, 2])"), 1);
  check(fixture.sweep(R"("capacity": [1, 2])"), 9);
}

TEST_CASE("Merging refuses what is not exactly one sweep") {
  const Fixture fixture;
  const Sweep sweep = fixture.sweep(R"("policy": ["lru", "fifo"], "capacity": [1, 2, 3])");
  const Sweep other = fixture.sweep(R"("policy": ["lru", "fifo"], "capacity": [1, 2, 4])");
  const auto part = [&](const Sweep& of, std::uint32_t number, std::uint32_t count) {
    const std::string path = fixture.folder / fmt::format("{}_{}_{}.csv", &of == &sweep ? 1 : 0, number, count);
    of.run(path, {.shard = Shard{.number = number, .count = count}});
    return path;
  };
  const auto error_of = [&](const std::vector<std::string>& paths) {
    try {
      merge_parts(paths);
    } catch (const ConfigError& error) {
      return fixture.folder.strip(error.what());
    }
    return std::string("no error");
  };
  const std::string first = part(sweep, 1, 2);
  const std::string second = part(sweep, 2, 2);
  CHECK(error_of({second, first}) == "no error");
  CHECK(error_of({first}).find("is in no part; missing of 2 shards: 2") != std::string::npos);
  CHECK(error_of({first, second, first}).find("1_1_2.csv: has point 0, and so has ") != std::string::npos);
  CHECK(error_of({first, part(other, 2, 2)}).find("0_2_2.csv: is of another sweep than ") != std::string::npos);
  CHECK(error_of({first, part(sweep, 2, 3)}).find("is one of 3 shards") != std::string::npos);
  CHECK_THROWS_AS(merge_parts({fixture.folder / "none.csv"}), SystemError);
  fixture.run(sweep);
  CHECK(error_of({fixture.output}).find("is no part of a sweep: expected a first line") != std::string::npos);
  const std::string whole = read_file(first);
  for (const std::size_t kept : {whole.size() - 1, whole.size() / 2, std::size_t{20}, std::size_t{0}}) {
    write_file(first, whole.substr(0, kept));
    CHECK(error_of({first, second}) != "no error");
  }
}

TEST_CASE("A sweep goes on from any prefix of its journal, and repeats nothing") {
  const Fixture fixture;
  const Sweep sweep = fixture.sweep(R"("policy": ["lru", "belady"], "capacity": [0, 3, 9])");
  const std::string whole = fixture.run(sweep);
  const std::string journal_path = fixture.output + ".journal";
  const std::string journal = read_file(journal_path);
  for (std::size_t kept = 0; kept <= journal.size(); kept += 37) {  // bytes: two or three cuts a line
    write_file(journal_path, journal.substr(0, kept));
    std::filesystem::remove(fixture.output);
    const auto lines = static_cast<std::size_t>(
        std::count(journal.begin(), journal.begin() + static_cast<std::ptrdiff_t>(kept), '\n'));
    const SweepOutcome outcome = sweep.run(fixture.output, {});
    CHECK(outcome.found_done == (lines == 0 ? 0 : lines - 1));
    CHECK(read_file(fixture.output) == whole);
    CHECK(lines_of(read_file(journal_path)).size() == sweep.points().size() + 1);
  }
}

TEST_CASE("A sweep refuses the journal of another with the difference, unless told to begin anew") {
  const Fixture fixture;
  const std::string rest = R"("policy": "lru", "capacity": [1, 2])";
  fixture.run(fixture.sweep(rest));
  const auto error_of = [&](const Sweep& sweep, const SweepOptions& options = {}) {
    try {
      sweep.run(fixture.output, options);
    } catch (const ConfigError& error) {
      const std::string message = fixture.folder.strip(error.what());
      return message.substr(message.find("sweep: ") + 7);
    }
    return std::string("no error");
  };
  const std::string end = "; `restart` forgets what it finished";
  CHECK(error_of(fixture.sweep(rest)) == "no error");
  CHECK(error_of(fixture.sweep(R"("policy": "lru", "capacity": [1, 3])")) ==
        R"(/grid/capacity was ["1","2"], now ["1","3"])" + end);
  CHECK(error_of(fixture.sweep(R"("capacity": [1, 2])")) == "/grid/policy is gone" + end);
  CHECK(error_of(fixture.sweep(rest + R"(, "scope": "shared")")) == "/grid/scope is new" + end);
  CHECK(error_of(fixture.sweep(R"("capacity": [1, 2], "policy": "lru")")) ==
        "/grid has its keys in another order" + end);
  CHECK(error_of(fixture.sweep(rest + R"(, "skip": [{"capacity": 1}])")) ==
        R"(/skip was [], now [{"capacity":1}])" + end);
  CHECK(error_of(fixture.sweep(rest + R"(, "columns": "hits")")) == R"(/columns was [], now ["hits"])" + end);
  CHECK(error_of(fixture.sweep(rest), {.shard = Shard{}}) == R"(/shard was "all", now "1/1")" + end);
  const std::string digest = TraceReader(fixture.second).digest();
  write_trace(fixture.second, random_trace({.requests = 2, .layers = 1}, 3));
  CHECK(error_of(fixture.sweep(rest)).find(fmt::format(R"(b.dsat/digest was "{}", now ")", digest)) !=
        std::string::npos);
  CHECK(error_of(fixture.sweep(rest), {.restart = true}) == "no error");
  CHECK(error_of(fixture.sweep(rest)) == "no error");
  CHECK(identity_difference(R"({"version":"0.1.0"})", R"({"version":"0.2.0"})") ==
        R"(/version was "0.1.0", now "0.2.0")");
}

TEST_CASE("Points of a damaged trace fail, the others go on, and failed ones are tried again") {
  const Fixture fixture;
  const std::string good = read_file(fixture.first);
  std::string damaged = good;
  damaged[good.size() / 2] = static_cast<char>(damaged[good.size() / 2] ^ 1);
  const std::string rest = R"("policy": ["lru", "fifo"], "capacity": [1, 2])";
  const std::string whole = fixture.run(fixture.sweep(rest));
  std::filesystem::remove(fixture.output + ".journal");
  write_file(fixture.first, damaged);
  const SweepOutcome outcome = fixture.sweep(rest).run(fixture.output, {});
  CHECK(outcome.without_result == 4);
  CHECK(outcome.first_reason.find("a.dsat") != std::string::npos);
  const auto rows = lines_of(read_file(fixture.output));
  CHECK(std::count_if(rows.begin(), rows.end(),
                      [](const auto& r) { return r.find(",failed,") != std::string::npos; }) == 4);
  CHECK(std::count_if(rows.begin(), rows.end(), [](const auto& r) { return r.ends_with(",ok,"); }) == 4);
  write_file(fixture.first, good);
  CHECK(fixture.sweep(rest).run(fixture.output, {}).without_result == 0);
  CHECK(read_file(fixture.output) == whole);
}

TEST_CASE("What changes while a sweep runs has no results, nor for good") {
  const Fixture fixture;
  const Sweep sweep = fixture.sweep(R"("policy": ["lru", "fifo"], "capacity": [1, 2])");
  const std::string good = read_file(fixture.first);
  PlainTrace late = random_trace({.requests = 3, .layers = 3, .groups = true}, 1);
  late.header.requests[1].start_step += 1;
  write_trace(fixture.first, late);
  const SweepOutcome outcome = sweep.run(fixture.output, {});
  CHECK(outcome.without_result == 4);
  CHECK(outcome.first_reason.ends_with("a.dsat: has changed since the sweep began: its start_steps"));
  write_file(fixture.first, good);
  CHECK(sweep.run(fixture.output, {}).without_result == 0);
}

TEST_CASE("Progress ends at all points and the whole work") {
  const Fixture fixture;
  const Sweep sweep = fixture.sweep(mixed);
  for (const std::uint32_t jobs : {1U, 3U}) {
    SweepProgress last;
    std::filesystem::remove(fixture.output + ".journal");
    sweep.run(fixture.output, {.jobs = jobs}, [&](const SweepProgress& progress) {
      CHECK(progress.share_done >= last.share_done - 1e-9);
      last = progress;
    });
    CHECK(last.points == sweep.points().size());
    CHECK(last.points_done == last.points);
    CHECK(std::abs(last.share_done - 1) < 1e-6);
  }
}
