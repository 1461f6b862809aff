#include "dsasim/allocate/allocate.hpp"

#include "allocate/split.hpp"
#include "dsasim/checked.hpp"
#include "dsasim/curve/curve.hpp"
#include "dsasim/curve/run_all.hpp"
#include "dsasim/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <new>
#include <numeric>
#include <set>
#include <stdexcept>
#include <utility>

namespace dsasim {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t default_granularity = 16;  // a page
constexpr std::uint64_t default_replays = 64;
constexpr std::uint64_t most_replays = 256;
constexpr std::uint64_t most_curve_points = std::uint64_t{1} << 24U;  // of all parts: 512 MB

/// Something that gets a capacity: a layer or a stream.
struct Part {
  std::uint32_t layer = 0;
  std::uint64_t entry_cost = 0;  ///< of one more entry in each of its caches, in the unit of the budget
  std::uint64_t least_entries = 0;
  std::uint64_t most_entries = 0;
  std::uint64_t least = 0;  ///< the same in multiples of the granularity, within them
  std::uint64_t most = 0;
};

/// Entries of a stream that a cache can be of use to: those of the longest context, and one that is being filled where
/// one is selected.
std::uint64_t most_entries(const TraceReader& trace) {
  std::uint64_t most = trace.longest_context_entries();
  for (std::uint32_t request = 0; trace.header().ids == IdKind::logical && request < trace.request_count(); ++request) {
    most = std::max(most, trace.extent(request).id_limit);
  }
  return most;
}

class Allocator {
 public:
  Allocator(const TraceReader& trace, AllocateConfig config, const ReplayHooks& hooks, std::uint32_t jobs)
      : trace_(trace), config_(std::move(config)), hooks_(hooks), jobs_(jobs) {
    config_.replay.capacity_list.clear();
    config_.replay.capacity = Capacity::parse("0");
    check();
  }

  AllocateResult run();

 private:
  void check() const;
  bool one_pass() const { return is_stack(trace_.header(), config_.replay) && config_.minimise == Minimise::misses; }
  std::uint64_t bytes_of(std::uint32_t layer) const {
    return checked_product(result_.config.entry_bytes, trace_.header().layers[layer].group_size,
                           "the bytes of an entry in the layers of its group");
  }
  const char* unit() const { return result_.budget_in_bytes ? "bytes" : "entries"; }
  std::uint64_t most_capacities(bool by_default) const;
  void find_parts();
  void find_granularity();
  void find_bounds();
  void find_budget();
  std::uint64_t largest_capacity() const;
  std::vector<Capacity> capacities() const;
  void measure_in_one_pass();
  void measure_by_replays();
  void find_uniform();
  void measured(std::size_t part, std::uint64_t capacity, std::uint64_t loss);
  Allocation allocation(const Split& split) const;
  void verify();

  const TraceReader& trace_;
  AllocateConfig config_;
  const ReplayHooks& hooks_;
  std::uint32_t jobs_;
  AllocateResult result_;
  std::vector<Part> parts_;
  std::vector<std::vector<Choice>> choices_;  ///< by part, from its least capacity to its most
};

void Allocator::check() const {
  trace_.require_single_queries("allocate");
  trace_.require_equal_stores("allocate");
  if (config_.replay.pins.any() || config_.replay.prefetch.any()) {
    throw ConfigError(config_.replay.pins.any() ? "`pin`" : "`prefetch`", "allocate splits a budget without it");
  }
  const Scope scope = config_.replay.scope;
  if (scope != Scope::layer && scope != Scope::stream) {
    throw ConfigError("`scope`",
                      "expected layer or stream: with one cache for several layers there is nothing to split");
  }
  if (config_.over == Over::streams && scope != Scope::stream) {
    throw ConfigError("`over`", "streams need `scope` stream; at scope layer they share a cache");
  }
  if (config_.over == Over::streams && !one_pass()) {
    throw ConfigError("`over`", "streams can be told apart for lru without preloads and `minimise` misses alone");
  }
  if (!config_.replay.granularity.is_entry()) {
    throw ConfigError("`granularity`", "of the replay: a split is of entries; expected 1, found {}",
                      to_string(config_.replay.granularity));
  }
  if (config_.granularity == std::optional<std::uint64_t>(0)) {
    throw ConfigError("`granularity`", "expected at least 1, found 0");
  }
}

void Allocator::find_parts() {
  const std::uint32_t requests = trace_.request_count();
  const std::uint32_t caches_of_layer = config_.replay.scope == Scope::stream ? requests : 1;
  const std::uint32_t parts_of_layer = config_.over == Over::streams ? requests : 1;
  result_.budget_in_bytes = config_.budget.unit() == Capacity::Unit::bytes;
  for (std::uint32_t layer = 0; layer < trace_.layer_count(); ++layer) {
    const std::uint64_t caches = caches_of_layer / parts_of_layer;
    const Part part{.layer = layer,
                    .entry_cost = checked_product(caches, result_.budget_in_bytes ? bytes_of(layer) : 1,
                                                  "the bytes of an entry in the caches of its layer")};
    parts_.insert(parts_.end(), parts_of_layer, part);
  }
  result_.caches = std::uint64_t{caches_of_layer} * trace_.layer_count();
}

std::uint64_t Allocator::most_capacities(bool by_default) const {
  if (one_pass()) {
    return std::max<std::uint64_t>(most_curve_points / parts_.size(), 2);
  }
  return by_default ? default_replays : most_replays;
}

/// The bounds, before they are rounded to multiples.
void Allocator::find_bounds() {
  constexpr std::uint64_t everything = max_entry_ids * 1024;  // a capacity beyond all ids of a cache changes nothing
  const std::uint64_t sharers = config_.replay.scope == Scope::layer ? trace_.request_count() : 1;
  const std::uint64_t entries = most_entries(trace_);
  for (Part& part : parts_) {
    const std::uint64_t most = config_.most ? config_.most->entries(trace_, bytes_of(part.layer)) : entries * sharers;
    part.least_entries = std::min(config_.least.entries(trace_, bytes_of(part.layer)), everything);
    part.most_entries = std::min(most, everything);
    if (policy_needs(config_.replay.policy).whole_selection && part.least_entries < trace_.longest_selection()) {
      throw ConfigError("`min`", "{} keeps a whole selection: expected at least {} entries, found {}",
                        to_string(config_.replay.policy), trace_.longest_selection(), part.least_entries);
    }
  }
}

void Allocator::find_granularity() {
  std::uint64_t widest = 0;
  for (const Part& part : parts_) {
    widest = std::max(widest, part.most_entries - std::min(part.least_entries, part.most_entries));
  }
  const std::uint64_t pages = widest / default_granularity / most_capacities(true) + 1;
  result_.granularity = config_.granularity.value_or(pages * default_granularity);
  const std::uint64_t g = result_.granularity;
  for (Part& part : parts_) {
    part.least = (part.least_entries + g - 1) / g * g;
    part.most = part.most_entries / g * g;
    if (part.least > part.most) {
      throw ConfigError("`granularity`", "no multiple of {} lies between {} (`min` {}) and {} ({})", g,
                        part.least_entries, config_.least.text(), part.most_entries,
                        config_.most ? "`max` " + config_.most->text() : "the contexts");
    }
  }
}

/// The budget in the unit that costs are in.
void Allocator::find_budget() {
  const bool each =
      config_.budget.unit() == Capacity::Unit::longest_selection || config_.budget.unit() == Capacity::Unit::context;
  if (result_.budget_in_bytes && result_.config.entry_bytes == 0) {
    config_.budget.entries(trace_, 0);  // says what is missing
  }
  const Wide budget = Wide{config_.budget.entries(trace_, 1)} * (each ? result_.caches : 1);
  Wide least = 0;
  Wide most = 0;
  for (const Part& part : parts_) {
    least += Wide{part.entry_cost} * part.least;
    most += Wide{part.entry_cost} * part.most;
  }
  constexpr Wide beyond = Wide{1} << 62U;
  if (budget >= beyond || most >= beyond) {
    throw ConfigError(budget >= beyond ? "`budget`" : "`max`", "{} caches would have 2^62 {} or more", result_.caches,
                      unit());
  }
  if (budget < least) {
    throw ConfigError("`budget`",
                      "{} is {} {}; the least that each of {} caches gets (`min` {}, in multiples of {}) comes to {}",
                      config_.budget.text(), static_cast<std::uint64_t>(budget), unit(), result_.caches,
                      config_.least.text(), result_.granularity, static_cast<std::uint64_t>(least));
  }
  result_.budget_cost = static_cast<std::uint64_t>(budget);
}

std::uint64_t Allocator::largest_capacity() const {
  return std::max_element(parts_.begin(), parts_.end(), [](const Part& a, const Part& b) { return a.most < b.most; })
      ->most;
}

/// All that some part may get in multiples, and the even shares.
std::vector<Capacity> Allocator::capacities() const {
  const auto least = std::min_element(parts_.begin(), parts_.end(), [](const Part& a, const Part& b) {
                       return a.least < b.least;
                     })->least;
  const std::uint64_t most = largest_capacity();
  const std::uint64_t count = (most - least) / result_.granularity + 1;
  const std::uint64_t limit = most_capacities(false);
  if (count > limit) {
    throw ConfigError("`granularity`", "{} gives {} capacities from {} to {}, at most {} can be {}; {} is enough",
                      result_.granularity, count, least, most, limit, one_pass() ? "counted" : "replayed",
                      (most - least) / (limit - 1) + 1);
  }
  std::set<std::uint64_t> entries(result_.uniform.capacity_entries.begin(), result_.uniform.capacity_entries.end());
  for (std::uint64_t i = 0; i < count; ++i) {
    entries.insert(least + i * result_.granularity);
  }
  std::vector<Capacity> capacities;
  capacities.reserve(entries.size());
  for (const std::uint64_t capacity : entries) {
    capacities.push_back(Capacity::parse(std::to_string(capacity)));
  }
  return capacities;
}

void Allocator::measure_in_one_pass() {
  const CurveConfig config{.replay = config_.replay,
                           .capacities = capacities(),
                           .histograms = false,
                           .streams = config_.over == Over::streams};
  const CurveResult curves = curve(trace_, config, hooks_, jobs_);
  const auto& by_part = config_.over == Over::streams ? curves.streams : curves.layers;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    result_.part_accesses.push_back(by_part[i].accesses);
    for (const CurvePoint& point : by_part[i].points) {
      measured(i, point.capacity_entries, point.misses);
    }
  }
}

void Allocator::measure_by_replays() {
  const auto all = capacities();
  std::vector<ReplayConfig> configs(all.size(), config_.replay);
  for (std::size_t i = 0; i < all.size(); ++i) {
    configs[i].capacity = all[i];
  }
  const auto replays = run_all(trace_, configs, Wanted::everything, hooks_, jobs_);
  for (const ReplayResult& replayed : replays) {
    const std::uint64_t capacity = replayed.config.capacity_entries.front();
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const Counters& counters = replayed.layers[i];
      measured(i, capacity, config_.minimise == Minimise::misses ? counters.misses() : counters.gather_ns);
    }
  }
  for (const Counters& layer : replays.front().layers) {
    result_.part_accesses.push_back(layer.accesses);
  }
}

Allocation Allocator::allocation(const Split& split) const {
  Allocation allocation;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    allocation.capacity_entries.push_back(parts_[i].least + split[i] * result_.granularity);
    allocation.predicted.push_back(choices_[i][split[i]].loss);
  }
  const Choice sum = sum_of(choices_, split);
  allocation.cost = sum.cost;
  allocation.predicted_total = sum.loss;
  return allocation;
}

/// What a replay with the budget gives each layer's caches, within the bounds, and for each part.
void Allocator::find_uniform() {
  const std::size_t parts_of_layer = parts_.size() / trace_.layer_count();
  std::vector<CacheShare> shares;
  for (std::size_t i = 0; i < parts_.size(); i += parts_of_layer) {
    shares.push_back({.entry_cost = parts_[i].entry_cost * parts_of_layer,
                      .least = parts_[i].least_entries,
                      .most = parts_[i].most_entries});
  }
  const auto by_layer = even_split(shares, result_.budget_cost);
  Allocation& uniform = result_.uniform;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    uniform.capacity_entries.push_back(by_layer[i / parts_of_layer]);
    uniform.cost += parts_[i].entry_cost * uniform.capacity_entries.back();
  }
  uniform.predicted.resize(parts_.size());
}

/// What a part loses at a capacity, wherever that is one of its choices or its even share.
void Allocator::measured(std::size_t part, std::uint64_t capacity, std::uint64_t loss) {
  const Part& p = parts_[part];
  if (capacity >= p.least && capacity <= p.most && capacity % result_.granularity == 0) {
    choices_[part].push_back({.cost = p.entry_cost * capacity, .loss = loss});
  }
  if (capacity == result_.uniform.capacity_entries[part]) {
    result_.uniform.predicted[part] = loss;
  }
}

void Allocator::verify() {
  const std::array allocations = {&result_.uniform, &result_.greedy, &result_.optimal};
  std::vector<ReplayConfig> configs(allocations.size(), config_.replay);
  for (std::size_t i = 0; i < allocations.size(); ++i) {
    configs[i].capacity_list = allocations[i]->capacity_entries;
  }
  const auto replays = run_all(trace_, configs, Wanted::everything, hooks_, jobs_);
  for (std::size_t i = 0; i < allocations.size(); ++i) {
    const Counters& totals = replays[i].totals;
    const std::uint64_t truth = config_.minimise == Minimise::misses ? totals.misses() : totals.gather_ns;
    if (truth != allocations[i]->predicted_total) {
      throw std::logic_error(fmt::format("a split was predicted to come to {} and came to {} when it was replayed",
                                         allocations[i]->predicted_total, truth));
    }
    allocations[i]->replayed = totals;
  }
}

AllocateResult Allocator::run() {
  result_.config = effective_config(trace_, config_.replay);
  result_.over = config_.over;
  result_.minimise = config_.minimise;
  result_.budget = config_.budget;
  result_.least = config_.least;
  result_.most = config_.most;
  result_.context_entries = trace_.longest_context_entries();
  find_parts();
  find_bounds();
  find_granularity();
  find_budget();
  find_uniform();
  choices_.resize(parts_.size());
  if (one_pass()) {
    measure_in_one_pass();
  } else {
    measure_by_replays();
  }
  result_.accesses = std::accumulate(result_.part_accesses.begin(), result_.part_accesses.end(), std::uint64_t{0});
  result_.uniform.predicted_total =
      std::accumulate(result_.uniform.predicted.begin(), result_.uniform.predicted.end(), std::uint64_t{0});
  result_.greedy = allocation(hull_split(choices_, result_.budget_cost));
  result_.optimal = allocation(least_loss_split(choices_, result_.budget_cost));
  if (result_.uniform.predicted_total < result_.optimal.predicted_total) {
    result_.optimal = result_.uniform;  // its capacities need not be multiples
  }
  if (config_.verify) {
    verify();
  }
  return std::move(result_);
}

}  // namespace

AllocateResult allocate(const TraceReader& trace, const AllocateConfig& config, const ReplayHooks& hooks,
                        std::uint32_t jobs) {
  try {
    return Allocator(trace, config, hooks, jobs).run();
  } catch (const std::bad_alloc&) {
    throw SystemError(trace.name(), "not enough memory to split the budget; a larger `granularity` needs less");
  }
}

}  // namespace dsasim
