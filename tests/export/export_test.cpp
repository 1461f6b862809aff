// What other tools get: read back by import, or replayed by a plain simulator that knows nothing but the exported
// bytes.

#include "dsasim/export/export.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "dsasim/import/import.hpp"
#include "import/captures.hpp"
#include "replay/small_traces.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <list>
#include <map>
#include <set>

using namespace dsasim;
using namespace dsasim::test;
using captures::TempDir;

namespace {

std::string exported(const TraceReader& trace, std::string_view format, const ReplayConfig& config = {}) {
  std::string bytes;
  export_trace(trace, format, config, [&](std::string_view piece) { bytes += piece; });
  return bytes;
}

/// Everything that a header can say, and requests that have steps: one without any is nothing to capture.
PlainTrace busy_batch(std::uint64_t seed) {
  PlainTrace trace = random_trace({.requests = 3,
                                   .layers = 3,
                                   .unit_tokens = seed % 2 == 0 ? 4U : 1U,
                                   .ids = seed % 3 == 0 ? IdKind::physical : IdKind::logical,
                                   .groups = true},
                                  seed);
  trace.header.requests.pop_back();  // the last has no steps
  trace.requests.pop_back();
  trace.header.page_tokens = seed % 4 == 0 ? 0 : 64;
  trace.header.entry_bytes = seed % 5 == 0 ? 0 : 584;
  return trace;
}

void check_same(const TraceHeader& found, const TraceHeader& expected) {
  CHECK(found.ids == expected.ids);
  CHECK(found.unit_tokens == expected.unit_tokens);
  CHECK(found.page_tokens == expected.page_tokens);
  CHECK(found.entry_bytes == expected.entry_bytes);
  CHECK(found.has_scores == expected.has_scores);
  CHECK(found.layers == expected.layers);
  REQUIRE(found.requests.size() == expected.requests.size());
  for (std::size_t i = 0; i < expected.requests.size(); ++i) {
    CHECK(found.requests[i].prompt_tokens == expected.requests[i].prompt_tokens);
    CHECK(found.requests[i].start_step == expected.requests[i].start_step);
  }
}

/// What the file holds once it was imported, by its digest.
std::string digest_after(const std::vector<std::filesystem::path>& files, const ImportOptions& options,
                         const TempDir& folder) {
  import_captures(files, folder / "back.dsat", options);
  return TraceReader(folder / "back.dsat").digest();
}

struct Access {
  std::uint32_t time;
  std::uint64_t object;
  std::uint32_t size;
  std::int64_t next;
};

std::vector<Access> oracle_accesses(const std::string& bytes) {
  constexpr std::size_t record_bytes = 24;
  REQUIRE(bytes.size() % record_bytes == 0);
  std::vector<Access> accesses;
  for (std::size_t at = 0; at < bytes.size(); at += record_bytes) {
    Access access{};
    std::memcpy(&access.time, bytes.data() + at, 4);
    std::memcpy(&access.object, bytes.data() + at + 4, 8);
    std::memcpy(&access.size, bytes.data() + at + 12, 4);
    std::memcpy(&access.next, bytes.data() + at + 16, 8);
    accesses.push_back(access);
  }
  return accesses;
}

/// A queue of objects; `promote` makes it LRU, otherwise it is FIFO.
std::uint64_t misses_of(const std::vector<Access>& accesses, std::size_t capacity, bool promote) {
  std::list<std::uint64_t> queue;
  std::map<std::uint64_t, std::list<std::uint64_t>::iterator> places;
  std::uint64_t misses = 0;
  for (const Access& access : accesses) {
    const auto found = places.find(access.object);
    if (found != places.end()) {
      if (promote) {
        queue.splice(queue.end(), queue, found->second);
      }
      continue;
    }
    ++misses;
    if (queue.size() == capacity) {
      places.erase(queue.front());
      queue.pop_front();
    }
    places[access.object] = queue.insert(queue.end(), access.object);
  }
  return misses;
}

}  // namespace

TEST_CASE("A request exported as npz is imported again as it was") {
  const TempDir folder;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    write_trace(folder / "t.dsat", busy_batch(seed));
    const TraceReader trace(folder / "t.dsat");
    std::vector<std::filesystem::path> files;
    for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
      files.push_back(folder / ("req_" + std::to_string(request) + ".npz"));
      export_npz(trace, request, files.back());
    }
    CHECK(digest_after(files, {}, folder) == trace.digest());
    check_same(TraceReader(folder / "back.dsat").header(), trace.header());
  }
}

TEST_CASE("Scores and emission order survive npz and csv") {
  const TempDir folder;
  const TraceReader trace("traces/scored-k512-req_0.dsat");
  ImportOptions options;
  options.steps = 3;
  export_npz(trace, 0, folder / "r.npz");
  const std::string by_npz = digest_after({folder / "r.npz"}, options, folder);
  ReplayConfig config;
  config.steps = StepRange{.first = 0, .last = 3};
  captures::write_file(folder / "r.csv", exported(trace, "csv", config));
  options.prompt_tokens = trace.header().requests[0].prompt_tokens;
  CHECK(digest_after({folder / "r.csv"}, options, folder) == by_npz);
  CHECK(TraceReader(folder / "back.dsat").header().has_scores);
}

TEST_CASE("Scores that are no numbers come back from npz bit by bit") {
  const TempDir folder;
  TraceHeader header;
  header.has_scores = true;
  header.layers = {{}};
  header.requests = {{.prompt_tokens = 9}};
  const std::vector<EntryId> ids = {EntryId{4}, EntryId{2}, EntryId{7}};
  const std::vector<std::uint16_t> scores = {0x7e01, 0xfdff, 0x7c00};  // two NaNs with payloads, and infinity
  {
    TraceWriter writer(folder / "t.dsat", header);
    writer.append(0, ids, scores);
    writer.finish();
  }
  const TraceReader trace(folder / "t.dsat");
  export_npz(trace, 0, folder / "r.npz");
  CHECK(digest_after({folder / "r.npz"}, {}, folder) == trace.digest());
  const TraceReader back(folder / "back.dsat");
  RequestCursor cursor(back, 0, 0, 1);
  REQUIRE(cursor.next());
  CHECK(std::equal(scores.begin(), scores.end(), cursor.selection(0).scores));
}

TEST_CASE("An npz written twice is the same bytes") {
  const TempDir folder;
  write_trace(folder / "t.dsat", busy_batch(7));
  const TraceReader trace(folder / "t.dsat");
  export_npz(trace, 0, folder / "a.npz");
  // The members' times are those of no clock: the first day of 1980, as the format has it (date 0x0021, time 0).
  export_npz(trace, 0, folder / "b.npz");
  const std::string bytes = captures::read_file(folder / "a.npz");
  CHECK(bytes == captures::read_file(folder / "b.npz"));
  CHECK(bytes.substr(10, 4) == std::string("\x00\x00\x21\x00", 4));
}

TEST_CASE("CSV has a line an id, and one for a selection without any") {
  const TempDir folder;
  PlainTrace plain = one_stream({{5, 3}, {}}, 9);
  write_trace(folder / "t.dsat", plain);
  CHECK(exported(TraceReader(folder / "t.dsat"), "csv") == "request,step,layer,id\n0,0,0,5\n0,0,0,3\n0,1,0,\n");
}

TEST_CASE("CSV has the steps of the batch, and they come back") {
  const TempDir folder;
  PlainTrace plain = one_stream({{5, 3}, {6, 1}}, 9);
  plain.header.requests.push_back({.prompt_tokens = 9, .start_step = 20});
  plain.requests.push_back(plain.requests.front());
  write_trace(folder / "t.dsat", plain);
  const TraceReader trace(folder / "t.dsat");
  const std::string text = exported(trace, "csv");
  CHECK(text ==
        "request,step,layer,id\n0,0,0,5\n0,0,0,3\n0,1,0,6\n0,1,0,1\n"
        "1,20,0,5\n1,20,0,3\n1,21,0,6\n1,21,0,1\n");
  captures::write_file(folder / "r.csv", text);
  ImportOptions options;
  options.prompt_tokens = 9;
  CHECK(digest_after({folder / "r.csv"}, options, folder) == trace.digest());
  CHECK(TraceReader(folder / "back.dsat").header().requests[1].start_step == 20);
  // Of a part, too.
  ReplayConfig config;
  config.steps = StepRange{.first = 21, .last = 22};
  CHECK(exported(trace, "csv", config) == "request,step,layer,id\n1,21,0,6\n1,21,0,1\n");
}

TEST_CASE("A plain simulator counts from oracleGeneral's records what a replay counts") {
  const TempDir folder;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    write_trace(folder / "t.dsat", random_trace({.requests = 3, .layers = 2, .groups = true}, seed));
    const TraceReader trace(folder / "t.dsat");
    const std::vector<Access> accesses = oracle_accesses(exported(trace, "oracle-general"));
    CHECK(accesses.size() == trace.accesses());
    for (const std::size_t capacity : {3U, 8U, 20U}) {
      for (const char* policy : {"lru", "fifo"}) {
        ReplayConfig config;
        config.policy = parse_policy(policy);
        config.scope = Scope::shared;
        config.capacity = Capacity::parse(std::to_string(capacity));
        CHECK(misses_of(accesses, capacity, config.policy.name == "lru") == replay(trace, config).totals.misses());
      }
    }
  }
}

// Recorded from libCacheSim over our oracleGeneral files: docs/validation.md has its version.
TEST_CASE("libCacheSim misses what a replay misses") {
  std::ifstream figures("tests/export/libcachesim.csv");
  std::string line;
  std::getline(figures, line);
  int rows = 0;
  for (std::string name, policy, entries, requests, misses;
       std::getline(figures, name, ',') && std::getline(figures, policy, ',') && std::getline(figures, entries, ',') &&
       std::getline(figures, requests, ',') && std::getline(figures, misses);
       ++rows) {
    CAPTURE(name, policy, entries);
    const TraceReader trace("traces/" + name + ".dsat");
    ReplayConfig config;
    config.policy = parse_policy(policy);
    config.scope = Scope::shared;
    config.capacity = Capacity::parse(entries);
    CHECK(std::to_string(trace.accesses()) == requests);
    CHECK(std::to_string(replay(trace, config).totals.misses()) == misses);
    if (name == "paper128-req_0" && (policy == "lru" || policy == "fifo")) {  // the same code over more bytes elsewhere
      const std::vector<Access> accesses = oracle_accesses(exported(trace, "oracle-general"));
      CHECK(std::to_string(misses_of(accesses, std::stoul(entries), policy == "lru")) == misses);
    }
  }
  CHECK(rows == 32);
}

TEST_CASE("A request that begins late has its records there") {
  const TempDir folder;
  PlainTrace plain = one_stream({{1}, {1, 2}});
  plain.header.requests.front().start_step = 4'000'000'000U;
  write_trace(folder / "t.dsat", plain);
  const std::vector<Access> accesses = oracle_accesses(exported(TraceReader(folder / "t.dsat"), "oracle-general"));
  REQUIRE(accesses.size() == 3);
  CHECK(accesses[0].time == 4'000'000'000U);
  CHECK(accesses[2].time == 4'000'000'001U);
}

TEST_CASE("Every record says when its object comes next") {
  const TempDir folder;
  write_trace(folder / "t.dsat", random_trace({}, 7));
  const TraceReader trace(folder / "t.dsat");
  const std::vector<Access> accesses = oracle_accesses(exported(trace, "oracle-general"));
  std::map<std::uint64_t, std::int64_t> next;
  for (std::size_t i = accesses.size(); i-- > 0;) {
    const auto found = next.find(accesses[i].object);
    CHECK(accesses[i].next == (found == next.end() ? -1 : found->second));
    CHECK(accesses[i].size == 1);
    next[accesses[i].object] = static_cast<std::int64_t>(i);
  }
}

TEST_CASE("Addresses are the lines of the rows that are read, in order") {
  const TempDir folder;
  write_trace(folder / "t.dsat", one_stream({{0, 2}, {2, 3}}));
  const TraceReader trace(folder / "t.dsat");
  const auto lines_of = [&](const char* capacity, std::uint64_t entry_bytes) {
    ReplayConfig config;
    config.capacity = Capacity::parse(capacity);
    config.entry_bytes = entry_bytes;
    const std::string bytes = exported(trace, "addresses", config);
    std::vector<std::uint64_t> lines(bytes.size() / 8);
    std::memcpy(lines.data(), bytes.data(), bytes.size());
    for (std::uint64_t& line : lines) {
      line -= 0x1000'0000;
    }
    return lines;
  };
  CHECK(lines_of("0", 64) == std::vector<std::uint64_t>{0, 128, 128, 192});
  CHECK(lines_of("8", 64) == std::vector<std::uint64_t>{0, 128, 192});
  // Rows of 100 bytes: 0 to 99, 200 to 299, 300 to 399.
  CHECK(lines_of("8", 100) == std::vector<std::uint64_t>{0, 64, 192, 256, 256, 320, 384});
}

TEST_CASE("Every layer of a group has lines of its own") {
  const TempDir folder;
  PlainTrace plain = one_stream({{1}});
  plain.header.layers = {{.model_layer = 0, .group_size = 3}};
  write_trace(folder / "t.dsat", plain);
  ReplayConfig config;
  config.capacity = Capacity::parse("0");
  config.entry_bytes = 64;
  CHECK(exported(TraceReader(folder / "t.dsat"), "addresses", config).size() == 3 * 8);
}

TEST_CASE("Exports that cannot be are refused") {
  const TempDir folder;
  write_trace(folder / "t.dsat", one_stream({{1}}));
  const TraceReader trace(folder / "t.dsat");
  CHECK_THROWS_WITH(exported(trace, "parquet"),
                    "`to`: unknown format \"parquet\"; known: npz, csv, oracle-general, addresses");
  CHECK_THROWS_AS(exported(trace, "addresses"), ConfigError);
  CHECK_THROWS_AS(export_npz(trace, 0, folder.path() / "none/r.npz"), SystemError);
}
