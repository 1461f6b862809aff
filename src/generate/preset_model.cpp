// From the few numbers of a preset to the tables of a model.

#include "dsasim/generate/preset.hpp"

#include "generate/draws.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace dsasim {
namespace {

using synthesis::Draws;
using synthesis::power;

/// Steps, or entries, in the middle of a bucket.
double middle(std::size_t bucket) {
  return bucket < 2 ? static_cast<double>(bucket + 1) : 0.75 * static_cast<double>(std::uint64_t{1} << bucket) + 0.5;
}

constexpr std::array<double, activity_classes - first_run_classes> middle_activities = {0.012, 0.06, 0.19, 0.375,
                                                                                        0.625, 0.82, 0.95};

void set_history(LayerStatistics& layer, const PresetStatistics& statistics, double factor) {
  const auto probability = [factor](double value) { return std::min(value * factor, 0.98); };
  for (std::size_t bucket = 0; bucket < duration_buckets; ++bucket) {
    const double steps = middle(bucket);
    layer.leave[0][bucket] = probability(statistics.leave_initial * power(steps, -statistics.leave_initial_decay));
    for (std::size_t first_run = 1; first_run < first_run_classes; ++first_run) {
      layer.leave[first_run][bucket] =
          probability(statistics.leave_first * power(steps, -statistics.leave_first_decay));
    }
    for (std::size_t at = 0; at < middle_activities.size(); ++at) {
      const double activity = middle_activities[at];
      const double rare = statistics.come_back_rare;
      layer.leave[first_run_classes + at][bucket] = probability(
          statistics.leave * (1 - statistics.leave_activity * activity) * power(steps, -statistics.leave_decay));
      layer.come_back[first_run_classes + at][bucket] = probability(
          statistics.come_back * (rare + (1 - rare) * activity) * power(steps, -statistics.come_back_decay));
    }
  }
}

void set_first(LayerStatistics& layer, const PresetStatistics& statistics, double top_k, double prompt_entries,
               double factor) {
  const double harmonic = std::max(synthesis::log2_of(std::max(prompt_entries, 1.0)) * 0.6931471805599453, 1.0);
  for (std::size_t distance = 0; distance < distance_buckets; ++distance) {
    const double share =
        (1 - statistics.recent) / std::max(prompt_entries, 1.0) + statistics.recent / (harmonic * middle(distance));
    auto& by_step = layer.first_prompt[distance];
    by_step[0] = std::min(top_k * share, 0.95);
    for (std::size_t bucket = 0; bucket < duration_buckets; ++bucket) {
      const double decay = power(middle(bucket), -statistics.first_decay);
      by_step[bucket + 1] = std::min(factor * statistics.first * top_k * share * decay, 0.95);
    }
    layer.first_decoded[distance] = statistics.sliding * power(middle(distance), -statistics.sliding_decay);
  }
}

/// Factors of mean 1, spread evenly over +-`octaves` around it, neighbours far apart.
std::vector<double> layer_factors(std::size_t layers, double octaves, double place) {
  constexpr double golden = 0.6180339887498949;
  std::vector<double> factors(layers);
  for (double& factor : factors) {
    factor = power(2, octaves * (2 * place - 1));
    place += golden;
    place -= static_cast<double>(place >= 1);
  }
  const double mean = std::accumulate(factors.begin(), factors.end(), 0.0) / static_cast<double>(layers);
  std::ranges::for_each(factors, [mean](double& factor) { factor /= mean; });
  return factors;
}

/// Nearly normal, with mean 0 and deviation 1.
double bell(Draws& draws) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) {
    sum += draws.unit();
  }
  return sum;
}

/// A record of unsettled steps: half of each step's deviation is common to its layers, and so is a collapse.
std::vector<double> churn_record(std::size_t layers, const PresetStatistics& statistics) {
  constexpr std::size_t steps = 1024;
  if (statistics.churn == 0 && statistics.collapse_every == 0) {
    return {};
  }
  Draws draws(0, 0);
  std::vector<double> record;
  for (std::size_t step = 0; step < steps; ++step) {
    constexpr double root_half = 0.7071067811865476;
    const double common = bell(draws);
    const bool collapses = draws.unit() * statistics.collapse_every < 1 && statistics.collapse_every > 0;
    for (std::size_t layer = 0; layer < layers; ++layer) {
      if (static_cast<double>(layer) < statistics.flat_layers) {
        record.push_back(1);  // nothing is more unsettled than a selection drawn anew
        continue;
      }
      const double octaves = statistics.churn * root_half * (common + bell(draws));
      record.push_back(power(2, octaves) * (collapses ? statistics.collapse : 1));
    }
  }
  for (std::size_t layer = 0; layer < layers; ++layer) {
    double sum = 0;
    for (std::size_t at = layer; at < record.size(); at += layers) {
      sum += record[at];
    }
    for (std::size_t at = layer; at < record.size(); at += layers) {
      record[at] *= static_cast<double>(steps) / sum;
    }
  }
  return record;
}

std::vector<StoreInfo> own_stores(const Preset& preset, const std::vector<LayerInfo>& layers) {
  std::vector<StoreInfo> stores;
  stores.reserve(layers.size());
  for (std::uint32_t layer = 0; layer < layers.size(); ++layer) {
    stores.push_back(preset.store != nullptr ? preset.store(layer)
                                             : StoreInfo{.kv_owner = layer,
                                                         .kv_rows = layers[layer].group_size,
                                                         .unit_tokens = preset.unit_tokens,
                                                         .entry_bytes = preset.entry_bytes});
  }
  return stores;
}

}  // namespace

SelectionModel model_of(const Preset& preset, const PresetStatistics& statistics, const Shape& shape) {
  const auto either = [](auto given, auto otherwise) { return given != 0 ? given : otherwise; };
  SelectionModel model;
  model.top_k = either(shape.top_k, preset.shape.top_k);
  model.prompt_tokens = either(shape.prompt_tokens, preset.shape.prompt_tokens);
  model.steps = either(shape.steps, preset.shape.steps);
  model.requests = either(shape.requests, preset.shape.requests);
  model.unit_tokens = preset.unit_tokens;
  model.entry_bytes = preset.entry_bytes;
  model.model = preset.model;
  const std::uint32_t layers = either(shape.layers, preset.shape.layers);
  model.layers.reserve(layers);
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    model.layers.push_back(preset.layer(layer));
  }
  if (preset.store != nullptr || !shape.unit_tokens.empty() || !shape.kv_owners.empty()) {
    model.stores = shaped_stores(own_stores(preset, model.layers), shape);
  }
  const std::vector<double> factors = layer_factors(layers, statistics.layer_spread, 0.5);
  const std::vector<double> sharing_factors = layer_factors(layers, statistics.layer_sharing_spread, 0.2);
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    const std::uint64_t whole_entries = model.prompt_tokens / model.unit_of(layer);
    const auto prompt_entries = static_cast<double>(whole_entries);
    LayerStatistics& tables = model.statistics.emplace_back();
    if (layer < statistics.flat_layers) {
      tables.anew = true;
      continue;
    }
    set_history(tables, statistics, factors[layer]);
    set_first(tables, statistics, model.top_k, prompt_entries, factors[layer]);
    const double sharing = 1 + (statistics.layer_sharing - 1) * sharing_factors[layer];
    tables.leave_by = Surroundings::of_peer({1, 1 / sharing});
    tables.come_back_by = Surroundings::of_peer({1, sharing});
    tables.first_by = Surroundings::of_peer({1, sharing});
  }
  model.churn = churn_record(layers, statistics);
  model.common_churn = statistics.request_correlation;
  model.popularity = {.popular_share = statistics.popular_share, .common_share = statistics.request_correlation};
  model.sinks = static_cast<std::uint32_t>(statistics.sinks);
  model.local = static_cast<std::uint32_t>(statistics.local);
  model.selects_begun = preset.selects_begun;
  return model;
}

}  // namespace dsasim
