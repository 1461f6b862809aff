#include "dsasim/compare/compare.hpp"

#include "dsasim/checked.hpp"
#include "dsasim/curve/run_all.hpp"
#include "dsasim/error.hpp"

#include <algorithm>
#include <utility>

namespace dsasim {
namespace {

CompareCells compare_one(const TraceReader& trace, const CompareConfig& config, std::span<const PolicySpec> policies,
                         std::uint32_t jobs, const std::function<void(double)>& on_share) {
  std::vector<ReplayConfig> configs;
  for (const PolicySpec& policy : policies) {
    for (const Capacity& capacity : config.capacities) {
      ReplayConfig& point = configs.emplace_back(config.replay);
      point.policy = policy;
      point.capacity = capacity;
    }
  }
  ReplayHooks hooks;
  if (on_share) {
    hooks.on_step = [&](std::uint64_t done, std::uint64_t total) {
      on_share(static_cast<double>(done) / static_cast<double>(total));
    };
  }
  const auto results = run_all(trace, configs, Wanted::misses, hooks, jobs);
  CompareCells cells(policies.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& capacities = results[i].config.capacity_entries;
    cells[i / config.capacities.size()].push_back(
        {.capacity_entries = *std::max_element(capacities.begin(), capacities.end()),
         .accesses = results[i].totals.accesses,
         .misses = results[i].totals.misses()});
  }
  return cells;
}

}  // namespace

CompareCell& CompareCell::operator+=(const CompareCell& more) {
  capacity_entries = std::max(capacity_entries, more.capacity_entries);
  accesses = checked_sum(accesses, more.accesses, "accesses");
  misses = checked_sum(misses, more.misses, "misses");
  return *this;
}

std::optional<double> CompareResult::gap_closed(const CompareCells& of, std::size_t policy,
                                                std::size_t capacity) const {
  const PolicySpec bound = bound_of(policies.front());
  const auto place = std::find(policies.begin(), policies.end(), bound) - policies.begin();
  if (policy >= asked || bound_of(policies[policy]) != bound) {
    return std::nullopt;
  }
  const auto misses = [&](std::size_t at) { return static_cast<double>(of[at][capacity].misses); };
  const double gap = misses(0) - misses(static_cast<std::size_t>(place));
  return gap > 0 ? std::optional((misses(0) - misses(policy)) / gap) : std::nullopt;
}

CompareResult compare(std::span<const TraceReader* const> traces, const CompareConfig& config, std::uint32_t jobs,
                      const std::function<void(double share)>& on_share) {
  if (config.policies.empty() || config.capacities.empty() || traces.empty()) {
    throw ConfigError(config.policies.empty()     ? "`policies`"
                      : config.capacities.empty() ? "`capacities`"
                                                  : "trace",
                      "expected at least one, found none");
  }
  CompareResult result;
  result.capacities = config.capacities;
  result.policies.reserve(config.policies.size());
  for (const PolicySpec& policy : config.policies) {
    result.policies.push_back(complete_policy(policy));
  }
  result.asked = result.policies.size();
  for (std::size_t i = 0; i < result.asked; ++i) {
    PolicySpec bound = bound_of(result.policies[i]);
    if (std::find(result.policies.begin(), result.policies.end(), bound) == result.policies.end()) {
      result.policies.push_back(std::move(bound));
    }
  }
  for (std::size_t i = 0; i < traces.size(); ++i) {
    const auto on_part = [&](double share) {
      on_share((static_cast<double>(i) + share) / static_cast<double>(traces.size()));
    };
    result.traces.push_back(traces[i]->name());
    result.cells.push_back(
        compare_one(*traces[i], config, result.policies, jobs, on_share ? on_part : std::function<void(double)>()));
  }
  ReplayConfig first = config.replay;
  first.policy = config.policies.front();
  first.capacity = config.capacities.front();
  result.config = effective_config(*traces.front(), first);
  result.together = result.cells.front();
  for (std::size_t i = 1; i < traces.size(); ++i) {
    for (std::size_t policy = 0; policy < result.policies.size(); ++policy) {
      for (std::size_t capacity = 0; capacity < result.capacities.size(); ++capacity) {
        result.together[policy][capacity] += result.cells[i][policy][capacity];
      }
    }
  }
  return result;
}

}  // namespace dsasim
