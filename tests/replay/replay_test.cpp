// Replays worked by hand, and what a replay refuses. tests/differential/ compares random ones with the plain reference.

#include "dsasim/replay/replay.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "import/captures.hpp"
#include "replay/reference_replay.hpp"
#include "replay/small_traces.hpp"
#include "replay/written_trace.hpp"

#include <fmt/format.h>

using namespace dsasim;
using namespace dsasim::test;

namespace {

struct Replayed {
  ReplayResult result;
  std::vector<StepRow> rows;
};

Replayed replayed(const TraceReader& trace, const ReplayConfig& config) {
  Replayed out;
  ReplayHooks hooks;
  hooks.on_row = [&](const StepRow& row) { out.rows.push_back(row); };
  out.result = replay(trace, config, hooks);
  return out;
}

PolicySpec policy(std::string_view name) {
  return parse_policy(name);
}

/// Four layers, three of which share the second selection.
PlainTrace unequal_groups() {
  PlainTrace trace;
  trace.header.layers = {{.model_layer = 0, .group_size = 1}, {.model_layer = 1, .group_size = 3}};
  trace.header.requests = {{.prompt_tokens = 10, .start_step = 0}};
  trace.requests = {PlainRequest{PlainStep{{1, 2, 3, 4}, {5, 6}}, PlainStep{{4, 5}, {6, 7}}}};
  return trace;
}

}  // namespace

TEST_CASE("A replay does not depend on how the trace is cut into chunks", "[replay]") {
  const PlainTrace trace = random_trace({.requests = 4, .layers = 2}, 9);
  const captures::TempDir folder;
  for (const char* name : {"lru", "belady", "hisparse", "random,atomic=step"}) {
    ReplayConfig config;
    config.policy = policy(name);
    config.scope = Scope::layer;
    config.capacity = Capacity::parse("1.5x");
    config.new_token = NewToken::allocate;
    config.steps = StepRange{.first = 2, .last = batch_steps(trace) - 1};
    std::vector<Replayed> all;
    for (const std::uint32_t chunk_steps : {1U, 2U, 5U, 1024U}) {
      write_trace(folder / "t.dsat", trace, chunk_steps);
      all.push_back(replayed(TraceReader(folder / "t.dsat"), config));
    }
    for (const Replayed& one : all) {
      CAPTURE(name);
      REQUIRE(one.rows.size() == all[0].rows.size());
      for (std::size_t i = 0; i < one.rows.size(); ++i) {
        REQUIRE(row_text(one.rows[i]) == row_text(all[0].rows[i]));
      }
      REQUIRE(one.result.totals == all[0].result.totals);
    }
  }
}

TEST_CASE("With a capacity of 0 every access misses, whatever is preloaded, allocated or pinned", "[replay]") {
  const Written trace(one_stream({{3, 20}, {3, 21}, {20, 21, 22}}));
  for (const auto& [warm_name, warm] : warm_names) {
    for (const auto& [new_token_name, new_token] : new_token_names) {
      for (const char* name : {"lru", "belady", "hisparse", "fifo,atomic=step"}) {
        ReplayConfig config;
        config.policy = policy(name);
        config.capacity = Capacity::parse("0");
        config.warm = warm;
        config.new_token = new_token;
        const Counters totals = replay(trace.reader, config).totals;
        CAPTURE(warm_name, new_token_name, name);
        CHECK(totals.accesses == 7);
        CHECK(totals.hits == 0);
        CHECK(totals.compulsory_misses == 4);  // 3, 20, 21, 22
        CHECK(totals.evictions == 0);
      }
    }
  }
}

TEST_CASE("The three ways of the new token, worked by hand", "[replay]") {
  // Prompt 20: step 0 appends entry 20, step 1 entry 21. Both are selected twice.
  const Written trace(one_stream({{20, 1}, {21, 20}, {21, 1}}));
  ReplayConfig config;
  config.capacity = Capacity::parse("2");
  SECTION("demand: 20 m, 1 m | 21 m, 20 m | 21 h, 1 m") {
    const Counters totals = replay(trace.reader, config).totals;
    CHECK(totals.misses() == 5);
    CHECK(totals.compulsory_misses == 3);
    CHECK(totals.evictions == 3);
  }
  SECTION("allocate: 20 h, 1 m | 21 (evicts 20) h, 20 m | 22 (evicts 21), 21 m, 1 m") {
    config.new_token = NewToken::allocate;
    const Counters totals = replay(trace.reader, config).totals;
    CHECK(totals.hits == 2);
    CHECK(totals.compulsory_misses == 1);  // only 1 was never in
    CHECK(totals.evictions == 5);
  }
  SECTION("pinned: 20 h, 1 m | 21 h, 20 m | 21 m, 1 m") {
    config.new_token = NewToken::pinned;
    const Replayed done = replayed(trace.reader, config);
    CHECK(done.result.totals.hits == 2);
    CHECK(done.result.totals.misses() == 4);
    CHECK(done.result.totals.compulsory_misses == 3);
    CHECK(done.rows[0].counters.hits == 1);
    CHECK(done.rows[2].counters.hits == 0);  // 21 is absent after its own step
  }
}

TEST_CASE("One gather of the batch is priced, rounded half up and shared out by missed rows", "[replay]") {
  PlainTrace trace;
  trace.header.layers = {{}};
  trace.header.requests = {{.prompt_tokens = 64}, {.prompt_tokens = 64}, {.prompt_tokens = 64}};
  // 1, 2 and 0 missed rows on 1 + 2 + 0 pages of 16.
  for (const PlainSelection& selection : {PlainSelection{0}, PlainSelection{0, 40}, PlainSelection{}}) {
    trace.requests.push_back(PlainRequest(1, PlainStep(1, selection)));
  }
  const Written written(trace);
  ReplayConfig config;
  const auto shares = [&](double miss_ns) {
    config.memory.miss_ns = miss_ns;
    std::vector<std::uint64_t> ns;
    for (const StepRow& row : replayed(written.reader, config).rows) {
      ns.push_back(row.counters.gather_ns);
    }
    return ns;
  };
  using Nanoseconds = std::vector<std::uint64_t>;
  CHECK(shares(200) == Nanoseconds{200, 400, 0});
  CHECK(shares(0.5) == Nanoseconds{1, 1, 0});   // 1.5 rounds to 2: 0.67 and 1.33, the larger remainder is the first's
  CHECK(shares(0.25) == Nanoseconds{0, 1, 0});  // 0.75 rounds to 1
  CHECK(shares(0.125) == Nanoseconds{0, 0, 0});
}

TEST_CASE("Belady's future ends with the range", "[replay]") {
  // Capacity 1: 2 is worth the place of 1 only to one who sees step 2.
  const Written trace(one_stream({{1}, {2}, {2}, {1}}));
  ReplayConfig config;
  config.policy = policy("belady,bypass=1");
  config.capacity = Capacity::parse("1");
  CHECK(replay(trace.reader, config).totals.evictions == 1);
  CHECK(replay(trace.reader, config).totals.misses() == 3);
  config.steps = StepRange{.first = 0, .last = 2};
  CHECK(replay(trace.reader, config).totals.evictions == 0);
  CHECK(replay(trace.reader, config).totals.misses() == 2);
}

TEST_CASE("Caches are cold at the first step replayed, and warm-up steps are replayed but not counted", "[replay]") {
  const Written trace(one_stream({{1, 2}, {1, 2}, {1, 2, 3}}));
  ReplayConfig config;
  config.capacity = Capacity::parse("8");
  SECTION("a range") {
    config.steps = StepRange{.first = 1, .last = 3};
    CHECK(replay(trace.reader, config).totals.compulsory_misses == 3);
  }
  SECTION("warm-up") {
    config.warmup_steps = 2;
    const Replayed done = replayed(trace.reader, config);
    CHECK(done.rows.size() == 1);
    CHECK(done.result.totals.accesses == 3);
    CHECK(done.result.totals.hits == 2);
    CHECK(done.result.totals.compulsory_misses == 1);
  }
  SECTION("warm-up of everything, and an empty range") {
    config.warmup_steps = 3;
    CHECK(replayed(trace.reader, config).rows.empty());
    config.warmup_steps = 0;
    config.steps = StepRange{.first = 2, .last = 2};
    CHECK(replay(trace.reader, config).totals.accesses == 0);
  }
}

TEST_CASE("A configuration that does not fit the trace is refused with one line", "[replay]") {
  const Written plain(one_stream({{1, 2, 3}, {4, 5}}));
  ReplayConfig config;
  SECTION("whole selections do not fit") {
    config.capacity = Capacity::parse("2");
    config.policy = policy("hisparse");
    CHECK_THROWS_WITH(replay(plain.reader, config),
                      "`capacity`: hisparse keeps a whole selection: expected 0 or at least 3 entries, found 2");
    config.policy = policy("fifo,atomic=step");
    CHECK_THROWS_WITH(
        replay(plain.reader, config),
        "`capacity`: fifo,atomic=step keeps a whole selection: expected 0 or at least 3 entries, found 2");
    config.policy = policy("random,atomic=step");
    CHECK_THROWS_AS(replay(plain.reader, config), ConfigError);
    config.capacity = Capacity::parse("3");
    CHECK_NOTHROW(replay(plain.reader, config));
  }
  SECTION("bytes without the bytes of an entry") {
    config.capacity = Capacity::parse("20MB");
    CHECK_THROWS_WITH(replay(plain.reader, config),
                      "`capacity`: 20MB needs the bytes of an entry, which the trace does not give; add `entry_bytes`");
    config.entry_bytes = 656;
    CHECK(replay(plain.reader, config).config.capacity_entries == std::vector<std::uint64_t>{30'487});
  }
  SECTION("ranges") {
    config.steps = StepRange{.first = 0, .last = 3};
    CHECK_THROWS_WITH(replay(plain.reader, config),
                      "`steps`: expected A:B with A <= B <= 2 (the steps of " + plain.path.string() + "), found 0:3");
    config.steps = StepRange{.first = 2, .last = 1};
    CHECK_THROWS_WITH(replay(plain.reader, config),
                      "`steps`: expected A:B with A <= B <= 2 (the steps of " + plain.path.string() + "), found 2:1");
    config.steps = StepRange{.first = 1, .last = 2};
    config.warmup_steps = 2;
    CHECK_THROWS_WITH(replay(plain.reader, config), "`warmup_steps`: 2 is more than the 1 steps replayed");
  }
  SECTION("a page size that is not there") {
    config.page_tokens = 0;
    CHECK_THROWS_WITH(replay(plain.reader, config), "`page_tokens`: " + plain.path.string() +
                                                        " does not give its page size; expected a number of tokens");
  }
}

TEST_CASE("Capacities in bytes differ by layer where groups do", "[replay]") {
  const Written trace(unequal_groups());
  ReplayConfig config;
  config.entry_bytes = 10;
  config.capacity = Capacity::parse("65B");
  for (const Scope scope : {Scope::stream, Scope::layer}) {
    config.scope = scope;
    CHECK(effective_config(trace.reader, config).capacity_entries == std::vector<std::uint64_t>{6, 2});
  }
  for (const Scope scope : {Scope::shared, Scope::request}) {
    config.scope = scope;
    CHECK_THROWS_WITH(effective_config(trace.reader, config),
                      "`capacity`: 65B over layers whose groups differ in size is not a number of entries; give "
                      "entries, or `scope` layer or stream");
  }
}

TEST_CASE("A layer too small for whole selections is refused even where another layer has no capacity at all",
          "[replay]") {
  const Written trace(unequal_groups());
  ReplayConfig config;
  config.policy = policy("hisparse");
  config.entry_bytes = 10;
  config.capacity = Capacity::parse("29B");  // 2 entries and 0
  CHECK_THROWS_WITH(replay(trace.reader, config),
                    "`capacity`: hisparse keeps a whole selection: expected 0 or at least 4 entries, found 2");
}

TEST_CASE("What needs positions is refused for physical ids", "[replay]") {
  PlainTrace slots = one_stream({{1000, 7}});
  slots.header.ids = IdKind::physical;
  const Written trace(slots);
  ReplayConfig config;
  config.warm = Warm::first;
  CHECK_THROWS_WITH(replay(trace.reader, config),
                    "`warm`: needs positions, and " + trace.path.string() + " holds physical slots; expected none");
  config.warm = Warm::none;
  config.new_token = NewToken::pinned;
  CHECK_THROWS_WITH(replay(trace.reader, config), "`new_token`: needs positions, and " + trace.path.string() +
                                                      " holds physical slots; expected demand");
}

TEST_CASE("The page size is 16 unless given, and the trace's if asked for", "[replay]") {
  PlainTrace paged = one_stream({{0, 8, 15, 16}});
  paged.header.page_tokens = 8;
  const Written trace(paged);
  ReplayConfig config;
  CHECK(replay(trace.reader, config).totals.missed_pages == 2);
  config.page_tokens = 0;
  CHECK(replay(trace.reader, config).totals.missed_pages == 3);
  CHECK(replay(trace.reader, config).config.page_tokens == 8);
}

TEST_CASE("A gap between two requests costs nothing, however long", "[replay]") {
  PlainTrace trace = one_stream({{1}, {2}, {1}});
  trace.header.requests.push_back({.prompt_tokens = 10, .start_step = 4'000'000'000});
  trace.requests.push_back(trace.requests[0]);
  const Written written(trace);
  const TraceReader reader(written.path);
  for (const char* policy : {"lru", "belady"}) {
    CAPTURE(policy);
    ReplayConfig config;
    config.policy = parse_policy(policy);
    config.scope = Scope::shared;
    config.capacity = Capacity::parse("2");
    const ReplayResult result = replay(reader, config);
    CHECK(result.totals.accesses == 6);
    CHECK(result.requests[1].hits == 1);
  }
}

TEST_CASE("A truncated trace replays the whole chunks it has", "[replay]") {
  const Written trace(one_stream({{1}, {2}, {3}, {1}, {5}}));
  std::filesystem::resize_file(trace.path, std::filesystem::file_size(trace.path) - 1);
  const TraceReader cut(trace.path, {.allow_truncated = true});
  ReplayConfig config;
  config.capacity = Capacity::parse("2");
  const Counters totals = replay(cut, config).totals;
  CHECK(totals.accesses == 5);
  config.steps = StepRange{.first = 3, .last = 5};
  CHECK(replay(cut, config).totals.misses() == 2);
}

TEST_CASE("A budget is of all caches together, whatever they are", "[replay][capacity]") {
  const PlainTrace plain = random_trace({.requests = 3, .layers = 4}, 11);
  const captures::TempDir folder;
  write_trace(folder / "t.dsat", plain);
  const TraceReader trace(folder / "t.dsat");
  const auto with = [&](Scope scope, Capacity capacity) {
    ReplayConfig config;
    config.policy = parse_policy("lru");
    config.scope = scope;
    config.entry_bytes = 10;
    config.capacity = std::move(capacity);
    return config;
  };
  struct Expected {
    Scope scope;
    std::uint64_t caches;
    std::vector<std::uint64_t> entries;  // of 125 in all
    std::uint64_t reserved;
  };
  const std::vector<Expected> all = {{Scope::shared, 1, {125}, 125},
                                     {Scope::layer, 4, {32, 31, 31, 31}, 125},
                                     {Scope::request, 3, {41}, 123},  // two entries are none for three caches
                                     {Scope::stream, 12, {11, 10, 10, 10}, 123}};
  for (const Expected& expected : all) {
    CAPTURE(static_cast<int>(expected.scope));
    for (const char* budget : {"125", "1259B"}) {
      const EffectiveConfig found = effective_config(trace, with(expected.scope, Capacity::parse_budget(budget)));
      CHECK(found.capacity_entries == expected.entries);
      CHECK(found.reservation.caches == expected.caches);
      CHECK(found.reservation.entries == expected.reserved);
      CHECK(found.reservation.bytes == expected.reserved * 10);
    }
    // An even number of entries is a capacity of each.
    const ReplayResult budget = replay(trace, with(expected.scope, Capacity::parse_budget("240")));
    const ReplayResult each =
        replay(trace, with(expected.scope, Capacity::parse(std::to_string(240 / expected.caches))));
    CHECK(budget.totals == each.totals);
    CHECK(budget.config.reservation.entries == each.config.reservation.entries);
    // x and ctx are of each cache.
    CHECK(replay(trace, with(expected.scope, Capacity::parse_budget("2x"))).totals ==
          replay(trace, with(expected.scope, Capacity::parse("2x"))).totals);
  }
}

TEST_CASE("Capacities in bytes are of each of many caches, and their sum is known", "[replay][capacity]") {
  const TraceReader trace("traces/paper128.dsat");
  ReplayConfig config;
  config.policy = parse_policy("lru");
  config.entry_bytes = 4096;
  config.capacity = Capacity::parse("5MB");  // 1,220 entries of 4,096 bytes
  const Reservation found = effective_config(trace, config).reservation;
  const std::uint64_t caches = std::uint64_t{trace.layer_count()} * trace.request_count();
  CHECK(found.caches == caches);
  CHECK(found.entries == 1220 * caches);
  CHECK(found.bytes == 1220 * 4096 * caches);
  config.capacity = Capacity::parse("18446744073709551615");
  CHECK(effective_config(trace, config).reservation.entries == ~std::uint64_t{0});
  CHECK(effective_config(trace, config).reservation.bytes == ~std::uint64_t{0});
}
