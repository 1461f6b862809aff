#include "curve/stack_run.hpp"

#include "dsasim/error.hpp"
#include "trace/batch_cursor.hpp"
#include "trace/machine_memory.hpp"

#include <array>

namespace dsasim {
namespace {

/// By distance: how many of the capacities are too small for it to hit.
std::vector<std::uint32_t> classes(std::span<const std::uint64_t> capacities, std::uint64_t longest_distance) {
  std::vector<std::uint32_t> class_of;
  if (capacities.empty()) {
    return class_of;
  }
  class_of.resize(std::min(capacities.back(), longest_distance) + 1);
  std::uint32_t at = 0;
  for (std::uint64_t distance = 0; distance < class_of.size(); ++distance) {
    while (at < capacities.size() && capacities[at] <= distance) {
      ++at;
    }
    class_of[distance] = at;
  }
  return class_of;
}

}  // namespace

StackRun::StackRun(const TraceReader& trace, const ReplayConfig& config, StepRange steps, bool sets,
                   const StackCounting& counting, std::span<const std::uint64_t> capacities)
    : trace_(trace),
      config_(config),
      counted_from_(steps.first + config.warmup_steps),
      // An allocation comes between two selections, and sets are of entries.
      sets_(sets && config.new_token != NewToken::allocate && config.granularity.is_entry()),
      requests_apart_(counting.streams || config.scope == Scope::request),
      layout_(make_layout(trace, config_, std::array{std::uint64_t{1}})) {
  RecencyStack::Options options{.intervals = counting.histograms};
  if (!capacities.empty() && !counting.histograms) {
    const auto positive =
        std::find_if(capacities.begin(), capacities.end(), [](auto capacity) { return capacity > 0; });
    options.least_capacity = positive == capacities.end() ? max_entry_ids : *positive;
  }
  const std::size_t apart = requests_apart_ ? trace.request_count() : 1;
  require_memory(apart * trace.layer_count(), counting.histograms, capacities);
  std::uint64_t largest_cache = 0;
  for (const auto& cache : layout_.caches) {
    if (cache.used_entries > RecencyStack::most_used_entries) {
      throw ConfigError("`scope`", "the streams of one cache use {} ids together, a curve counts at most {}",
                        cache.used_entries, RecencyStack::most_used_entries);
    }
    stacks_.emplace_back(cache.directory_entries, cache.used_entries, options);
    largest_cache = std::max<std::uint64_t>(largest_cache, cache.used_entries);
  }
  class_of_ = classes(capacities, largest_cache);
  counts_.assign(apart * trace.layer_count(),
                 ReuseCounts(class_of_, static_cast<std::uint32_t>(class_of_.empty() ? 0 : capacities.size() + 1)));
}

void StackRun::require_memory(std::size_t counts, bool histograms, std::span<const std::uint64_t> capacities) const {
  constexpr double word = sizeof(std::uint32_t);
  constexpr double bit = 1.0 / 8;
  trace::MemoryPlan plan;
  plan.add("decoding", trace::decoding_bytes(trace_, {.first = 0, .last = trace_.batch_steps()}));
  plan.add("streams", DirectoryLayout::bytes(trace_.stream_count()));
  plan.add("caches", static_cast<double>(layout_.caches.size()) * sizeof(RecencyStack));
  for (const auto& cache : layout_.caches) {
    plan.add("directories",
             (histograms ? 2 : 1) * trace::written_bytes(cache.directory_entries, word, cache.used_entries) +
                 trace::written_bytes(cache.directory_entries, bit, cache.used_entries) +
                 LivePlaces::bytes(RecencyStack::places(cache.used_entries)));
  }
  // Without capacities, a count for each distance that occurs: no more than accesses in a layer.
  const double classes = capacities.empty() ? 0 : static_cast<double>(capacities.size() + 1);
  const double histogram_bytes = histograms ? 2 * DistanceBins::bytes : 0;
  plan.add("counts", static_cast<double>(counts) * (sizeof(ReuseCounts) + histogram_bytes + 8 * classes));
  plan.require(trace_, "a trace of a part of its requests needs less");
}

void StackRun::begin(std::size_t workers) {
  for (std::size_t worker = 0; worker < workers; ++worker) {
    orders_.emplace_back(trace_, config_);
  }
}

std::size_t StackRun::counts_place(std::uint32_t layer, std::uint32_t request) const noexcept {
  return (requests_apart_ ? std::size_t{request} * trace_.layer_count() : 0) + layer;
}

const ReuseCounts& StackRun::stream(std::uint32_t layer, std::uint32_t request) const noexcept {
  return counts_[counts_place(layer, request)];
}

ReuseCounts StackRun::layer(std::uint32_t layer) const {
  ReuseCounts sum = counts_[layer];
  for (std::size_t at = layer + trace_.layer_count(); at < counts_.size(); at += trace_.layer_count()) {
    sum += counts_[at];
  }
  return sum;
}

void StackRun::replay_part(const ReplayBlock& block, const ReplayPart& part,
                           std::span<const trace::SelectionBlock* const> lanes, std::span<const NextUse> /*next_uses*/,
                           std::size_t worker) {
  walk_part(
      block, part, lanes,
      [&](std::uint64_t step, std::uint32_t layer, std::size_t active, const SelectionRows& rows) {
        select(step, layer, block.active[active], rows[0], orders_[worker]);
      },
      [&](std::uint32_t layer, std::uint32_t request) {
        const auto& stream = layout_.stream(layer, request, trace_.request_count());
        stacks_[stream.cache].release(stream.base);
      },
      [](std::uint64_t) {});
}

void StackRun::select(std::uint64_t step, std::uint32_t layer, std::uint32_t request, const SelectionView& selection,
                      AccessOrder& order) {
  const auto& stream = layout_.stream(layer, request, trace_.request_count());
  RecencyStack& stack = stacks_[stream.cache];
  const auto now = static_cast<std::uint32_t>(step);
  const EntriesApart apart = order.apart(trace_.queries(request, step - trace_.header().requests[request].start_step),
                                         layer, request, step, layout_.capacity(stream));
  if (!apart.inserted.empty() && !stack.insert(stream.base, EntryId{apart.inserted.first}, now)) {
    throw ConfigError(
        trace_.name(),
        "request {}, step {}: entry {} was selected before it was whole; with `new_token` allocate, caches "
        "of such a trace have no curve: replay it at each capacity",
        request, step, apart.inserted.first);
  }
  ReuseCounts* const counts = step < counted_from_ ? nullptr : &counts_[counts_place(layer, request)];
  std::uint32_t accesses = 0;
  const SelectionView set = sets_ ? order.set(selection, apart) : selection;
  if (sets_ && set.ascending) {
    accesses = set.size;
    stack.select_set(stream.base, set, now, counts);
  } else {
    const auto ids = order.accesses(selection, apart);
    accesses = static_cast<std::uint32_t>(ids.size());
    stack.select(stream.base, ids, now, counts);
  }
  if (counts != nullptr) {
    counts->accesses += selection.size;
    counts->pinned += selection.size - accesses;
  }
}

}  // namespace dsasim
