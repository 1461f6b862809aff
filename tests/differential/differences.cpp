#include "differential/differences.hpp"

#include "dsasim/config/values.hpp"
#include "dsasim/curve/curve.hpp"
#include "dsasim/error.hpp"
#include "dsasim/sweep/sweep.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

namespace dsasim::test {
namespace {

// ---- What is expected ----

/// One configuration on one trace, as the contract has it.
struct Expected {
  std::vector<std::uint64_t> capacity_entries;  ///< by layer, or by stream
  bool refused = false;
  std::vector<PlainRow> rows;
  PlainCounters totals;
  std::vector<PlainCounters> layers, requests;
};

std::uint64_t entry_bytes_of(const PlainTrace& trace, const ReplayConfig& config, std::size_t layer = 0) {
  return row_bytes(trace, config)[layer];
}

/// Nothing left to the trace's defaults.
ReplayConfig complete(const PlainTrace& trace, ReplayConfig config) {
  config.steps = config.steps.value_or(StepRange{.first = 0, .last = batch_steps(trace)});
  config.page_tokens = config.page_tokens.value_or(16);
  if (*config.page_tokens == 0) {
    config.page_tokens = trace.header.page_tokens;
  }
  return config;
}

/// Beside what the policy needs.
bool has_room_for_pins(const PlainTrace& trace, const ReplayConfig& config,
                       const std::vector<std::uint64_t>& capacities) {
  const std::uint64_t needed = policy_needs(config.policy).whole_selection ? longest_union(trace) : 0;
  for (std::uint32_t i = 0; i < capacities.size(); ++i) {
    const auto layer = static_cast<std::uint32_t>(i / (capacities.size() / trace.header.layers.size()));
    if (capacities[i] > 0 &&
        capacities[i] < ReferenceReplay(trace, config, capacities).pinned_entries(layer) + needed) {
      return false;
    }
  }
  return true;
}

/// Whether the entries of some layer have several tokens, which can be told apart and have equal parts of a row.
bool has_tokens(const PlainTrace& trace, const ReplayConfig& config) {
  bool several = false;
  const std::vector<std::uint64_t> bytes = row_bytes(trace, config);
  for (std::uint32_t layer = 0; layer < bytes.size(); ++layer) {
    several = several || trace.header.unit_of(layer) > 1;
    if (bytes[layer] % trace.header.unit_of(layer) != 0) {
      return false;
    }
  }
  const bool across_layers = config.scope == Scope::shared || config.scope == Scope::request;
  return several && trace.header.ids == IdKind::logical && !(trace.header.mixes_units() && across_layers);
}

bool is_refused(const PlainTrace& trace, const ReplayConfig& config, const std::vector<std::uint64_t>& capacities) {
  const bool one_number =
      std::adjacent_find(capacities.begin(), capacities.end(), std::not_equal_to<>()) == capacities.end();
  const bool across_layers = config.scope == Scope::shared || config.scope == Scope::request;
  const std::uint64_t block = config.granularity.block_entries;
  const bool below_selection = std::any_of(capacities.begin(), capacities.end(), [&](std::uint64_t capacity) {
    return capacity > 0 && capacity / block < longest_union(trace, config.granularity.block_entries);
  });
  const PolicyNeeds needs = policy_needs(config.policy);
  const TraceHeader& header = trace.header;
  if (header.has_queries && (config.new_token != NewToken::demand || needs.scores)) {
    return true;
  }
  if (header.shares_stores() && (config.new_token == NewToken::allocate || needs.one_stream)) {
    return true;
  }
  if (config.prefetch.any() &&
      (header.has_queries || header.shares_stores() || (config.prefetch.into == PrefetchInto::buffer && needs.future) ||
       (header.ids == IdKind::physical &&
        (config.prefetch.predictor == "slash" || config.prefetch.predictor == "neighbours")))) {
    return true;
  }
  if (!config.granularity.is_entry() &&
      (needs.scores || needs.one_stream || config.pins.any() || config.prefetch.any() ||
       (config.granularity.tokens && !has_tokens(trace, config)))) {
    return true;
  }
  if (config.pins.any() && (config.new_token != NewToken::demand || !has_room_for_pins(trace, config, capacities))) {
    return true;
  }
  if (rejects_queries(trace) && (header.ids == IdKind::physical || !can_forget(config.policy))) {
    return true;
  }
  for (std::size_t i = 0; i < capacities.size(); ++i) {
    const std::size_t width = capacities.size() / header.layers.size();
    const std::size_t owner = header.store(static_cast<std::uint32_t>(i / width)).kv_owner;
    if (capacities[i] != capacities[owner * width + i % width]) {
      return true;
    }
  }
  return (needs.one_stream && config.scope != Scope::stream) || (needs.scores && !trace.header.has_scores) ||
         (!one_number && across_layers) || (below_selection && needs.whole_selection);
}

Expected expect(const PlainTrace& trace, const ReplayConfig& config, std::vector<std::uint64_t> capacity_entries) {
  Expected expected;
  for (std::uint64_t& capacity : capacity_entries) {  // whole blocks
    capacity -= capacity % config.granularity.block_entries;
  }
  expected.refused = is_refused(trace, config, capacity_entries);
  expected.capacity_entries = capacity_entries;
  if (expected.refused) {
    return expected;
  }
  const ReplayConfig whole = complete(trace, config);
  expected.rows = ReferenceReplay(trace, whole, std::move(capacity_entries)).run();
  expected.layers.resize(trace.header.layers.size());
  expected.requests.resize(trace.requests.size());
  for (const PlainRow& row : expected.rows) {
    expected.totals += row.counters;
    expected.layers[row.layer] += row.counters;
    expected.requests[row.request] += row.counters;
  }
  return expected;
}

Expected expect(const PlainTrace& trace, const ReplayConfig& config, const PlainCapacity& capacity) {
  std::vector<std::uint64_t> by_layer;
  for (std::size_t layer = 0; layer < trace.header.layers.size(); ++layer) {
    by_layer.push_back(capacity_entries(trace, capacity, entry_bytes_of(trace, config, layer), layer));
  }
  if (trace.header.mixes_units() && capacity.unit == Capacity::Unit::context) {
    Expected refused;
    refused.capacity_entries = by_layer;
    refused.refused = true;
    return refused;
  }
  return expect(trace, config, by_layer);
}

ReplayConfig at_capacity(ReplayConfig config, const PlainCapacity& capacity) {
  config.capacity_list.clear();
  config.capacity = Capacity::parse(capacity.text);
  return config;
}

// ---- Comparisons ----

template <class Found, class Plain>
std::string differ(std::string_view what, const Found& found, const Plain& plain) {
  return found == plain ? "" : fmt::format("{}: found {}, expected {}", what, found, plain);
}

std::string first_of(std::initializer_list<std::string> differences) {
  const auto* const found =
      std::find_if(differences.begin(), differences.end(), [](const auto& d) { return !d.empty(); });
  return found == differences.end() ? "" : *found;
}

std::string counters_difference(std::string_view what, std::span<const Counters> found,
                                std::span<const PlainCounters> plain) {
  if (found.size() != plain.size()) {
    return fmt::format("{} {}, expected {}", found.size(), what, plain.size());
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (counters_text(found[i]) != counters_text(plain[i])) {
      return fmt::format("{} {}:\n  found    {}\n  expected {}", what, i, counters_text(found[i]),
                         counters_text(plain[i]));
    }
  }
  return "";
}

std::string rows_difference(const std::vector<StepRow>& found, const std::vector<PlainRow>& plain) {
  for (std::size_t i = 0; i < std::min(found.size(), plain.size()); ++i) {
    if (row_text(found[i]) != row_text(plain[i])) {
      return fmt::format("row {}:\n  found    {}\n  expected {}", i, row_text(found[i]), row_text(plain[i]));
    }
  }
  return differ("number of rows", found.size(), plain.size());
}

std::string result_difference(const ReplayResult& found, const Expected& expected) {
  auto capacities = found.config.capacity_entries;
  if (capacities.size() == 1) {
    capacities.resize(expected.capacity_entries.size(), capacities.front());
  }
  return first_of({differ("capacities", capacities, expected.capacity_entries),
                   counters_difference("layer", found.layers, expected.layers),
                   counters_difference("request", found.requests, expected.requests),
                   counters_difference("totals", {&found.totals, 1}, {&expected.totals, 1})});
}

/// Runs it, and compares what it gives, unless it is to be refused.
template <class Run, class Compare>
std::string outcome_difference(bool refused, Run run, Compare compare) {
  try {
    const auto result = run();
    return refused ? "is not refused" : compare(result);
  } catch (const ConfigError& error) {
    return refused ? "" : fmt::format("is refused: {}", error.what());
  } catch (const std::exception& error) {
    return fmt::format("fails: {}", error.what());
  }
}

// ---- Curves ----

/// The misses that a curve of all capacities has at one.
std::uint64_t misses_at(const Curve& curve, std::uint64_t capacity) {
  std::uint64_t misses = curve.accesses;
  for (const CurvePoint& point : curve.points) {
    misses = point.capacity_entries <= capacity ? point.misses : misses;
  }
  return misses;
}

std::string point_difference(const CurveResult& found, std::size_t point, const Expected& expected) {
  for (std::size_t layer = 0; layer < expected.layers.size(); ++layer) {
    const Curve& curve = found.layers[layer];
    const std::string difference = first_of(
        {differ("capacity of the layer", curve.points[point].capacity_entries, expected.capacity_entries[layer]),
         differ("misses of the layer", curve.points[point].misses, expected.layers[layer].misses()),
         differ("accesses of the layer", curve.accesses, expected.layers[layer].accesses)});
    if (!difference.empty()) {
      return fmt::format("point {}, layer {}: {}", point, layer, difference);
    }
  }
  return differ(fmt::format("point {}: misses", point), found.total.points[point].misses, expected.totals.misses());
}

std::string points_difference(const CurveResult& found, const std::vector<Expected>& all) {
  for (std::size_t point = 0; point < all.size(); ++point) {
    if (const std::string difference = point_difference(found, point, all[point]); !difference.empty()) {
      return difference;
    }
  }
  return "";
}

/// Of the curve that names no capacities, and of each stream's.
std::string one_pass_difference(const CurveResult& unnamed, const CurveResult& apart,
                                const std::vector<Expected>& all) {
  for (std::size_t point = 0; point < all.size(); ++point) {
    const Expected& expected = all[point];
    std::vector<std::uint64_t> streams(apart.streams.size(), 0);
    for (const PlainRow& row : expected.rows) {
      streams[row.layer * expected.requests.size() + row.request] += row.counters.misses();
    }
    for (std::size_t stream = 0; stream < streams.size(); ++stream) {
      if (apart.streams[stream].points[point].misses != streams[stream]) {
        return fmt::format("stream {}, point {}: found {}, expected {}", stream, point,
                           apart.streams[stream].points[point].misses, streams[stream]);
      }
    }
    for (std::size_t layer = 0; layer < expected.layers.size(); ++layer) {
      const std::uint64_t misses = misses_at(unnamed.layers[layer], expected.capacity_entries[layer]);
      if (misses != expected.layers[layer].misses()) {
        return fmt::format("no capacities named, layer {} at {}: found {}, expected {}", layer,
                           expected.capacity_entries[layer], misses, expected.layers[layer].misses());
      }
    }
    // An allocation puts nothing into a cache of no entries, so what is new to it differs there.
    if (std::find(expected.capacity_entries.begin(), expected.capacity_entries.end(), 0U) ==
        expected.capacity_entries.end()) {
      if (unnamed.total.compulsory_misses != expected.totals.compulsory_misses) {
        return fmt::format("compulsory misses: found {}, expected {}", unnamed.total.compulsory_misses,
                           expected.totals.compulsory_misses);
      }
    }
  }
  return "";
}

// ---- Allocations ----

struct Bounds {
  std::vector<std::uint64_t> capacities;  ///< that a part may get
  std::uint64_t caches_of_part = 1;
  std::size_t parts = 1;
  std::vector<std::uint64_t> entry_cost;  ///< of a part
};

Bounds bounds_of(const RandomCase& drawn) {
  const BudgetDraw& budget = drawn.budget;
  const std::size_t requests = drawn.trace.requests.size();
  const bool by_stream = budget.over == Over::streams;
  Bounds bounds;
  for (std::uint64_t capacity = 0; capacity <= budget.most; capacity += budget.granularity) {
    if (capacity >= budget.least) {
      bounds.capacities.push_back(capacity);
    }
  }
  bounds.caches_of_part = drawn.config.scope == Scope::stream && !by_stream ? requests : 1;
  bounds.parts = drawn.trace.header.layers.size() * (by_stream ? requests : 1);
  for (std::size_t part = 0; part < bounds.parts; ++part) {
    const LayerInfo& layer = drawn.trace.header.layers[by_stream ? part / requests : part];
    bounds.entry_cost.push_back(bounds.caches_of_part *
                                (budget.in_bytes ? entry_bytes_of(drawn.trace, drawn.config) * layer.group_size : 1));
  }
  return bounds;
}

/// What each part loses.
std::vector<std::uint64_t> losses(const Expected& expected, std::size_t parts, Minimise minimise) {
  std::vector<std::uint64_t> lost(parts, 0);
  for (const PlainRow& row : expected.rows) {
    const std::size_t part =
        parts == expected.layers.size() ? row.layer : row.layer * expected.requests.size() + row.request;
    lost[part] += minimise == Minimise::misses ? row.counters.misses() : row.counters.gather_ns;
  }
  return lost;
}

/// Of all splits, by trying them part by part: the least loss at each cost so far.
std::uint64_t least_loss(const RandomCase& drawn, const Bounds& bounds) {
  std::vector<std::vector<std::uint64_t>> lost;  // by capacity and part
  for (const std::uint64_t capacity : bounds.capacities) {
    const std::vector<std::uint64_t> capacities(drawn.trace.header.layers.size(), capacity);
    lost.push_back(losses(expect(drawn.trace, drawn.config, capacities), bounds.parts, drawn.budget.minimise));
  }
  std::map<std::uint64_t, std::uint64_t> least = {{0, 0}};  // by cost
  for (std::size_t part = 0; part < bounds.parts; ++part) {
    std::map<std::uint64_t, std::uint64_t> longer;
    for (const auto& [cost, loss] : least) {
      for (std::size_t i = 0; i < bounds.capacities.size(); ++i) {
        const std::uint64_t sum = cost + bounds.capacities[i] * bounds.entry_cost[part];
        if (sum <= drawn.budget.amount) {
          auto& best = longer.try_emplace(sum, std::numeric_limits<std::uint64_t>::max()).first->second;
          best = std::min(best, loss + lost[i][part]);
        }
      }
    }
    least = std::move(longer);
  }
  return std::min_element(least.begin(), least.end(), [](const auto& a, const auto& b) { return a.second < b.second; })
      ->second;
}

std::string split_difference(const RandomCase& drawn, const Bounds& bounds, const Allocation& split) {
  const Expected expected = expect(drawn.trace, drawn.config, split.capacity_entries);
  const auto lost = losses(expected, bounds.parts, drawn.budget.minimise);
  std::uint64_t cost = 0;
  for (std::size_t part = 0; part < bounds.parts; ++part) {
    cost += split.capacity_entries[part] * bounds.entry_cost[part];
  }
  return first_of(
      {differ("predicted", split.predicted, lost),
       differ("predicted in all", split.predicted_total, std::accumulate(lost.begin(), lost.end(), std::uint64_t{0})),
       differ("cost", split.cost, cost), cost > drawn.budget.amount ? "costs more than the budget" : ""});
}

// ---- Sweeps ----

struct GridDraw {
  std::vector<std::string> policies, scopes;
  std::vector<PlainCapacity> capacities;
  std::vector<std::string> columns;
  std::string json;
};

GridDraw grid_of(const std::string& path, const RandomCase& drawn) {
  GridDraw grid;
  const auto add = [](std::vector<std::string>& values, std::string value) {
    if (std::find(values.begin(), values.end(), value) == values.end()) {
      values.push_back(std::move(value));
    }
  };
  add(grid.policies, to_string(complete_policy(drawn.config.policy)));
  for (const PolicySpec& policy : drawn.policies) {
    add(grid.policies, to_string(complete_policy(policy)));
  }
  grid.scopes = {std::string(scope_names[drawn.seed % 4].first), std::string(scope_names[(drawn.seed + 1) % 4].first)};
  grid.columns = {"accesses", "hits", "misses", "compulsory_misses", "fetched_bytes"};
  grid.capacities = drawn.capacities;
  if (drawn.jobs > 2) {  // those of a curve, and enough capacities for one
    add(grid.policies, "lru");
    for (const std::uint64_t entries : {1U, 2U, 3U, 5U, 7U, 11U, 16U, 40U}) {
      grid.capacities.push_back({std::to_string(entries), Capacity::Unit::entries, entries, 1});
    }
  } else {
    grid.columns.insert(grid.columns.end(), {"evictions", "missed_pages", "gather_ns"});
  }
  std::vector<std::string> texts;
  std::vector<PlainCapacity> distinct;
  for (PlainCapacity& capacity : grid.capacities) {
    if (std::find(texts.begin(), texts.end(), capacity.text) == texts.end()) {
      texts.push_back(capacity.text);
      distinct.push_back(std::move(capacity));
    }
  }
  grid.capacities = std::move(distinct);
  const auto list = [](const std::vector<std::string>& values) {
    return fmt::format(R"(["{}"])", fmt::join(values, R"(", ")"));
  };
  grid.json = fmt::format(R"({{"trace": "{}", "policy": {}, "scope": {}, "capacity": {}, "columns": {}}})", path,
                          list(grid.policies), list(grid.scopes), list(texts), list(grid.columns));
  return grid;
}

/// The end of a row: its columns, in the grid's order.
std::string cells(const Expected& expected, const GridDraw& grid, std::uint64_t entry_bytes) {
  const PlainCounters& totals = expected.totals;
  std::string text =
      fmt::format("{},{},{},{}", totals.accesses, totals.hits, totals.misses(), totals.compulsory_misses);
  text += entry_bytes == 0 ? "," : fmt::format(",{}", totals.fetched_bytes);
  if (grid.columns.size() > 5) {
    text += fmt::format(",{},{},{}", totals.evictions, totals.missed_pages, totals.gather_ns);
  }
  return text + ",ok,";
}

std::string table_difference(const std::string& path, const RandomCase& drawn, const GridDraw& grid) {
  std::ifstream table(path);
  std::string line;
  std::getline(table, line);
  for (const std::string& policy : grid.policies) {
    for (const std::string& scope : grid.scopes) {
      for (const PlainCapacity& capacity : grid.capacities) {
        ReplayConfig config = drawn.config;
        config.policy = parse_policy(policy);
        config.scope = parse_choice("scope", scope, scope_names);
        const Expected expected = expect(drawn.trace, config, capacity);
        std::getline(table, line);
        const std::string end = cells(expected, grid, entry_bytes_of(drawn.trace, config));
        const bool same = expected.refused ? line.find(",refused,") != std::string::npos : line.ends_with("," + end);
        if (!same) {
          return fmt::format("{}\n  found    {}\n  expected {}", grid.json, line, expected.refused ? "refused" : end);
        }
      }
    }
  }
  return std::getline(table, line) ? "the table has more rows than the grid has points" : "";
}

}  // namespace

std::string replay_difference(const TraceReader& trace, const RandomCase& drawn) {
  ReplayConfig config = drawn.config;
  config.capacity = Capacity::parse(drawn.capacities.front().text);
  const Expected expected = config.capacity_list.empty() ? expect(drawn.trace, config, drawn.capacities.front())
                                                         : expect(drawn.trace, config, config.capacity_list);
  std::vector<StepRow> rows;
  ReplayHooks hooks;
  hooks.on_row = [&](const StepRow& row) { rows.push_back(row); };
  return outcome_difference(
      expected.refused, [&] { return replay(trace, config, hooks, drawn.jobs); },
      [&](const ReplayResult& found) {
        return first_of({rows_difference(rows, expected.rows), result_difference(found, expected)});
      });
}

std::string joint_replay_difference(const TraceReader& trace, const RandomCase& drawn) {
  std::vector<ReplayConfig> configs = {at_capacity(drawn.config, drawn.capacities.front())};
  std::vector<Expected> all = {expect(drawn.trace, configs[0], drawn.capacities.front())};
  bool foresees = policy_needs(drawn.config.policy).future;
  for (std::size_t i = 0; i < drawn.policies.size(); ++i) {
    if (foresees && policy_needs(drawn.policies[i]).future) {
      continue;  // they would have to agree on all but the capacity
    }
    const PlainCapacity& capacity = drawn.capacities[i % drawn.capacities.size()];
    ReplayConfig& config = configs.emplace_back(at_capacity(drawn.config, capacity));
    config.policy = drawn.policies[i];
    config.scope = (drawn.seed + i) % 2 == 0 ? Scope::stream : scope_names[(drawn.seed + i) / 2 % 4].second;
    foresees = foresees || policy_needs(config.policy).future;
    all.push_back(expect(drawn.trace, config, capacity));
  }
  const bool refused = std::any_of(all.begin(), all.end(), [](const Expected& expected) { return expected.refused; });
  return outcome_difference(
      refused, [&] { return replay_all(trace, configs, {}, drawn.jobs); },
      [&](const std::vector<ReplayResult>& found) {
        for (std::size_t i = 0; i < all.size(); ++i) {
          const std::string difference = result_difference(found[i], all[i]);
          if (!difference.empty()) {
            return fmt::format("number {} ({}, scope {}): {}", i, to_string(configs[i].policy),
                               scope_names[static_cast<std::size_t>(configs[i].scope)].first, difference);
          }
        }
        return std::string();
      });
}

std::string curve_difference(const TraceReader& trace, const RandomCase& drawn) {
  CurveConfig config;
  config.replay = drawn.config;
  config.replay.capacity_list.clear();
  std::vector<Expected> all;
  for (const PlainCapacity& capacity : drawn.capacities) {
    config.capacities.push_back(Capacity::parse(capacity.text));
    all.push_back(expect(drawn.trace, config.replay, capacity));
  }
  const bool refused = std::any_of(all.begin(), all.end(), [](const Expected& expected) { return expected.refused; });
  const std::string named = outcome_difference(
      refused, [&] { return curve(trace, config, {}, drawn.jobs); },
      [&](const CurveResult& found) { return points_difference(found, all); });
  if (!named.empty() || refused || !is_stack(drawn.trace.header, config.replay)) {
    return named;
  }
  config.histograms = config.replay.granularity.is_entry();
  config.streams = true;
  const CurveResult apart = curve(trace, config, {}, drawn.jobs);
  config.capacities.clear();
  config.streams = false;
  return first_of(
      {points_difference(apart, all), one_pass_difference(curve(trace, config, {}, drawn.jobs), apart, all)});
}

std::string allocate_difference(const TraceReader& trace, const RandomCase& drawn) {
  const BudgetDraw& budget = drawn.budget;
  RandomCase part = drawn;
  part.config.capacity_list.clear();
  part.config.pins = {};  // no options of the command
  part.config.prefetch = {};
  part.config.granularity = {};
  const ReplayConfig& replay = part.config;
  AllocateConfig config;
  config.replay = replay;
  config.over = budget.over;
  config.minimise = budget.minimise;
  config.budget = Capacity::parse(fmt::format("{}{}", budget.amount, budget.in_bytes ? "B" : ""));
  config.least = Capacity::parse(std::to_string(budget.least));
  config.most = Capacity::parse(std::to_string(budget.most));
  config.granularity = budget.granularity;
  const Bounds bounds = bounds_of(part);
  const std::uint64_t one_each = std::accumulate(bounds.entry_cost.begin(), bounds.entry_cost.end(), std::uint64_t{0});
  const bool streams_fit =
      replay.scope == Scope::stream && is_stack(drawn.trace.header, replay) && budget.minimise == Minimise::misses;
  const bool refused = drawn.trace.header.has_queries || !drawn.trace.header.stores.empty() ||
                       replay.scope == Scope::shared || replay.scope == Scope::request ||
                       (policy_needs(replay.policy).scores && !drawn.trace.header.has_scores) ||
                       (budget.over == Over::streams && !streams_fit) || bounds.capacities.empty() ||
                       budget.amount < one_each * bounds.capacities.front() ||
                       (policy_needs(replay.policy).whole_selection && budget.least < longest_selection(drawn.trace));
  return outcome_difference(
      refused, [&] { return allocate(trace, config, {}, drawn.jobs); },
      [&](const AllocateResult& found) {
        for (const auto& [name, split] : found.splits()) {
          const std::string difference = split_difference(part, bounds, *split);
          if (!difference.empty()) {
            return fmt::format("{}: {}", name, difference);
          }
        }
        const std::uint64_t least = least_loss(part, bounds);
        return found.optimal.predicted_total <= least
                   ? ""
                   : fmt::format("optimal: found {}, a split loses {}", found.optimal.predicted_total, least);
      });
}

std::string sweep_difference(const TraceReader& trace, const RandomCase& drawn, const std::filesystem::path& folder) {
  const GridDraw grid = grid_of(trace.name(), drawn);
  ReplaySpec base{.trace = trace.name(), .allow_truncated = false, .config = drawn.config};
  base.config.capacity_list.clear();
  const std::string output = folder / "sweep.csv";
  std::filesystem::remove(output + ".journal");
  return outcome_difference(
      false,
      [&] {
        const Sweep sweep(Grid::parse("grid", grid.json, sweep_keys(), sweep_columns()), base);
        return sweep.run(output, {.jobs = drawn.jobs});
      },
      [&](const SweepOutcome& /*found*/) { return table_difference(output, drawn, grid); });
}

}  // namespace dsasim::test
