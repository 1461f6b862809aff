// Rows that are fetched before a selection, because a predictor guesses that it will have them: docs/prefetch.md.

#include "replay/prefetch.hpp"

#include "dsasim/config/named_parameters.hpp"
#include "dsasim/config/values.hpp"
#include "dsasim/error.hpp"
#include "predict/all_predictors.hpp"

#include <algorithm>
#include <cassert>
#include <limits>

namespace dsasim {
namespace {

constexpr std::string_view option = "`prefetch`";

PredictorKind predictor_kind(std::string_view name) {
  return find_predictor(option, name, {"none"});
}

/// What need not be fetched, or cannot be.
class NotFetched final : public Ranking::LeftOut {
 public:
  NotFetched(const Upcoming& next, const EntriesApart& apart, std::uint64_t entries)
      : next_(next), apart_(apart), entries_(entries) {}
  bool has(EntryId id) const override {
    return value(id) >= entries_ || apart_.is_resident(id) || next_.cache.contains(next_.base, id);
  }

 private:
  const Upcoming& next_;
  const EntriesApart& apart_;
  std::uint64_t entries_;  ///< whole ones of the context, where ids are positions
};

}  // namespace

PrefetchSpec parse_prefetch(std::string_view text) {
  const NamedParameters given = parse_named_parameters(option, text);
  constexpr std::uint32_t most_rows = 1U << 20U;
  PrefetchSpec spec;
  for (const auto& [key, value] : given.parameters) {
    if (key == "rows") {
      spec.rows = parse_number<std::uint32_t>(option, value, 1, most_rows);
    } else if (key == "into") {
      spec.into = parse_choice(option, value, prefetch_into_names);
    } else {
      throw ConfigError(option, "unknown key \"{}\"; known: rows, into", key);
    }
  }
  if (given.name == "none") {
    if (!given.parameters.empty()) {
      throw ConfigError(option, "none takes no parameters, found \"{}\"", text);
    }
    return spec;
  }
  spec.predictor = predictor_kind(given.name).name;
  if (spec.rows == 0) {
    throw ConfigError(option, "expected rows=N with {}: the most that are fetched for a selection", given.name);
  }
  return spec;
}

std::string to_string(const PrefetchSpec& prefetch) {
  return prefetch.any() ? fmt::format("{},rows={},into={}", prefetch.predictor, prefetch.rows,
                                      prefetch_into_names[static_cast<std::size_t>(prefetch.into)].first)
                        : "none";
}

void check_prefetch(const TraceReader& trace, const ReplayConfig& config) {
  if (!config.prefetch.any()) {
    return;
  }
  require_positions(option, predictor_kind(config.prefetch.predictor), trace);
  trace.require_single_queries("`prefetch`");
  if (trace.header().shares_stores()) {
    trace.require_equal_stores("`prefetch`");
  }
  if (config.prefetch.into == PrefetchInto::buffer && policy_needs(config.policy).future) {
    throw ConfigError(option, "{} does not know when a prefetched entry is needed; expected into=side",
                      config.policy.name);
  }
  if (config.step.times_steps() || config.llc || config.llc_of_gpu) {
    throw ConfigError(option, "what fetching ahead costs is not modelled; expected no `{}`",
                      config.step.times_steps() ? "model" : "llc");
  }
}

bool guesses_by_layer_before(const ReplayConfig& config) {
  return config.prefetch.any() && predictor_kind(config.prefetch.predictor).reads_layer_before;
}

Prefetcher::Prefetcher(const TraceReader& trace, const ReplayConfig& config)
    : trace_(trace), config_(config), by_layer_before_(guesses_by_layer_before(config)), pasts_(trace.stream_count()) {
  const TraceHeader& header = trace.header();
  const PredictorKind kind = predictor_kind(config.prefetch.predictor);
  predictors_.reserve(pasts_.size());
  for (std::size_t stream = 0; stream < pasts_.size(); ++stream) {
    const auto request = static_cast<std::uint32_t>(stream % trace.request_count());
    const RequestExtent& extent = trace.extent(request);
    pasts_[stream].begin(extent.id_limit);
    predictors_.push_back(kind.make({.id_limit = extent.id_limit,
                                     .context_entries = context_entries(header, header.requests[request], extent.steps),
                                     .longest_selection = trace.longest_selection()}));
  }
}

void Prefetcher::add_to(trace::MemoryPlan& plan, const TraceReader& trace, const ReplayConfig& config) {
  const double place_bytes = Past::place_bytes + predictor_kind(config.prefetch.predictor).place_bytes;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    const RequestExtent& extent = trace.extent(request);
    plan.add("predictors", static_cast<double>(trace.layer_count()) *
                               trace::written_bytes(extent.id_limit, place_bytes, extent.layer_accesses));
  }
}

std::size_t Prefetcher::number(const Upcoming& next) const noexcept {
  return std::size_t{next.layer} * trace_.request_count() + next.request;
}

Moment Prefetcher::moment(const Upcoming& next) const noexcept {
  const bool has_positions = trace_.header().ids == IdKind::logical;
  const std::uint64_t context = next.at.seen_by(0) / trace_.header().unit_of(next.layer);
  const std::size_t stream = number(next);
  return {.step = next.own_step,
          .query = has_positions && context > 0 ? context - 1 : 0,
          .has_positions = has_positions,
          .own = &pasts_[stream],
          .before = by_layer_before_ && next.layer > 0 ? &pasts_[stream - trace_.request_count()] : nullptr};
}

void Prefetcher::issue(const Upcoming& next, const EntriesApart& apart, FetchedAhead& ahead, PrefetchCounts& counts) {
  ahead.issued.clear();
  if (!next.reserves || pasts_[number(next)].empty()) {
    return;
  }
  const std::uint64_t entries = trace_.header().ids == IdKind::logical
                                    ? next.at.seen_by(0) / trace_.header().unit_of(next.layer)
                                    : std::numeric_limits<std::uint64_t>::max();
  const NotFetched not_fetched(next, apart, entries);
  ahead.ranking.begin(config_.prefetch.rows, &not_fetched);
  predictors_[number(next)]->rank(moment(next), ahead.ranking);
  const auto guess = ahead.ranking.guess();
  ahead.issued.assign(guess.begin(), guess.end());
  counts.issued += guess.size();
  if (config_.prefetch.into == PrefetchInto::buffer) {
    std::for_each(guess.rbegin(), guess.rend(),  // the likeliest becomes the newest
                  [&](EntryId id) { counts.evictions += next.cache.insert(next.base, id); });
  }
  std::sort(ahead.issued.begin(), ahead.issued.end());
}

void Prefetcher::settle(const Upcoming& next, const SelectionView& selection, FetchedAhead& ahead,
                        std::vector<EntryId>& missed, PrefetchCounts& counts) {
  Past& own = pasts_[number(next)];
  own.select(next.own_step, {selection.ids, selection.size});
  predictors_[number(next)]->learn(moment(next));
  const auto was_issued = [&](EntryId id) { return std::binary_search(ahead.issued.begin(), ahead.issued.end(), id); };
  if (config_.prefetch.into == PrefetchInto::side) {
    counts.avoided += static_cast<std::uint64_t>(std::erase_if(missed, was_issued));
    counts.useful = counts.avoided;
    return;
  }
  // What other prefetches or misses evicted again before its access was of no use.
  const auto selected = std::count_if(ahead.issued.begin(), ahead.issued.end(),
                                      [&](EntryId id) { return own.last_step(id) == next.own_step; });
  counts.useful += static_cast<std::uint64_t>(selected - std::count_if(missed.begin(), missed.end(), was_issued));
}

}  // namespace dsasim
