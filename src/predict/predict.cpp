#include "dsasim/predict/predict.hpp"

#include "dsasim/checked.hpp"
#include "dsasim/error.hpp"
#include "predict/all_predictors.hpp"
#include "threads/workers.hpp"
#include "trace/machine_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <mutex>
#include <utility>

namespace dsasim {
namespace {

using Kinds = std::vector<PredictorKind>;

/// A request's steps, counted from its own first.
StepRange own_steps(const TraceReader& trace, const PredictConfig& config, std::uint32_t request) {
  const std::uint64_t start = trace.header().requests[request].start_step;
  const std::uint64_t steps = trace.extent(request).steps;
  const auto own = [&](std::uint64_t step) { return std::min(step < start ? 0 : step - start, steps); };
  return config.steps ? StepRange{.first = own(config.steps->first), .last = own(config.steps->last)}
                      : StepRange{.first = 0, .last = steps};
}

/// One predictor over one request, all layers of a step after the other.
class RequestPrediction {
 public:
  RequestPrediction(const TraceReader& trace, std::uint32_t request, const PredictorKind& kind,
                    std::span<const std::uint64_t> guess_entries)
      : trace_(trace), request_(request), guess_entries_(guess_entries), pasts_(trace.layer_count()) {
    const TraceHeader& header = trace.header();
    const RequestExtent& extent = trace.extent(request);
    const PredictorSetup setup{.id_limit = extent.id_limit,
                               .context_entries = context_entries(header, header.requests[request], extent.steps),
                               .longest_selection = trace.longest_selection()};
    largest_ = static_cast<std::size_t>(*std::max_element(guess_entries.begin(), guess_entries.end()));
    for (Past& past : pasts_) {
      past.begin(setup.id_limit);
      predictors_.push_back(kind.make(setup));
    }
  }

  /// Adds to the counts, by layer and guess.
  void run(StepRange steps, std::vector<std::vector<GuessCounts>>& counts) {
    RequestCursor cursor(trace_, request_, steps.first, steps.last);
    for (std::uint64_t step = steps.first; cursor.next(); ++step) {
      for (std::uint32_t layer = 0; layer < pasts_.size(); ++layer) {
        const SelectionView selection = cursor.selection(layer);
        if (selection.size > 0) {
          predict(step, layer, {selection.ids, selection.size}, counts[layer]);
        }
      }
    }
  }

 private:
  void predict(std::uint64_t step, std::uint32_t layer, std::span<const EntryId> ids,
               std::vector<GuessCounts>& counts) {
    const TraceHeader& header = trace_.header();
    const std::uint64_t context = context_entries(header, header.requests[request_], step);
    const bool has_positions = header.ids == IdKind::logical;
    Past& own = pasts_[layer];
    const Moment now{.step = step,
                     .query = has_positions && context > 0 ? context - 1 : 0,
                     .has_positions = has_positions,
                     .own = &own,
                     .before = layer == 0 ? nullptr : &pasts_[layer - 1]};
    const bool first = own.empty();
    const std::uint64_t step_before = own.latest_step();
    if (!first) {
      ranking_.begin(largest_);
      predictors_[layer]->rank(now, ranking_);
    }
    const auto was_there = [&](EntryId id) { return own.last_step(id) == step_before; };
    const auto new_entries =
        ids.size() - static_cast<std::size_t>(first ? 0 : std::count_if(ids.begin(), ids.end(), was_there));
    const auto guess = first ? std::span<const EntryId>() : ranking_.guess();
    is_new_.clear();
    for (const EntryId id : guess) {
      is_new_.push_back(!was_there(id));
    }
    own.select(step, ids);
    predictors_[layer]->learn(now);
    if (!first) {
      count(step, own, guess, ids.size(), new_entries, counts);
    }
  }

  void count(std::uint64_t step, const Past& own, std::span<const EntryId> guess, std::uint64_t entries,
             std::uint64_t new_entries, std::vector<GuessCounts>& counts) {
    held_.assign(1, {});
    for (std::size_t i = 0; i < guess.size(); ++i) {
      const bool held = own.last_step(guess[i]) == step;
      held_.push_back(
          {.all = held_.back().all + (held ? 1U : 0U), .of_new = held_.back().of_new + (held && is_new_[i] ? 1U : 0U)});
    }
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const std::size_t size = std::min<std::size_t>(guess.size(), guess_entries_[i]);
      counts[i] += {.selections = 1,
                    .entries = entries,
                    .guessed = size,
                    .held = held_[size].all,
                    .new_entries = new_entries,
                    .new_held = held_[size].of_new};
    }
  }

  struct Held {
    std::uint64_t all = 0;
    std::uint64_t of_new = 0;
  };

  const TraceReader& trace_;
  std::uint32_t request_;
  std::span<const std::uint64_t> guess_entries_;
  std::size_t largest_ = 0;
  std::vector<Past> pasts_;                             ///< by layer
  std::vector<std::unique_ptr<Predictor>> predictors_;  ///< by layer
  Ranking ranking_;
  std::vector<bool> is_new_;  ///< of the guess: the selection before did not have it
  std::vector<Held> held_;    ///< of its first so many entries
};

Kinds chosen_kinds(std::span<const TraceReader* const> traces, const PredictConfig& config) {
  constexpr std::string_view option = "`predictors`";
  const Kinds known = predictor_kinds();
  Kinds chosen;
  for (const std::string& name : config.predictors) {
    const PredictorKind found = find_predictor(option, name);
    if (std::any_of(chosen.begin(), chosen.end(), [&](const auto& kind) { return kind.name == name; })) {
      throw ConfigError(option, "{} is there twice", name);
    }
    for (const TraceReader* trace : traces) {
      require_positions(option, found, *trace);
    }
    chosen.push_back(found);
  }
  if (config.predictors.empty()) {
    std::copy_if(known.begin(), known.end(), std::back_inserter(chosen), [&](const auto& kind) {
      return std::all_of(traces.begin(), traces.end(), [&](const auto* trace) { return can_predict(kind, *trace); });
    });
  }
  return chosen;
}

std::vector<std::uint64_t> guess_entries(const TraceReader& trace, const PredictConfig& config) {
  std::vector<std::uint64_t> entries;
  for (const Capacity& guess : config.guesses) {
    if (guess.unit() == Capacity::Unit::bytes) {
      throw ConfigError("`guesses`", "expected entries, 0.5x or 0.2ctx, found {}", guess.text());
    }
    entries.push_back(guess.entries(trace, 0));
    if (entries.back() == 0) {
      throw ConfigError("`guesses`", "expected at least one entry, found {}, which is none of {}", guess.text(),
                        trace.name());
    }
  }
  return entries;
}

void check_steps(const TraceReader& trace, const PredictConfig& config) {
  if (config.steps && (config.steps->first > config.steps->last || config.steps->last > trace.batch_steps())) {
    throw ConfigError("`steps`", "expected A:B with A <= B <= {} (the steps of {}), found {}:{}", trace.batch_steps(),
                      trace.name(), config.steps->first, config.steps->last);
  }
}

void check_memory(const TraceReader& trace, const Kinds& kinds, std::size_t jobs) {
  double place_bytes = 0;
  for (const PredictorKind& kind : kinds) {
    place_bytes = std::max(place_bytes, kind.place_bytes);
  }
  double most = 0;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    const RequestExtent& extent = trace.extent(request);
    most = std::max(most, trace::written_bytes(extent.id_limit, Past::place_bytes, extent.layer_accesses) +
                              trace::written_bytes(extent.id_limit, place_bytes, extent.layer_accesses));
  }
  trace::MemoryPlan plan;
  plan.add("ids", most * trace.layer_count() * static_cast<double>(jobs));
  plan.require(trace, fmt::format("{} jobs have a part each, fewer `jobs` need less", jobs));
}

TracePrediction predict_trace(const TraceReader& trace, const PredictConfig& config, const Kinds& kinds,
                              const std::function<void(double)>& on_share) {
  TracePrediction prediction;
  prediction.trace = trace.name();
  prediction.guess_entries = guess_entries(trace, config);
  const std::size_t pieces = kinds.size() * trace.request_count();
  Workers workers(std::clamp<std::size_t>(config.jobs, 1, std::max<std::size_t>(pieces, 1)));
  check_memory(trace, kinds, workers.jobs());

  // Counts are sums: those of a request may come in any order.
  const std::vector<GuessCounts> none(config.guesses.size());
  prediction.pooled.assign(kinds.size(), none);
  prediction.layers.assign(trace.layer_count(), prediction.pooled);
  std::mutex mutex;
  std::size_t done = 0;
  workers.run(pieces, [&](std::size_t piece, std::size_t /*worker*/) {
    const std::size_t predictor = piece % kinds.size();
    const auto request = static_cast<std::uint32_t>(piece / kinds.size());
    std::vector<std::vector<GuessCounts>> counts(trace.layer_count(), none);
    if (const StepRange steps = own_steps(trace, config, request); steps.first < steps.last) {
      RequestPrediction(trace, request, kinds[predictor], prediction.guess_entries).run(steps, counts);
    }
    const std::lock_guard lock(mutex);
    for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
      for (std::size_t guess = 0; guess < none.size(); ++guess) {
        prediction.layers[layer][predictor][guess] += counts[layer][guess];
        prediction.pooled[predictor][guess] += counts[layer][guess];
      }
    }
    if (on_share) {
      on_share(static_cast<double>(++done) / static_cast<double>(pieces));
    }
  });
  return prediction;
}

}  // namespace

GuessCounts& GuessCounts::operator+=(const GuessCounts& more) {
  selections = checked_sum(selections, more.selections, "selections");
  entries = checked_sum(entries, more.entries, "entries");
  guessed = checked_sum(guessed, more.guessed, "guessed entries");
  held = checked_sum(held, more.held, "held entries");
  new_entries = checked_sum(new_entries, more.new_entries, "new entries");
  new_held = checked_sum(new_held, more.new_held, "new entries");
  return *this;
}

std::vector<PredictorDescription> predictor_descriptions() {
  std::vector<PredictorDescription> descriptions;
  for (const PredictorKind& kind : predictor_kinds()) {
    descriptions.push_back({.name = kind.name, .sentence = kind.sentence});
  }
  return descriptions;
}

PredictResult predict(std::span<const TraceReader* const> traces, const PredictConfig& config,
                      const std::function<void(double share)>& on_share) {
  if (traces.empty() || config.guesses.empty()) {
    throw ConfigError(traces.empty() ? "trace" : "`guesses`", "expected at least one, found none");
  }
  for (const TraceReader* trace : traces) {
    trace->require_single_queries("predict");
    if (trace->header().mixes_units()) {
      trace->require_equal_stores("predict");
    }
    check_steps(*trace, config);
    guess_entries(*trace, config);
  }
  const Kinds kinds = chosen_kinds(traces, config);
  PredictResult result;
  result.guesses = config.guesses;
  result.steps = config.steps;
  for (const PredictorKind& kind : kinds) {
    result.predictors.emplace_back(kind.name);
  }
  for (std::size_t i = 0; i < traces.size(); ++i) {
    const auto on_part = [&](double share) {
      on_share((static_cast<double>(i) + share) / static_cast<double>(traces.size()));
    };
    result.traces.push_back(
        predict_trace(*traces[i], config, kinds, on_share ? on_part : std::function<void(double)>()));
  }
  result.together = result.traces.front().pooled;
  for (std::size_t i = 1; i < traces.size(); ++i) {
    for (std::size_t predictor = 0; predictor < kinds.size(); ++predictor) {
      for (std::size_t guess = 0; guess < config.guesses.size(); ++guess) {
        result.together[predictor][guess] += result.traces[i].pooled[predictor][guess];
      }
    }
  }
  return result;
}

}  // namespace dsasim
