#include "dsasim/study/study.hpp"

#include "dsasim/error.hpp"
#include "dsasim/model/gpu.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>

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
  ReplayConfig replay_config(std::string_view policy, Scope scope, std::uint64_t entries) const {
    ReplayConfig replay;
    replay.policy = parse_policy(policy);
    replay.scope = scope;
    replay.capacity = Capacity::parse(std::to_string(entries));
    replay.entry_bytes = config_.entry_bytes;
    replay.memory = config_.memory;
    replay.step = config_.step;
    return replay;
  }

  void describe() {
    result_.config = effective_config(trace_, replay_config("lru", Scope::stream, 0));
    const EffectiveConfig& effective = result_.config;
    result_.llc_bytes = parse_llc(load_gpu(config_.step.gpu).llc).bytes;
    result_.entry_cost_bytes =
        std::accumulate(effective.entry_cost_bytes.begin(), effective.entry_cost_bytes.end(), std::uint64_t{0}) /
        trace_.layer_count();
    if (result_.entry_cost_bytes == 0) {
      throw ConfigError("--entry-bytes", "{} and {} do not give an entry's bytes", trace_.name(), effective.model_name);
    }
  }

  StudyPoint point_of(std::uint64_t reserved_bytes, const ReplayResult& result) const {
    return {.policy = result.config.asked.policy.name,
            .scope = result.config.asked.scope,
            .reserved_bytes = reserved_bytes,
            .capacity_entries = result.config.capacity_entries.front(),
            .accesses = result.totals.accesses,
            .misses = result.totals.misses(),
            .tpot = result.step_times->tpot};
  }

  void replay_nothing() {
    const ReplayResult result = replay(trace_, replay_config("lru", Scope::stream, 0), {}, jobs_);
    result_.nothing = point_of(0, result);
    result_.all_hit_tpot_ns = result.step_times->slowdown_all_hit == 0
                                  ? 0
                                  : result.step_times->tpot.mean_ns / result.step_times->slowdown_all_hit;
  }

  void replay_points(std::string_view policy, Scope scope) {
    const std::uint64_t caches =
        scope == Scope::shared ? 1 : std::uint64_t{trace_.layer_count()} * trace_.request_count();
    std::vector<ReplayConfig> configs;
    std::vector<std::uint64_t> reserved;
    for (std::uint32_t part = 1; part <= config_.parts; ++part) {
      const std::uint64_t bytes = result_.llc_bytes / config_.parts * part;
      const std::uint64_t entries = bytes / result_.entry_cost_bytes / caches;
      const bool whole = policy_needs(parse_policy(policy)).whole_selection;
      if (entries > 0 && (!whole || entries >= trace_.longest_selection())) {
        configs.push_back(replay_config(policy, scope, entries));
        reserved.push_back(bytes);
      }
    }
    const std::size_t at_once = configs_at_once(trace_);
    for (std::size_t first = 0; first < configs.size(); first += at_once) {
      const std::size_t count = std::min(at_once, configs.size() - first);
      ReplayHooks hooks;
      hooks.on_step = [&](std::uint64_t done, std::uint64_t total) {
        if (on_share_) {
          const double share = (static_cast<double>(first) +
                                static_cast<double>(count) * static_cast<double>(done) / static_cast<double>(total)) /
                               static_cast<double>(configs.size());
          on_share_((static_cast<double>(done_) + share) / (policies.size() * scopes.size()));
        }
      };
      const auto results = replay_all(trace_, {configs.data() + first, count}, hooks, jobs_);
      for (std::size_t i = 0; i < count; ++i) {
        result_.points.push_back(point_of(reserved[first + i], results[i]));
      }
    }
  }

  void choose() {
    const auto& points = result_.points;
    const auto better = [&](std::optional<std::size_t> than, std::size_t i) {
      return points[i].policy != unbuildable && (!than || points[i].tpot.mean_ns < points[*than].tpot.mean_ns);
    };
    for (std::size_t i = 0; i < points.size(); ++i) {
      result_.best = better(result_.best, i) ? i : result_.best;
    }
    if (!result_.best) {
      return;
    }
    const StudyPoint& best = points[*result_.best];
    const double gain = result_.nothing.tpot.mean_ns - best.tpot.mean_ns;
    for (std::size_t i = 0; i < points.size(); ++i) {  // by bytes: the first one is the least
      const bool same = points[i].policy == best.policy && points[i].scope == best.scope;
      if (same && !result_.knee && result_.nothing.tpot.mean_ns - points[i].tpot.mean_ns >= knee_share * gain) {
        result_.knee = i;
      }
    }
    for (std::size_t i = 0; i < points.size(); ++i) {
      const StudyPoint& knee = points[*result_.knee];
      if (points[i].policy == unbuildable && points[i].scope == knee.scope &&
          points[i].reserved_bytes == knee.reserved_bytes) {
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
    throw ConfigError(config.step.model.empty() ? "--model" : "--gpu", "expected one: a study is of a model on a GPU");
  }
  return Study(trace, config, jobs, on_share).run();
}

}  // namespace dsasim
