// Budgets over real and random traces: what is predicted is what a replay counts, no split within the bounds is better,
// and what cannot be split is refused.

#include "dsasim/allocate/allocate.hpp"

#include "catch.hpp"
#include "dsasim/curve/curve.hpp"
#include "dsasim/error.hpp"
#include "dsasim/report/allocate_report.hpp"
#include "dsasim/report/report.hpp"
#include "replay/small_traces.hpp"
#include "replay/written_trace.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;

namespace {

using Json = nlohmann::ordered_json;

AllocateConfig lru(const char* budget, Scope scope = Scope::stream) {
  AllocateConfig config;
  config.replay.policy = parse_policy("lru");
  config.replay.scope = scope;
  config.budget = Capacity::parse_budget(budget);
  return config;
}

/// As many entries for each layer's caches, what is left over one by one from the first.
std::vector<std::uint64_t> shared_out(std::uint64_t budget, std::uint64_t layers, std::uint64_t caches_of_layer) {
  std::vector<std::uint64_t> entries(layers, budget / (layers * caches_of_layer));
  for (std::uint64_t i = 0; i < budget % (layers * caches_of_layer) / caches_of_layer; ++i) {
    ++entries[i];
  }
  return entries;
}

/// The least misses (or nanoseconds) of all splits over layers: each part's truth is a replay at each of its
/// capacities.
std::uint64_t least_by_trying(const TraceReader& trace, const AllocateConfig& config, std::uint64_t least,
                              std::uint64_t most, std::uint64_t step, std::uint64_t caches_of_layer,
                              std::uint64_t budget) {
  std::vector<std::vector<std::uint64_t>> loss(trace.layer_count());
  for (std::uint64_t capacity = least; capacity <= most; capacity += step) {
    ReplayConfig at = config.replay;
    at.capacity = Capacity::parse(std::to_string(capacity));
    const ReplayResult result = replay(trace, at);
    for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
      loss[layer].push_back(config.minimise == Minimise::misses ? result.layers[layer].misses()
                                                                : result.layers[layer].gather_ns);
    }
  }
  std::uint64_t best = std::numeric_limits<std::uint64_t>::max();
  std::vector<std::size_t> at(trace.layer_count(), 0);
  for (bool more = true; more;) {
    std::uint64_t cost = 0;
    std::uint64_t sum = 0;
    for (std::size_t layer = 0; layer < at.size(); ++layer) {
      cost += caches_of_layer * (least + at[layer] * step);
      sum += loss[layer][at[layer]];
    }
    best = cost <= budget ? std::min(best, sum) : best;
    more = false;
    for (std::size_t layer = 0; layer < at.size() && !more; ++layer) {
      at[layer] = (at[layer] + 1) % loss[layer].size();
      more = at[layer] != 0;
    }
  }
  return best;
}

std::string error_of(const TraceReader& trace, const AllocateConfig& config) {
  try {
    allocate(trace, config);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("no split over the layers of a random batch is better, for any policy", "[allocate]") {
  const char* policy = GENERATE("lru", "fifo", "clock", "belady", "hisparse", "random,atomic=step");
  const Scope scope = GENERATE(Scope::layer, Scope::stream);
  const Minimise minimise = GENERATE(Minimise::misses, Minimise::gather_ns);
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(policy, static_cast<int>(scope), static_cast<int>(minimise), seed);
    const TraceReader trace = written(random_trace({}, seed));
    AllocateConfig config = lru("0", scope);
    config.replay.policy = parse_policy(policy);
    config.replay.page_tokens = 2;
    config.minimise = minimise;
    config.least = Capacity::parse("8");
    config.most = Capacity::parse("26");
    config.granularity = 2;
    const std::uint64_t caches_of_layer = scope == Scope::stream ? trace.request_count() : 1;
    const std::uint64_t budget = caches_of_layer * 3 * 13 + seed % 3;
    config.budget = Capacity::parse_budget(std::to_string(budget));
    const AllocateResult result = allocate(trace, config);
    REQUIRE(
        result.optimal.predicted_total ==
        std::min(result.uniform.predicted_total, least_by_trying(trace, config, 8, 26, 2, caches_of_layer, budget)));
    REQUIRE(result.optimal.cost <= budget);
    REQUIRE(result.greedy.predicted_total >= result.optimal.predicted_total);
    REQUIRE(result.uniform.predicted_total >= result.optimal.predicted_total);
    REQUIRE(result.uniform.capacity_entries == shared_out(budget, 3, caches_of_layer));
    REQUIRE(result.optimal.replayed);
    for (const std::uint64_t capacity : result.optimal.capacity_entries) {
      CHECK((capacity >= 8 && capacity <= 26));
      CHECK((capacity % 2 == 0 || result.optimal.capacity_entries == result.uniform.capacity_entries));
    }
  }
}

TEST_CASE("An even split is a replay with the same budget, for every policy, scope and unit", "[allocate]") {
  const char* policy = GENERATE("lru", "fifo", "clock", "lfu", "random", "belady", "hisparse", "fifo,atomic=step");
  const Scope scope = GENERATE(Scope::layer, Scope::stream);
  const char* budget = GENERATE("131", "140", "401B", "1.4x", "0.45ctx");
  const TraceReader trace = written(random_trace({.groups = true}, 6));
  AllocateConfig config = lru(budget, scope);
  config.replay.policy = parse_policy(policy);
  config.replay.entry_bytes = std::string_view(budget).ends_with('B') ? 1 : 7;
  config.replay.page_tokens = 2;
  config.minimise = GENERATE(Minimise::misses, Minimise::gather_ns);
  config.granularity = 5;  // no even share is a multiple of it
  config.least = Capacity::parse("8");
  CAPTURE(policy, static_cast<int>(scope), budget);
  const AllocateResult result = allocate(trace, config);
  ReplayConfig even = config.replay;
  even.capacity = Capacity::parse_budget(budget);
  const ReplayResult replayed = replay(trace, even);
  REQUIRE(result.uniform.replayed);
  CHECK(*result.uniform.replayed == replayed.totals);
  CHECK(result.uniform.predicted_total ==
        (config.minimise == Minimise::misses ? replayed.totals.misses() : replayed.totals.gather_ns));
  CHECK(result.optimal.predicted_total <= result.uniform.predicted_total);
  CHECK(result.uniform.cost ==
        (result.budget_in_bytes ? *replayed.config.reservation.bytes : replayed.config.reservation.entries));
  CHECK(result.uniform.cost <= result.budget_cost);
}

TEST_CASE("What an even split gains is measured from the whole budget", "[allocate]") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  AllocateConfig config = lru("2x");
  config.replay.policy = parse_policy("hisparse");
  config.granularity = 48;  // 256 entries are no multiple of it
  const AllocateResult result = allocate(trace, config, {}, 2);
  CHECK(result.uniform.predicted_total == 42'472);  // the paper's trace at 256 entries: docs/replay.md
  CHECK(result.uniform.cost == result.budget_cost);
}

TEST_CASE("each stream can have its own capacity, and a replay counts what was predicted of it", "[allocate][replay]") {
  const TraceReader trace = written(random_trace({.requests = 2, .layers = 2}, 5));
  AllocateConfig config = lru("52");
  config.over = Over::streams;
  config.least = Capacity::parse("8");
  config.most = Capacity::parse("26");
  config.granularity = 3;
  const AllocateResult result = allocate(trace, config);
  REQUIRE(result.optimal.capacity_entries.size() == 4);
  REQUIRE(result.optimal.replayed->misses() == result.optimal.predicted_total);

  // Every split, each stream's misses from a replay of its rows.
  std::vector<std::vector<std::uint64_t>> misses(4);
  for (std::uint64_t capacity = 9; capacity <= 24; capacity += 3) {
    ReplayConfig at = config.replay;
    at.capacity = Capacity::parse(std::to_string(capacity));
    std::vector<std::uint64_t> counted(4, 0);
    ReplayHooks hooks;
    hooks.on_row = [&](const StepRow& row) { counted[row.layer * 2 + row.request] += row.counters.misses(); };
    replay(trace, at, hooks);
    for (std::size_t stream = 0; stream < 4; ++stream) {
      misses[stream].push_back(counted[stream]);
    }
  }
  std::uint64_t best = std::numeric_limits<std::uint64_t>::max();
  for (std::size_t code = 0; code < 6 * 6 * 6 * 6; ++code) {
    const std::size_t at[] = {code % 6, code / 6 % 6, code / 36 % 6, code / 216};
    std::uint64_t cost = 0;
    std::uint64_t sum = 0;
    for (std::size_t stream = 0; stream < 4; ++stream) {
      cost += 9 + 3 * at[stream];
      sum += misses[stream][at[stream]];
    }
    best = cost <= 52 ? std::min(best, sum) : best;
  }
  CHECK(result.optimal.predicted_total == best);
  for (std::size_t stream = 0; stream < 4; ++stream) {
    CHECK(result.optimal.predicted[stream] == misses[stream][(result.optimal.capacity_entries[stream] - 9) / 3]);
  }

  // A replay with the list gives each stream what it gets alone.
  ReplayConfig listed = config.replay;
  listed.capacity_list = result.optimal.capacity_entries;
  std::vector<std::uint64_t> counted(4, 0);
  ReplayHooks hooks;
  hooks.on_row = [&](const StepRow& row) { counted[row.layer * 2 + row.request] += row.counters.misses(); };
  for (const std::uint32_t jobs : {1U, 3U}) {
    std::fill(counted.begin(), counted.end(), 0);
    const ReplayResult replayed = replay(trace, listed, hooks, jobs);
    CHECK(counted == result.optimal.predicted);
    CHECK(replayed.config.capacity_entries == result.optimal.capacity_entries);
  }
}

TEST_CASE("streams add up to their layer in a curve", "[curve]") {
  const TraceReader trace = written(random_trace({}, 9));
  for (const Scope scope : {Scope::shared, Scope::layer, Scope::request, Scope::stream}) {
    CurveConfig config{.replay = {}, .capacities = {}, .histograms = false, .streams = true};
    config.replay.policy = parse_policy("lru");
    config.replay.scope = scope;
    for (const char* capacity : {"0", "9", "12", "40"}) {
      config.capacities.push_back(Capacity::parse(capacity));
    }
    const CurveResult result = curve(trace, config, {}, 2);
    REQUIRE(result.streams.size() == 9);
    for (std::size_t layer = 0; layer < 3; ++layer) {
      for (std::size_t point = 0; point < 4; ++point) {
        std::uint64_t misses = 0;
        for (std::size_t request = 0; request < 3; ++request) {
          misses += result.streams[layer * 3 + request].points[point].misses;
        }
        CHECK(misses == result.layers[layer].points[point].misses);
      }
    }
  }
}

TEST_CASE("budgets on a real capture, in every unit", "[allocate]") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  // 2x of top-k 128 for each of 16 caches.
  const AllocateResult relative = allocate(trace, lru("2x"));
  CHECK(relative.budget_cost == 16 * 256);
  CHECK(relative.uniform.predicted_total == 45'614);  // the paper's trace at 256 entries: docs/replay.md
  CHECK(relative.uniform.replayed->misses() == 45'614);
  CHECK(relative.granularity == 16);
  CHECK(relative.optimal.predicted_total < 45'614);
  const AllocateResult entries = allocate(trace, lru("4096"));
  CHECK(entries.optimal.capacity_entries == relative.optimal.capacity_entries);
  AllocateConfig in_bytes = lru("2687kB");  // 4,096 rows of 656 bytes, and less than one more page
  in_bytes.replay.entry_bytes = 656;
  const AllocateResult bytes = allocate(trace, in_bytes);
  CHECK(bytes.budget_cost == 2'687'000);
  CHECK(bytes.optimal.capacity_entries == relative.optimal.capacity_entries);
  CHECK(bytes.optimal.cost == 656 * relative.optimal.cost);
}

TEST_CASE("a group's entry costs its bytes in every layer of the group", "[allocate]") {
  const TraceReader trace = written(random_trace({.requests = 1, .layers = 3, .groups = true}, 4));
  const auto& layers = trace.header().layers;
  AllocateConfig config = lru("4000B");
  config.replay.entry_bytes = 10;
  config.least = Capacity::parse("8");
  config.granularity = 1;
  const AllocateResult result = allocate(trace, config);
  std::uint64_t cost = 0;
  for (std::size_t layer = 0; layer < 3; ++layer) {
    cost += 10 * layers[layer].group_size * result.optimal.capacity_entries[layer];
  }
  CHECK(result.optimal.cost == cost);
  CHECK(cost <= 4000);
}

TEST_CASE("bounds and granularity are kept, and what gains nothing is not spent", "[allocate]") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  AllocateConfig config = lru("0.3ctx");
  config.least = Capacity::parse("300");
  config.most = Capacity::parse("400");
  config.granularity = 32;
  const AllocateResult bounded = allocate(trace, config);
  for (const std::uint64_t capacity : bounded.optimal.capacity_entries) {
    CHECK(capacity % 32 == 0);
    CHECK(capacity >= 320);
    CHECK(capacity <= 384);
  }
  const AllocateResult everything = allocate(trace, lru("1ctx"));
  CHECK(everything.optimal.predicted_total == 12'092);  // the compulsory misses
  CHECK(everything.optimal.cost < everything.budget_cost);
  CHECK(everything.uniform.cost == 16 * everything.context_entries);
}

TEST_CASE("what cannot be split is refused", "[allocate]") {
  const TraceReader trace("traces/paper128-req_0.dsat");
  CHECK(error_of(trace, lru("2x", Scope::shared)).find("`scope`: expected layer or stream") == 0);
  CHECK(error_of(trace, lru("2047")) ==
        "`budget`: 2047 is 2047 entries; the least that each of 16 caches gets (`min` 1x, in multiples of 16) comes to "
        "2048");
  CHECK(error_of(trace, lru("20MB")).find("20MB needs the bytes of an entry") != std::string::npos);
  AllocateConfig config = lru("2x", Scope::layer);
  config.over = Over::streams;
  CHECK(error_of(trace, config).find("`over`: streams need `scope` stream") == 0);
  config = lru("2x");
  config.over = Over::streams;
  config.replay.policy = parse_policy("fifo");
  CHECK(error_of(trace, config).find("`over`: streams can be told apart for lru") == 0);
  config = lru("2x");
  config.least = Capacity::parse("130");
  config.most = Capacity::parse("140");
  CHECK(error_of(trace, config) == "`granularity`: no multiple of 16 lies between 130 (`min` 130) and 140 (`max` 140)");
  config = lru("2x");
  config.replay.policy = parse_policy("fifo");
  config.granularity = 1;
  CHECK(error_of(trace, config)
            .find("`granularity`: 1 gives 1097 capacities from 128 to 1224, at most 256 can be "
                  "replayed; 5 is enough") == 0);
  config.granularity = 5;
  config.budget = Capacity::parse_budget("3x");
  CHECK(error_of(trace, config).empty());
  config.replay.policy = parse_policy("hisparse");
  config.least = Capacity::parse("127");
  CHECK(error_of(trace, config) == "`min`: hisparse keeps a whole selection: expected at least 128 entries, found 127");
  CHECK(error_of(trace, lru("999999999999ctx")).empty());
  CHECK(error_of(trace, lru("9999999999999999ctx")) == "`budget`: 16 caches would have 2^62 entries or more");
  config = lru("2x");
  config.granularity = 5000;
  CHECK(error_of(trace, config) ==
        "`granularity`: no multiple of 5000 lies between 128 (`min` 1x) and 1224 (the contexts)");
  config.granularity = 0;
  CHECK(error_of(trace, config).find("`granularity`: expected at least 1") == 0);
}

TEST_CASE("a list of capacities has to fit the trace, the scope and the policy", "[replay]") {
  const TraceReader trace = written(random_trace({.requests = 2, .layers = 3}, 5));
  ReplayConfig config;
  config.policy = parse_policy("lru");
  const auto error = [&](Scope scope, const std::vector<std::uint64_t>& capacities) {
    config.scope = scope;
    config.capacity_list = capacities;
    try {
      effective_config(trace, config);
    } catch (const ConfigError& found) {
      return std::string(found.what());
    }
    return std::string();
  };
  CHECK(error(Scope::stream, {9, 9, 9}).empty());
  CHECK(error(Scope::stream, {9, 9, 9, 9, 9, 9}).empty());
  CHECK(error(Scope::layer, {9, 9, 9}).empty());
  CHECK(error(Scope::shared, {9, 9, 9}).find("`capacities_from`: capacities one by one need `scope` layer") == 0);
  CHECK(error(Scope::layer, {9, 9, 9, 9, 9, 9}) ==
        "`capacities_from`: expected 3 capacities, one for each layer, found 6");
  CHECK(error(Scope::stream, {9, 9}) ==
        "`capacities_from`: expected 3 capacities, one for each layer, or 6, one for each stream, found 2");
  config.policy = parse_policy("hisparse");
  CHECK(error(Scope::stream, {9, 1, 9}).find("`capacities_from`: hisparse") == 0);

  // Equal capacities are a replay with that capacity, and 0 reserves nothing.
  config.policy = parse_policy("lru");
  config.scope = Scope::stream;
  config.capacity_list = {9, 9, 9};
  ReplayConfig plain = config;
  plain.capacity_list.clear();
  plain.capacity = Capacity::parse("9");
  CHECK(replay(trace, config).totals == replay(trace, plain).totals);
  config.capacity_list = {9, 0, 9};
  const ReplayResult result = replay(trace, config);
  CHECK(result.layers[0] == replay(trace, plain).layers[0]);
  CHECK(result.layers[1].hits == 0);
  const Json json = Json::parse(report_json(trace, result));
  CHECK(json["config"]["capacity"].is_null());
  CHECK(json["config"]["capacity_entries"] == Json{9, 0, 9});
}

TEST_CASE("the JSON of an allocation adds up", "[allocate][report]") {
  const TraceReader trace = written(random_trace({.requests = 2, .layers = 3}, 5));
  AllocateConfig config = lru("80");
  config.granularity = 1;
  config.over = GENERATE(Over::layers, Over::streams);
  config.verify = GENERATE(true, false);
  const AllocateResult result = allocate(trace, config);
  const Json json = Json::parse(allocation_json(trace, result));
  CHECK(json["schema"] == "dsasim-allocation/1");
  const Json& parts = json[config.over == Over::layers ? "layers" : "streams"];
  REQUIRE(parts.size() == (config.over == Over::layers ? 3U : 6U));
  for (const char* split : {"uniform", "greedy", "optimal"}) {
    std::uint64_t misses = 0;
    std::uint64_t entries = 0;
    for (const Json& part : parts) {
      misses += part[split]["misses"].get<std::uint64_t>();
      entries += part[split]["capacity_entries"].get<std::uint64_t>() * (config.over == Over::layers ? 2 : 1);
    }
    CHECK(json["splits"][split]["misses"] == misses);
    CHECK(json["splits"][split]["entries"] == entries);
    CHECK(json["splits"][split]["unspent_entries"] == 80 - entries);
    CHECK(json["splits"][split]["replayed"].is_null() == !config.verify);
    CHECK((!config.verify || json["splits"][split]["replayed"]["misses"] == misses));
  }
  for (std::size_t part = 0; part < parts.size(); ++part) {
    CHECK(json["capacity_entries"][part] == parts[part]["optimal"]["capacity_entries"]);
  }
  CHECK(allocation_table(trace, result).find(config.verify ? "Replayed: " : "Not replayed") != std::string::npos);
}
