// Traces that are valid and ask for much, or claim what is not so: bounded memory, and refusals instead of wrong
// numbers.

#include "dsasim/allocate/allocate.hpp"
#include "dsasim/analysis/analysis.hpp"
#include "dsasim/curve/curve.hpp"
#include "dsasim/curve/knee.hpp"
#include "dsasim/error.hpp"
#include "dsasim/export/export.hpp"
#include "dsasim/replay/replay.hpp"
#include "dsasim/report/report.hpp"

#include "catch.hpp"
#include "import/captures.hpp"
#include "refusal.hpp"
#include "replay/directory_layout.hpp"
#include "replay/small_traces.hpp"
#include "trace/forge.hpp"
#include "trace/machine_memory.hpp"

#include <cstdlib>
#include <numeric>

using namespace dsasim;
using namespace dsasim::test;
using captures::TempDir;

namespace {

ReplayConfig at(std::string_view capacity, std::string_view policy = "lru") {
  ReplayConfig config;
  config.policy = parse_policy(policy);
  config.capacity = Capacity::parse(capacity);
  return config;
}

std::vector<std::uint32_t> ids_up_to(std::uint32_t count) {
  std::vector<std::uint32_t> ids(count);
  std::iota(ids.begin(), ids.end(), 0U);
  return ids;
}

/// A layer that stands for as many as a trace can say.
PlainTrace of_large_group(const std::vector<PlainSelection>& selections, std::uint64_t prompt_tokens) {
  PlainTrace trace = one_stream(selections, prompt_tokens);
  trace.header.layers[0].group_size = TraceHeader::max_layers;
  trace.header.entry_bytes = TraceHeader::max_entry_bytes;
  return trace;
}

/// Changes $DSASIM_MEMORY_BYTES for a test.
class MemoryLimit {
 public:
  explicit MemoryLimit(const char* bytes) { ::setenv("DSASIM_MEMORY_BYTES", bytes, 1); }
  ~MemoryLimit() { ::unsetenv("DSASIM_MEMORY_BYTES"); }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;
};

}  // namespace

TEST_CASE("Whoever reads to the end compares the last chunk with its head", "[limits]") {
  TempDir dir;
  write_trace(dir / "t.dsat", one_stream({{1, 4, 8}, {1, 4, 9}, {30, 4, 1}, {4, 8, 30}}, 60), 4);
  traces::Forgery forgery = traces::take_apart(traces::read_bytes(dir / "t.dsat"));
  auto& head = forgery.chunks.back().head;
  head.accesses = 70;
  head.longest_selection = 20;
  head.id_limit = 40;
  traces::write_bytes(dir / "t.dsat", traces::assemble(forgery));
  const TraceReader trace(dir / "t.dsat");
  const std::string expected =
      "request 0, steps 0-3: holds 12 ids below 31 in selections of up to 3; its head says 70, 40 and 20";
  const ExportSink sink = [](std::string_view) {};
  const std::vector<std::function<void()>> readers = {
      [&] { replay(trace, at("2x")); },
      [&] { replay(trace, at("2x", "belady")); },
      [&] { replay(trace, at("2x"), {}, 3); },
      [&] { curve(trace, {.replay = at("2x"), .capacities = {}}); },
      [&] { curve(trace, {.replay = at("2x", "fifo"), .capacities = {Capacity::parse("4")}}); },
      [&] {
        knees(trace, {.replay = at("2x"),
                      .policies = {parse_policy("lru")},
                      .target = parse_target("misses=0"),
                      .capacities = {}});
      },
      [&] {
        AllocateConfig config;
        config.replay = at("0");
        config.budget = Capacity::parse("2x");
        allocate(trace, config);
      },
      [&] { analyze(trace, {}); },
      [&] { export_trace(trace, "csv", {}, sink); },
      [&] { export_trace(trace, "oracle-general", {}, sink); },
      [&] { export_npz(trace, 0, dir / "r.npz"); },
      [&] { trace.verify(); }};
  for (const auto& read : readers) {
    traces::check_contains(traces::trace_error(read), expected);
  }
}

TEST_CASE("A part of the steps is read without the counts of what it leaves out", "[limits]") {
  TempDir dir;
  write_trace(dir / "t.dsat", one_stream({{1, 4, 8}, {1, 4, 9}, {30, 4, 1}, {4, 8, 30}}, 60), 4);
  const TraceReader trace(dir / "t.dsat");
  ReplayConfig config = at("0");
  config.steps = StepRange{.first = 1, .last = 3};
  CHECK(replay(trace, config).totals.accesses == 6);
}

TEST_CASE("Bytes beyond 2^64 are an error, the rows that they are of are not", "[limits]") {
  TempDir dir;
  // 263 steps of 1,000 ids, all missed, in 2^16 layers: 1.72e10 rows of 2^30 bytes, 1.0003 times 2^64 bytes.
  const PlainTrace large = of_large_group(std::vector<PlainSelection>(263, ids_up_to(1000)), 1000);
  write_trace(dir / "t.dsat", large, 300);
  const TraceReader trace(dir / "t.dsat");
  const ReplayResult result = replay(trace, at("0"));
  CHECK(result.totals.fetched_rows == std::uint64_t{263'000} << 16U);
  CHECK(refusal([&] { report_json(trace, result); }) == "fetched_bytes: comes to 2^64 or more; expected less");
  CHECK(report_table(trace, result).find(" TB") !=
        std::string::npos);  // what a person reads is rounded, and not wrapped
  // The capacities in bytes of all its layers, too.
  AllocateConfig config;
  config.replay = at("0");
  config.replay.entry_bytes = std::uint64_t{1} << 50U;
  config.budget = Capacity::parse("1MB");
  CHECK(refusal([&] { allocate(trace, config); }) ==
        "the bytes of an entry in the layers of its group: comes to 2^64 or more; expected less");
}

TEST_CASE("A time beyond 2^64 ns is an error", "[limits]") {
  TempDir dir;
  PlainTrace trace_of_pages = of_large_group({ids_up_to(300'000)}, 300'000);
  write_trace(dir / "t.dsat", trace_of_pages);
  const TraceReader trace(dir / "t.dsat");
  ReplayConfig config = at("0");
  config.page_tokens = 1;
  config.memory.miss_ns = 1e9;  // 300,000 pages, one after the other, in 2^16 layers: 1.966e19 ns
  CHECK(refusal([&] { replay(trace, config); }) == "gather_ns: comes to 2^64 or more; expected less");
  config.memory.miss_ns = 9e8;
  CHECK(replay(trace, config).totals.gather_ns == 17'694'720'000'000'000'000ULL);
}

TEST_CASE("A cache has slots for what is ever in it", "[limits]") {
  TempDir dir;
  PlainTrace small = one_stream({ids_up_to(16), ids_up_to(16)}, 1'000'000);
  small.requests[0][1][0].back() = 999'999;
  write_trace(dir / "t.dsat", small);
  const TraceReader trace(dir / "t.dsat");
  const auto slots = [&](const ReplayConfig& config) {
    const std::vector<std::uint64_t> capacity = effective_config(trace, config).capacity_entries;
    return DirectoryLayout::slots(make_layout(trace, config, capacity).caches.at(0));
  };
  ReplayConfig config = at("1ctx");
  CHECK(slots(config) == 32);  // two steps of 16 ids
  CHECK(slots(at("20")) == 20);
  config.new_token = NewToken::allocate;
  CHECK(slots(config) == 34);  // and an entry put in at each step
  config.warm = Warm::first;
  CHECK(slots(config) == 1'000'002);  // the prompt is put in
  config = at("1ctx", "hisparse");
  config.new_token = NewToken::pinned;
  CHECK(slots(config) == 1'000'002);  // a context that fits the buffer is in it from the start

  for (const char* policy :
       {"lru", "fifo", "fifo,atomic=step", "random", "random,atomic=step", "clock", "lfu", "belady", "hisparse"}) {
    for (const Scope scope : {Scope::shared, Scope::stream}) {
      ReplayConfig any = at("1ctx", policy);
      any.scope = scope;
      CHECK(replay(trace, any).totals.misses() == 17);
      any.capacity = Capacity::parse("18446744073709551615");
      CHECK(replay(trace, any).totals.misses() == 17);
    }
  }
}

TEST_CASE("What does not fit the memory is refused before anything is done, and says what would", "[limits]") {
  TempDir dir;
  PlainTrace physical = one_stream({ids_up_to(100), ids_up_to(200)});
  physical.header.ids = IdKind::physical;
  write_trace(dir / "t.dsat", physical);
  const TraceReader trace(dir / "t.dsat");
  const MemoryLimit limit("1500");
  traces::check_contains(refusal([&] { replay(trace, at("200")); }), "of memory (");
  traces::check_contains(refusal([&] { replay(trace, at("200")); }), "the memory limit is 0.0 MiB");
  traces::check_contains(refusal([&] { curve(trace, {.replay = at("200"), .capacities = {}}); }), "of memory (");
  const std::vector<ReplayConfig> configs(4, at("200", "lfu"));
  const MemoryLimit wider("20000");
  traces::check_contains(refusal([&] { replay_all(trace, configs); }), "2 of these 4 configurations at once would fit");
  const MemoryLimit wrong("8 GiB");
  CHECK(refusal([&] { replay(trace, at("200")); }) ==
        "DSASIM_MEMORY_BYTES: expected a number of bytes, found \"8 GiB\"");
}

TEST_CASE("A replay ends when the process holds more than the limit, whoever took it", "[limits]") {
  TempDir dir;
  write_trace(dir / "t.dsat", one_stream({ids_up_to(100), ids_up_to(200)}, 300));
  const TraceReader trace(dir / "t.dsat");
  const MemoryLimit limit("2000000000");
  CHECK(replay(trace, at("200")).totals.misses() == 200);
  const trace::MachineMemory less{.bytes = 4096, .subject = "the memory limit is"};
  const std::string message = refusal([&] { trace::require_held(trace, less); });
  traces::check_contains(message, "holds ");
  traces::check_contains(message, " of memory, the memory limit is 0.0 MiB");
}

TEST_CASE("The limit of a control group is the least of its own and those around it", "[limits]") {
  TempDir dir;
  const auto membership = dir / "cgroup";
  const auto root = dir / "sys";
  std::filesystem::create_directories(root / "memory/jobs/one");
  std::filesystem::create_directories(root / "slice/inner");
  const auto limit = [&](std::string_view lines) {
    captures::write_file(membership, lines);
    return trace::group_limit_bytes(membership, root);
  };
  CHECK_FALSE(trace::group_limit_bytes(dir / "none", root));
  CHECK_FALSE(limit("4:memory:/jobs/one\n0::/slice/inner\n"));  // no files

  captures::write_file(root / "memory/memory.limit_in_bytes", "9223372036854771712\n");
  captures::write_file(root / "memory/jobs/memory.limit_in_bytes", "3000\n");
  captures::write_file(root / "memory/jobs/one/memory.limit_in_bytes", "4000\n");
  CHECK(limit("9:name=systemd:/\n4:memory:/jobs/one\n0::/\n") == 3000);
  CHECK(limit("4:memory:/\n") == 9223372036854771712.0);
  CHECK(limit("4:memory:/of/a/container\n") == 9223372036854771712.0);  // whose root is the group
  CHECK_FALSE(limit("4:cpu:/jobs/one\nnonsense\n\n"));

  captures::write_file(root / "slice/memory.max", "max\n");
  captures::write_file(root / "slice/inner/memory.max", "2000\n");
  CHECK(limit("0::/slice/inner\n") == 2000);
  CHECK_FALSE(limit("0::/slice\n"));
  CHECK(limit("0::/slice/inner\n4:memory:/jobs/one\n") == 2000);
}

TEST_CASE("A step that libCacheSim's records cannot name is refused", "[limits]") {
  TempDir dir;
  PlainTrace late = one_stream({{1}, {2}});
  late.header.requests[0].start_step = 0xFFFF'FFFF;
  write_trace(dir / "t.dsat", late);
  const TraceReader trace(dir / "t.dsat");
  CHECK(replay(trace, at("1")).totals.misses() == 2);
  std::string bytes;
  traces::check_contains(
      refusal([&] { export_trace(trace, "oracle-general", {}, [&](std::string_view more) { bytes += more; }); }),
      "oracle-general has 32 bits for a step");
}
