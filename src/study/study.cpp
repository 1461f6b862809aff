#include "dsasim/study/study.hpp"

#include "dsasim/curve/run_all.hpp"
#include "dsasim/error.hpp"
#include "dsasim/model/gpu.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

namespace dsasim {
namespace {

constexpr std::array scopes = {Scope::stream, Scope::shared};
constexpr double knee_share = 0.9;

/// Belady's knows the future.
bool can_be_built(const PolicySpec& policy) {
  return !policy_needs(policy).future;
}

class Study {
 public:
  Study(const TraceReader& trace, const StudyConfig& config, std::uint32_t jobs,
        const std::function<void(double)>& on_share)
      : trace_(trace), config_(config), jobs_(jobs), on_share_(on_share) {}

  StudyResult run() {
    describe();
    for (const PolicySpec& policy : policies_and_bounds()) {
      for (const Scope scope : scopes) {
        add_points(policy, scope);
      }
    }
    replay_points();
    choose();
    return std::move(result_);
  }

 private:
  std::vector<PolicySpec> policies_and_bounds() const {
    std::vector<PolicySpec> all;
    const auto add = [&](PolicySpec policy) {
      if (std::find(all.begin(), all.end(), policy) == all.end()) {
        all.push_back(std::move(policy));
      }
    };
    for (const PolicySpec& policy : config_.policies) {
      add(complete_policy(policy));
    }
    for (const PolicySpec& policy : config_.policies) {
      add(bound_of(policy));
    }
    return all;
  }

  ReplayConfig replay_config(const PolicySpec& policy, Scope scope, std::uint64_t reserved_bytes) const {
    ReplayConfig replay = config_.replay;
    replay.policy = policy;
    replay.scope = scope;
    // One cache of all layers has entries of different costs where the trace's groups differ in size: the mean is
    // taken.
    replay.capacity = scope == Scope::shared && reserved_bytes > 0
                          ? Capacity::parse_budget(std::to_string(reserved_bytes / result_.entry_cost_bytes))
                          : Capacity::parse_budget(fmt::format("{}B", reserved_bytes));
    return replay;
  }

  ReplayConfig nothing() const {
    ReplayConfig replay = replay_config(parse_policy("lru"), Scope::stream, 0);
    replay.capacity = Capacity::parse("0");
    return replay;
  }

  void describe() {
    result_.config = effective_config(trace_, nothing());
    const EffectiveConfig& effective = result_.config;
    const Gpu gpu = load_gpu(config_.replay.step.gpu);
    result_.llc_bytes = parse_llc(gpu.llc).bytes;
    result_.set_aside_bytes = gpu.llc_set_aside_bytes;
    result_.reservable_bytes = gpu.llc_set_aside_bytes.value_or(result_.llc_bytes);
    if (effective.counted_steps == 0) {
      throw ConfigError(trace_.name(), "selects nothing: there is no token to time");
    }
    result_.entry_cost_bytes =
        std::accumulate(effective.entry_cost_bytes.begin(), effective.entry_cost_bytes.end(), std::uint64_t{0}) /
        trace_.layer_count();
    if (result_.entry_cost_bytes == 0) {
      throw ConfigError("`entry_bytes`", "{} and {} do not give an entry's bytes", trace_.name(), effective.model_name);
    }
  }

  StudyPoint point_of(std::uint64_t reserved_bytes, const ReplayResult& result) const {
    return {.policy = result.config.asked.policy,
            .scope = result.config.asked.scope,
            .reserved_bytes = reserved_bytes,
            .caches = result.config.reservation.caches,
            .capacity_entries =
                *std::max_element(result.config.capacity_entries.begin(), result.config.capacity_entries.end()),
            .accesses = result.totals.accesses,
            .misses = result.totals.misses(),
            .tpot = result.step_times->tpot,
            .set_aside_ns = static_cast<double>(result.step_times->totals.set_aside_ns) /
                            static_cast<double>(result.config.counted_steps),
            .gain_error_ns = result.step_times->gain ? result.step_times->gain->error_ns : std::nullopt};
  }

  /// Why a policy cannot have this reservation; empty if it can.
  std::string refusal(const PolicySpec& policy, Scope scope, std::uint64_t reserved_bytes) const {
    const auto capacities =
        effective_config(trace_, replay_config(parse_policy("lru"), scope, reserved_bytes)).capacity_entries;
    const std::uint64_t entries = *std::min_element(capacities.begin(), capacities.end());
    if (entries == 0) {
      return fmt::format("{} caches, not an entry for each", cache_count(trace_, scope));
    }
    if (policy_needs(policy).whole_selection && entries < trace_.longest_selection()) {
      return fmt::format("a cache has {} entries, a whole selection {}", entries, trace_.longest_selection());
    }
    if (policy_needs(policy).one_stream && scope != Scope::stream) {
      return "it is of one layer and request";
    }
    return "";
  }

  void add_points(const PolicySpec& policy, Scope scope) {
    for (std::uint32_t part = 1; part <= config_.parts; ++part) {
      const std::uint64_t bytes = result_.reservable_bytes / config_.parts * part;
      if (std::string reason = refusal(policy, scope, bytes); reason.empty()) {
        configs_.push_back(replay_config(policy, scope, bytes));
        reserved_.push_back(bytes);
      } else {
        result_.gaps.push_back({.policy = policy,
                                .scope = scope,
                                .reserved_bytes = bytes,
                                .reason = std::move(reason),
                                .before_point = configs_.size()});
      }
    }
  }

  void replay_points() {
    configs_.push_back(nothing());
    ReplayHooks hooks;
    hooks.on_step = [&](std::uint64_t done, std::uint64_t total) {
      if (on_share_) {
        on_share_(static_cast<double>(done) / static_cast<double>(total));
      }
    };
    const auto results = run_all(trace_, configs_, Wanted::everything, hooks, jobs_);
    describe_nothing(results.back());
    for (std::size_t i = 0; i + 1 < results.size(); ++i) {
      result_.points.push_back(point_of(reserved_[i], results[i]));
      result_.perfect_gain = results[i].step_times->perfect_gain;  // of every reservation the same
    }
  }

  void describe_nothing(const ReplayResult& result) {
    result_.nothing = point_of(0, result);
    const auto& hidden = result.step_times->hidden_layers;
    result_.hidden_layers = std::accumulate(hidden.begin(), hidden.end(), std::uint64_t{0});
    result_.all_hit_tpot_ns = result.step_times->slowdown_all_hit == 0
                                  ? 0
                                  : result.step_times->tpot.mean_ns / result.step_times->slowdown_all_hit;
  }

  void choose() {
    const auto& points = result_.points;
    const auto charged = [](const StudyPoint& point) { return point.tpot.mean_ns; };
    const auto uncharged = [](const StudyPoint& point) { return point.tpot.mean_ns - point.set_aside_ns; };
    const auto take_better = [&](std::optional<std::size_t>& best, std::size_t i, auto time_ns) {
      if (can_be_built(points[i].policy) && (!best || time_ns(points[i]) < time_ns(points[*best]))) {
        best = i;
      }
    };
    for (std::size_t i = 0; i < points.size(); ++i) {
      take_better(result_.best, i, charged);
      take_better(result_.best_uncharged, i, uncharged);
    }
    if (!result_.best) {
      return;
    }
    const StudyPoint& best = points[*result_.best];
    const double best_gain = result_.gain(best);
    for (std::size_t i = 0; i < points.size() && best_gain >= StudyResult::worth_while; ++i) {
      const bool same = points[i].policy == best.policy && points[i].scope == best.scope;
      if (same && !result_.knee && result_.gain(points[i]) >= knee_share * best_gain) {
        result_.knee = i;  // by bytes: the first one is the least
      }
    }
    const StudyPoint& reference = points[result_.knee.value_or(*result_.best)];
    for (std::size_t i = 0; i < points.size(); ++i) {
      if (points[i].policy == bound_of(reference.policy) && points[i].scope == reference.scope &&
          points[i].reserved_bytes == reference.reserved_bytes) {
        result_.belady = i;
      }
    }
  }

  const TraceReader& trace_;
  const StudyConfig& config_;
  std::uint32_t jobs_;
  const std::function<void(double)>& on_share_;
  std::vector<ReplayConfig> configs_;
  std::vector<std::uint64_t> reserved_;  ///< by replay
  StudyResult result_;
};

}  // namespace

StudyResult study(const TraceReader& trace, const StudyConfig& config, std::uint32_t jobs,
                  const std::function<void(double share)>& on_share) {
  const StepSpec& step = config.replay.step;
  if (step.model.empty() || step.gpu.empty()) {
    throw ConfigError(step.model.empty() ? "`model`" : "`gpu`", "expected one: a study is of a model on a GPU");
  }
  return Study(trace, config, jobs, on_share).run();
}

}  // namespace dsasim
