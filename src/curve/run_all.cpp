#include "dsasim/curve/run_all.hpp"

#include "dsasim/curve/curve.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace dsasim {
namespace {

// What replays showed (docs/sweep.md). These divide the work, as does what policies and caches say of themselves.
constexpr double byte_ns = 0.5;  // to get fresh memory
constexpr double decode_ns = 2;
constexpr double stack_ns = 8;
constexpr std::uint64_t stack_place_bytes = 6;
constexpr double foreseen_place_bytes = 8;  // Belady's future

constexpr std::size_t most_together = 16;  // decoding is then a small part of the work
constexpr std::size_t most_of_a_pass = 1024;
constexpr std::size_t least_of_a_pass = 8;  // fewer are replayed faster than a pass is made
constexpr std::uint64_t most_group_bytes = std::uint64_t{1} << 30U;

std::uint64_t accesses_of(const TraceReader& trace, StepRange steps) {
  __extension__ using Wide = unsigned __int128;
  const std::uint64_t all = std::max<std::uint64_t>(trace.batch_steps(), 1);
  return static_cast<std::uint64_t>(Wide{trace.accesses()} * (steps.last - steps.first) / all);
}

/// Places in the directories: an id below the largest of each stream.
std::uint64_t directory_entries(const TraceReader& trace) {
  std::uint64_t ids = 0;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    ids += trace.extent(request).id_limit;
  }
  return ids * trace.layer_count();
}

std::uint64_t replay_bytes(const TraceReader& trace, const EffectiveConfig& config) {
  const PolicySpec& policy = config.asked.policy;
  const std::uint64_t places = directory_entries(trace);
  const std::uint64_t largest = *std::max_element(config.capacity_entries.begin(), config.capacity_entries.end());
  const std::uint64_t all_caches = std::max<std::uint64_t>(config.reservation.caches, 1);
  const CacheBytes bytes = cache_bytes(policy, std::min(largest, places / all_caches + 1));
  const double foreseen = policy_needs(policy).future ? foreseen_place_bytes : 0;
  return static_cast<std::uint64_t>(static_cast<double>(places) * (bytes.arrays * bytes.place_bytes + foreseen) +
                                    static_cast<double>(all_caches) * bytes.slot_bytes);
}

bool all_reserve(const EffectiveConfig& config) {
  return std::find(config.capacity_entries.begin(), config.capacity_entries.end(), 0) == config.capacity_entries.end();
}

/// What a family agrees on. Runs of one pass or of one look into the future differ in capacity alone.
std::string family_of(const EffectiveConfig& config, bool is_stack, bool future) {
  std::string family = fmt::format("{}:{}", config.steps.first, config.steps.last);
  if (!is_stack && !future) {
    return family;
  }
  const ReplayConfig& asked = config.asked;
  const auto number = [](auto choice) { return static_cast<unsigned>(choice); };
  family += fmt::format(" {} {} {} {} {} {} {} {} {} {} {} {}", to_string(asked.policy), number(asked.scope),
                        number(asked.order), number(asked.warm), number(asked.new_token), asked.resident_blocks,
                        asked.pins.sink_entries, asked.pins.recent_entries, to_string(asked.prefetch),
                        to_string(asked.granularity), asked.warmup_steps, config.entry_bytes);
  if (future && !all_reserve(config)) {  // layers in which nothing is reserved have no future
    family += fmt::format(" of {}", fmt::join(config.capacity_entries, " "));
  }
  return family;
}

RunGroup group_of(std::span<const RunPlan* const> runs, std::vector<std::size_t> places, bool one_pass) {
  RunGroup group{.runs = std::move(places), .one_pass = one_pass};
  const RunPlan& first = *runs[group.runs.front()];
  double cost_ns = static_cast<double>(first.accesses) * decode_ns;
  if (one_pass) {
    group.bytes = first.stack_bytes;
    cost_ns += static_cast<double>(first.accesses) * stack_ns + static_cast<double>(group.bytes) * byte_ns;
  } else {
    for (const std::size_t run : group.runs) {
      group.bytes += runs[run]->bytes;
      cost_ns += static_cast<double>(runs[run]->cost_ns);
    }
  }
  group.cost_ns = static_cast<std::uint64_t>(cost_ns);
  return group;
}

/// Cuts the runs [first, last) of one family into groups.
void add_groups(std::span<const RunPlan* const> runs, std::size_t first, std::size_t last, std::size_t most_runs,
                std::vector<RunGroup>& groups) {
  const bool one_pass = runs[first]->is_stack && last - first >= least_of_a_pass;
  const std::size_t most = one_pass ? most_of_a_pass : most_runs;
  std::vector<std::size_t> together;
  std::uint64_t bytes = 0;
  for (std::size_t run = first; run < last; ++run) {
    const bool full = together.size() == most || (!one_pass && bytes + runs[run]->bytes > most_group_bytes);
    if (full && !together.empty()) {
      groups.push_back(group_of(runs, std::exchange(together, {}), one_pass));
      bytes = 0;
    }
    together.push_back(run);
    bytes += runs[run]->bytes;
  }
  groups.push_back(group_of(runs, std::move(together), one_pass));
}

/// What a replay counts, as far as Wanted::misses goes.
ReplayResult result_of(const TraceReader& trace, const CurveResult& curves, std::size_t point,
                       const ReplayConfig& config) {
  ReplayResult result;
  result.config = effective_config(trace, config);
  for (std::size_t layer = 0; layer < curves.layers.size(); ++layer) {
    const Curve& curve = curves.layers[layer];
    const std::uint64_t misses = curve.points[point].misses;
    Counters& counters = result.layers.emplace_back();
    counters.accesses = curve.accesses;
    counters.hits = curve.accesses - misses;
    counters.cache_hits = counters.hits;
    counters.compulsory_misses = curve.compulsory_misses;
    const std::uint64_t kv_rows = trace.header().kv_rows(static_cast<std::uint32_t>(layer));
    counters.fetch(kv_rows * config.granularity.block_entries, result.config.row_bytes[layer]);
    result.totals += result.layers.back();
  }
  return result;
}

}  // namespace

RunPlan plan_run(const TraceReader& trace, const EffectiveConfig& config, Wanted wanted) {
  RunPlan plan;
  const ReplayConfig& asked = config.asked;
  // Where nothing is reserved, nothing is pinned or allocated, and other entries are new than in the caches of a pass.
  plan.is_stack = wanted == Wanted::misses && is_stack(trace.header(), asked) && asked.capacity_list.empty() &&
                  (all_reserve(config) ||
                   (asked.new_token == NewToken::demand && asked.resident_blocks == 0 && asked.granularity.is_entry()));
  plan.accesses = accesses_of(trace, config.steps);
  plan.stack_bytes = plan.is_stack ? directory_entries(trace) * stack_place_bytes : 0;
  plan.bytes = replay_bytes(trace, config);
  plan.cost_ns = 1 + static_cast<std::uint64_t>(static_cast<double>(plan.accesses) * policy_access_ns(asked.policy) +
                                                static_cast<double>(plan.bytes) * byte_ns);
  plan.family = family_of(config, plan.is_stack, policy_needs(asked.policy).future);
  return plan;
}

std::vector<RunGroup> group_runs(std::span<const RunPlan* const> runs, std::uint32_t jobs) {
  const std::size_t wanted = 2 * std::size_t{jobs};  // groups, so that no thread is idle for long
  const std::size_t share = jobs == 1 ? most_together : (runs.size() + wanted - 1) / wanted;
  const std::size_t most_runs = std::clamp<std::size_t>(share, 1, most_together);
  std::vector<RunGroup> groups;
  for (std::size_t first = 0; first < runs.size();) {
    std::size_t last = first + 1;
    while (last < runs.size() && runs[last]->family == runs[first]->family) {
      ++last;
    }
    add_groups(runs, first, last, most_runs, groups);
    first = last;
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const RunGroup& a, const RunGroup& b) { return a.cost_ns > b.cost_ns; });
  return groups;
}

std::vector<ReplayResult> run_group(const TraceReader& trace, std::span<const ReplayConfig> configs, bool one_pass,
                                    const ReplayHooks& hooks, std::uint32_t jobs) {
  if (!one_pass) {
    return replay_all(trace, configs, hooks, jobs);
  }
  CurveConfig config{.replay = configs.front(), .capacities = {}};
  config.capacities.reserve(configs.size());
  for (const ReplayConfig& run : configs) {
    config.capacities.push_back(run.capacity);
  }
  const CurveResult curves = curve(trace, config, hooks, jobs);
  std::vector<ReplayResult> results;
  results.reserve(configs.size());
  for (std::size_t i = 0; i < configs.size(); ++i) {
    results.push_back(result_of(trace, curves, i, configs[i]));
  }
  return results;
}

std::vector<ReplayResult> run_all(const TraceReader& trace, std::span<const ReplayConfig> configs, Wanted wanted,
                                  const ReplayHooks& hooks, std::uint32_t jobs) {
  std::vector<RunPlan> plans;
  plans.reserve(configs.size());
  for (const ReplayConfig& config : configs) {
    plans.push_back(plan_run(trace, effective_config(trace, config), wanted));
  }
  std::vector<std::size_t> order(plans.size());
  for (std::size_t run = 0; run < order.size(); ++run) {
    order[run] = run;
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return plans[a].family < plans[b].family; });
  std::vector<const RunPlan*> ordered;
  ordered.reserve(order.size());
  for (const std::size_t run : order) {
    ordered.push_back(&plans[run]);
  }
  const std::vector<RunGroup> groups = group_runs(ordered, 1);  // the jobs work on one group at a time
  std::vector<ReplayResult> results(configs.size());
  for (std::size_t number = 0; number < groups.size(); ++number) {
    std::vector<ReplayConfig> together;
    together.reserve(groups[number].runs.size());
    for (const std::size_t run : groups[number].runs) {
      together.push_back(configs[order[run]]);
    }
    ReplayHooks hooks_of_group = hooks;
    if (hooks.on_step) {
      hooks_of_group.on_step = [&, number](std::uint64_t done, std::uint64_t total) {
        hooks.on_step(total * number + done, total * groups.size());
      };
    }
    // A group numbers its own.
    const auto renumber = [&, number](StepRow row) {
      row.run = static_cast<std::uint32_t>(order[groups[number].runs[row.run]]);
      return row;
    };
    if (hooks.on_row) {
      hooks_of_group.on_row = [&, renumber](const StepRow& row) { hooks.on_row(renumber(row)); };
    }
    if (hooks.on_missed) {
      hooks_of_group.on_missed = [&, renumber](const StepRow& row, std::span<const EntryId> missed) {
        hooks.on_missed(renumber(row), missed);
      };
    }
    auto found = run_group(trace, together, groups[number].one_pass, hooks_of_group, jobs);
    for (std::size_t i = 0; i < found.size(); ++i) {
      results[order[groups[number].runs[i]]] = std::move(found[i]);
    }
  }
  return results;
}

}  // namespace dsasim
