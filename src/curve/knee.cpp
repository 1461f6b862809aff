#include "dsasim/curve/knee.hpp"

#include "dsasim/config/number_of.hpp"
#include "dsasim/curve/curve.hpp"
#include "dsasim/curve/run_all.hpp"
#include "dsasim/error.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <utility>

namespace dsasim {
namespace {

/// The largest cache that can be of any use: all ids of the streams that share it, in whole blocks of each.
std::uint64_t everything(const TraceReader& trace, const ReplayConfig& config) {
  const Scope scope = config.scope;
  std::uint64_t ids = trace.longest_context_entries();
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    ids = std::max(ids, trace.extent(request).id_limit);
  }
  const std::uint64_t block_entries = config.granularity.block_entries;
  ids = (ids + block_entries - 1) / block_entries * block_entries;
  const std::uint64_t layers = scope == Scope::shared || scope == Scope::request ? trace.layer_count() : 1;
  const std::uint64_t requests = scope == Scope::shared || scope == Scope::layer ? trace.request_count() : 1;
  __extension__ using Wide = unsigned __int128;
  constexpr Wide most = std::uint64_t{1} << 32U;  // no directory numbers more
  return std::max<std::uint64_t>(static_cast<std::uint64_t>(std::min(Wide{ids} * layers * requests, most)),
                                 longest_union(trace, config.granularity) * block_entries);
}

/// Pins take their slots beside what the grid gives the policy.
std::vector<std::uint64_t> default_grid(const TraceReader& trace, const ReplayConfig& config) {
  constexpr std::uint64_t to_an_octave = 8;
  const std::uint64_t most = everything(trace, config);
  const std::uint64_t longest = longest_union(trace, config.granularity) * config.granularity.block_entries;
  std::vector<std::uint64_t> grid = {0};
  for (std::uint64_t octave = std::max<std::uint64_t>(longest, 1); octave < most; octave *= 2) {
    for (std::uint64_t part = 0; part < to_an_octave; ++part) {
      const std::uint64_t capacity = octave * (to_an_octave + part) / to_an_octave;
      if (capacity > grid.back() && capacity < most) {
        grid.push_back(capacity);
      }
    }
  }
  grid.push_back(most);
  std::uint64_t pinned = 0;
  for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
    pinned = std::max(pinned, pinned_entries(trace, config, layer));
  }
  std::for_each(grid.begin() + 1, grid.end(), [&](std::uint64_t& capacity) { capacity += pinned; });
  return grid;
}

/// `low`, ..., `high`, evenly, without the two.
std::vector<std::uint64_t> between(std::uint64_t low, std::uint64_t high, std::uint64_t count) {
  std::vector<std::uint64_t> capacities;
  count = std::min(count, high - low - 1);
  for (std::uint64_t i = 1; i <= count; ++i) {
    capacities.push_back(low + (high - low) * i / (count + 1));
  }
  return capacities;
}

std::vector<Capacity> as_capacities(const std::vector<std::uint64_t>& entries) {
  std::vector<Capacity> capacities;
  std::transform(entries.begin(), entries.end(), std::back_inserter(capacities),
                 [](std::uint64_t capacity) { return Capacity::parse(std::to_string(capacity)); });
  return capacities;
}

/// Finds the knee of one policy.
class KneeSearch {
 public:
  KneeSearch(const TraceReader& trace, const KneeConfig& config, const PolicySpec& policy, const ReplayHooks& hooks,
             std::uint32_t jobs)
      : trace_(trace), config_(config), replay_(config.replay), hooks_(hooks), jobs_(jobs) {
    replay_.policy = policy;
    replay_.capacity_list.clear();
    knee_.policy = complete_policy(policy);
  }

  Knee run() {
    const bool monotonic = config_.target.measure->basis == Basis::misses && replay_.warm == Warm::none &&
                           !replay_.pins.any() && !replay_.prefetch.any();
    const PolicyNeeds needs = policy_needs(replay_.policy);
    if (monotonic && config_.capacities.empty() && is_stack(trace_.header(), replay_)) {
      look_at_curve();
    } else if (monotonic && config_.capacities.empty() && needs.future && !needs.whole_selection) {
      narrow_down();
    } else {
      take_first_of(
          replayed(config_.capacities.empty() ? as_capacities(default_grid(trace_, replay_)) : config_.capacities));
    }
    return std::move(knee_);
  }

 private:
  Wanted wanted() const {
    const Basis basis = config_.target.measure->basis;
    return basis == Basis::misses || basis == Basis::lookups ? Wanted::misses : Wanted::everything;
  }
  bool reaches(const KneePoint& point) const { return point.value <= config_.target.at_most; }

  /// By capacity.
  std::vector<KneePoint> replayed(const std::vector<Capacity>& capacities) {
    std::vector<ReplayConfig> configs(capacities.size(), replay_);
    for (std::size_t i = 0; i < capacities.size(); ++i) {
      configs[i].capacity = capacities[i];
    }
    std::vector<KneePoint> points;
    for (const ReplayResult& result : run_all(trace_, configs, wanted(), hooks_, jobs_)) {
      const auto& entries = result.config.capacity_entries;
      points.push_back({.capacity_entries = *std::max_element(entries.begin(), entries.end()),
                        .value = number_of(total_of(*config_.target.measure, result)),
                        .reservation = result.config.reservation});
    }
    std::stable_sort(points.begin(), points.end(),
                     [](const KneePoint& a, const KneePoint& b) { return a.capacity_entries < b.capacity_entries; });
    knee_.tried += points.size();
    return points;
  }

  /// `points` by capacity.
  void take_first_of(const std::vector<KneePoint>& points) {
    const auto found = std::find_if(points.begin(), points.end(), [&](const auto& point) { return reaches(point); });
    if (found != points.end()) {
      knee_.point = *found;
    }
    if (found != points.begin()) {
      knee_.before = *std::prev(found);
    }
    knee_.best = *std::min_element(points.begin(), points.end(),
                                   [](const KneePoint& a, const KneePoint& b) { return a.value < b.value; });
  }

  void look_at_curve() {
    const CurveResult curves =
        curve(trace_, {.replay = replay_, .capacities = {}, .histograms = false, .streams = false}, hooks_, jobs_);
    std::vector<KneePoint> points;
    ReplayResult at;
    at.config = curves.config;
    at.totals.accesses = curves.total.accesses;
    for (const CurvePoint& point : curves.total.points) {
      at.totals.hits = curves.total.accesses - point.misses;
      points.push_back(
          {.capacity_entries = point.capacity_entries, .value = number_of(total_of(*config_.target.measure, at))});
    }
    knee_.exact = true;
    take_first_of(points);
    const auto add_reservation = [&](KneePoint& point) {
      point.reservation = reservation_of(trace_, curves.config, std::array{point.capacity_entries});
    };
    add_reservation(knee_.best);
    for (std::optional<KneePoint>* point : {&knee_.point, &knee_.before}) {
      if (*point) {
        add_reservation(**point);
      }
    }
  }

  void narrow_down() {
    constexpr std::uint64_t at_once = 15;
    knee_.exact = true;
    std::vector<KneePoint> points = replayed(as_capacities({0, everything(trace_, replay_)}));
    take_first_of(points);
    const KneePoint best = knee_.best;
    while (knee_.point && knee_.before &&
           knee_.point->capacity_entries - knee_.before->capacity_entries > replay_.granularity.block_entries) {
      points = replayed(as_capacities(between(knee_.before->capacity_entries, knee_.point->capacity_entries, at_once)));
      points.insert(points.begin(), *knee_.before);
      points.push_back(*knee_.point);
      take_first_of(points);
    }
    knee_.best = best;
  }

  const TraceReader& trace_;
  const KneeConfig& config_;
  ReplayConfig replay_;
  const ReplayHooks& hooks_;
  std::uint32_t jobs_;
  Knee knee_;
};

}  // namespace

Target parse_target(std::string_view text) {
  const std::size_t equals = std::min(text.find('='), text.size());
  std::string name(text.substr(0, equals));
  std::replace(name.begin(), name.end(), '-', '_');
  const Measure* measure = find_measure(name == "tpot_ns" ? "tpot_mean_ns" : name);
  if (measure == nullptr) {
    std::vector<std::string_view> names;
    std::transform(measures().begin(), measures().end(), std::back_inserter(names),
                   [](const auto& m) { return m.name; });
    throw ConfigError("`target`", "expected FIELD=NUMBER, FIELD one of {}, found \"{}\"", fmt::join(names, ", "), text);
  }
  const std::string_view number = text.substr(std::min(equals + 1, text.size()));
  const auto at_most = number_of<double>(number);
  if (!at_most || !(*at_most >= 0)) {
    throw ConfigError("`target`", "{}: expected a number from 0, found \"{}\"", name, number);
  }
  return {.measure = measure, .name = std::move(name), .at_most = *at_most};
}

KneeResult knees(const TraceReader& trace, const KneeConfig& config, const ReplayHooks& hooks, std::uint32_t jobs) {
  if (config.policies.empty()) {
    throw ConfigError("`policy`", "expected at least one");
  }
  KneeResult result{.config = {}, .target = config.target, .capacities = config.capacities, .knees = {}};
  ReplayConfig nothing = config.replay;
  nothing.capacity = Capacity::parse("0");
  nothing.policy = config.policies.front();
  result.config = effective_config(trace, nothing);
  if (const Measure& measure = *config.target.measure; !measure.is_known(result.config)) {
    throw ConfigError("`target`", "{} is not known here; expected {}", config.target.name, measure.needs);
  }
  for (const PolicySpec& policy : config.policies) {
    result.knees.push_back(KneeSearch(trace, config, policy, hooks, jobs).run());
  }
  return result;
}

}  // namespace dsasim
