#include "dsasim/study/study.hpp"

#include "dsasim/error.hpp"
#include "dsasim/model/gpu.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>
#include <utility>

namespace dsasim {
namespace {

constexpr std::array<std::string_view, 3> policies = {"lru", "hisparse", "belady"};
constexpr std::string_view unbuildable = "belady";  ///< knows the future
constexpr std::array scopes = {Scope::stream, Scope::shared};
constexpr double knee_share = 0.9;

/// Directories of as many configurations as are replayed together stay below this.
constexpr std::uint64_t directory_bytes = std::uint64_t{1} << 30U;

std::size_t configs_at_once(const TraceReader& trace) {
  std::uint64_t ids = 0;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    ids += trace.extent(request).id_limit * trace.layer_count();
  }
  return std::max<std::uint64_t>(1, directory_bytes / (sizeof(std::uint32_t) * std::max<std::uint64_t>(ids, 1)));
}

class Study {
 public:
  Study(const TraceReader& trace, const StudyConfig& config, std::uint32_t jobs,
        const std::function<void(double)>& on_share)
      : trace_(trace), config_(config), jobs_(jobs), on_share_(on_share) {}

  StudyResult run() {
    describe();
    replay_nothing();
    for (const std::string_view policy : policies) {
      for (const Scope scope : scopes) {
        replay_points(policy, scope);
        ++done_;
      }
    }
    choose();
    return std::move(result_);
  }

 private:
  ReplayConfig replay_config(std::string_view policy, Scope scope, std::uint64_t reserved_bytes) const {
    ReplayConfig replay;
    replay.policy = parse_policy(policy);
    replay.scope = scope;
    // One cache of all layers has entries of different costs where the trace's groups differ in size: the mean is
    // taken.
    replay.capacity = scope == Scope::shared && reserved_bytes > 0
                          ? Capacity::parse_budget(std::to_string(reserved_bytes / result_.entry_cost_bytes))
                          : Capacity::parse_budget(fmt::format("{}B", reserved_bytes));
    replay.entry_bytes = config_.entry_bytes;
    replay.memory = config_.memory;
    replay.step = config_.step;
    return replay;
  }

  ReplayConfig nothing() const {
    ReplayConfig replay = replay_config("lru", Scope::stream, 0);
    replay.capacity = Capacity::parse("0");
    return replay;
  }

  void describe() {
    result_.config = effective_config(trace_, nothing());
    const EffectiveConfig& effective = result_.config;
    const Gpu gpu = load_gpu(config_.step.gpu);
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
    return {.policy = result.config.asked.policy.name,
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

  /// Tells how much is done: the replay without a reservation, and one round for each policy and scope.
  void tell(double share_of_round) const {
    constexpr double rounds = 1 + policies.size() * scopes.size();
    if (on_share_) {
      on_share_((static_cast<double>(done_) + share_of_round) / rounds);
    }
  }

  void replay_nothing() {
    ReplayHooks hooks;
    hooks.on_step = [&](std::uint64_t done, std::uint64_t total) {
      tell(static_cast<double>(done) / static_cast<double>(total));
    };
    const ReplayResult result = replay(trace_, nothing(), hooks, jobs_);
    ++done_;
    result_.nothing = point_of(0, result);
    const auto& hidden = result.step_times->hidden_layers;
    result_.hidden_layers = std::accumulate(hidden.begin(), hidden.end(), std::uint64_t{0});
    result_.all_hit_tpot_ns = result.step_times->slowdown_all_hit == 0
                                  ? 0
                                  : result.step_times->tpot.mean_ns / result.step_times->slowdown_all_hit;
  }

  /// Why a policy cannot have this reservation; empty if it can.
  std::string refusal(std::string_view policy, Scope scope, std::uint64_t reserved_bytes) const {
    const auto capacities = effective_config(trace_, replay_config("lru", scope, reserved_bytes)).capacity_entries;
    const std::uint64_t entries = *std::min_element(capacities.begin(), capacities.end());
    if (entries == 0) {
      return fmt::format("{} caches, not an entry for each", cache_count(trace_, scope));
    }
    if (policy_needs(parse_policy(policy)).whole_selection && entries < trace_.longest_selection()) {
      return fmt::format("a cache has {} entries, a whole selection {}", entries, trace_.longest_selection());
    }
    return "";
  }

  void replay_points(std::string_view policy, Scope scope) {
    std::vector<ReplayConfig> configs;
    std::vector<std::uint64_t> reserved;
    for (std::uint32_t part = 1; part <= config_.parts; ++part) {
      const std::uint64_t bytes = result_.reservable_bytes / config_.parts * part;
      if (std::string reason = refusal(policy, scope, bytes); reason.empty()) {
        configs.push_back(replay_config(policy, scope, bytes));
        reserved.push_back(bytes);
      } else {
        result_.gaps.push_back({.policy = std::string(policy),
                                .scope = scope,
                                .reserved_bytes = bytes,
                                .reason = std::move(reason),
                                .before_point = result_.points.size()});
      }
    }
    const std::size_t at_once = configs_at_once(trace_);
    for (std::size_t first = 0; first < configs.size(); first += at_once) {
      const std::size_t count = std::min(at_once, configs.size() - first);
      ReplayHooks hooks;
      hooks.on_step = [&](std::uint64_t done, std::uint64_t total) {
        tell((static_cast<double>(first) +
              static_cast<double>(count) * static_cast<double>(done) / static_cast<double>(total)) /
             static_cast<double>(configs.size()));
      };
      const auto results = replay_all(trace_, {configs.data() + first, count}, hooks, jobs_);
      for (std::size_t i = 0; i < count; ++i) {
        result_.points.push_back(point_of(reserved[first + i], results[i]));
        result_.perfect_gain = results[i].step_times->perfect_gain;  // of every reservation the same
      }
    }
  }

  void choose() {
    const auto& points = result_.points;
    const auto charged = [](const StudyPoint& point) { return point.tpot.mean_ns; };
    const auto uncharged = [](const StudyPoint& point) { return point.tpot.mean_ns - point.set_aside_ns; };
    const auto take_better = [&](std::optional<std::size_t>& best, std::size_t i, auto time_ns) {
      if (points[i].policy != unbuildable && (!best || time_ns(points[i]) < time_ns(points[*best]))) {
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
      if (points[i].policy == unbuildable && points[i].scope == reference.scope &&
          points[i].reserved_bytes == reference.reserved_bytes) {
        result_.belady = i;
      }
    }
  }

  const TraceReader& trace_;
  const StudyConfig& config_;
  std::uint32_t jobs_;
  const std::function<void(double)>& on_share_;
  std::size_t done_ = 0;
  StudyResult result_;
};

}  // namespace

StudyResult study(const TraceReader& trace, const StudyConfig& config, std::uint32_t jobs,
                  const std::function<void(double share)>& on_share) {
  if (config.step.model.empty() || config.step.gpu.empty()) {
    throw ConfigError(config.step.model.empty() ? "`model`" : "`gpu`", "expected one: a study is of a model on a GPU");
  }
  return Study(trace, config, jobs, on_share).run();
}

}  // namespace dsasim
