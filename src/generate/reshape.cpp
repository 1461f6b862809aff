#include "dsasim/generate/measure.hpp"

#include <algorithm>

namespace dsasim {
namespace {

/// Distances up to here are the same in any context; those beyond stretch with it.
constexpr std::uint64_t near_entries = 256;

void stretch_distances(LayerStatistics& statistics, double ratio) {
  const LayerStatistics source = statistics;
  for (std::size_t bucket = distance_bucket(near_entries) + 1; bucket < distance_buckets; ++bucket) {
    const double middle = 0.75 * static_cast<double>(std::uint64_t{1} << bucket);
    const auto from = std::max<std::uint64_t>(static_cast<std::uint64_t>(middle / ratio), near_entries + 1);
    const std::size_t source_bucket = std::min(distance_bucket(from), distance_buckets - 1);
    statistics.first_prompt[bucket] = source.first_prompt[source_bucket];
    for (double& first : statistics.first_prompt[bucket]) {
      first /= ratio;
    }
  }
}

void scale_first(LayerStatistics& statistics, double ratio) {
  for (auto& by_step : statistics.first_prompt) {
    std::ranges::for_each(by_step, [ratio](double& first) { first = std::min(first * ratio, 1.0); });
  }
  std::ranges::for_each(statistics.first_decoded, [ratio](double& first) { first = std::min(first * ratio, 1.0); });
}

void stretch_layers(SelectionModel& model, std::uint32_t layers) {
  const SelectionModel source = model;
  const std::size_t source_layers = source.layers.size();
  const std::size_t recorded_steps = source.churn.size() / source_layers;
  model.layers.clear();
  model.statistics.clear();
  model.churn.assign(recorded_steps * layers, 1);
  std::uint32_t model_layer = 0;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const std::size_t from = layer * source_layers / layers;
    const std::uint32_t group_size = source.layers[from].group_size;
    model.layers.push_back({.model_layer = model_layer, .group_size = group_size});
    model_layer += group_size;
    model.statistics.push_back(source.statistics[from]);
    for (std::size_t step = 0; step < recorded_steps; ++step) {
      model.churn[step * layers + layer] = source.churn[step * source_layers + from];
    }
  }
}

}  // namespace

SelectionModel reshaped(SelectionModel model, const Shape& shape) {
  if (shape.layers != 0 && shape.layers != model.layers.size()) {
    stretch_layers(model, shape.layers);
  }
  if (shape.prompt_tokens != 0 && shape.prompt_tokens != model.prompt_tokens) {
    const double ratio =
        static_cast<double>(shape.prompt_tokens) / static_cast<double>(std::max<std::uint64_t>(model.prompt_tokens, 1));
    for (LayerStatistics& layer : model.statistics) {
      stretch_distances(layer, ratio);
    }
    model.prompt_tokens = shape.prompt_tokens;
  }
  if (shape.top_k != 0 && shape.top_k != model.top_k) {
    const double ratio = static_cast<double>(shape.top_k) / model.top_k;
    for (LayerStatistics& layer : model.statistics) {
      scale_first(layer, ratio);
    }
    model.top_k = shape.top_k;
  }
  model.steps = shape.steps != 0 ? shape.steps : model.steps;
  model.requests = shape.requests != 0 ? shape.requests : model.requests;
  return model;
}

}  // namespace dsasim
