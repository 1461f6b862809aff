#include "dsasim/generate/measure.hpp"

#include "dsasim/error.hpp"

#include "generate/draws.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <string_view>
#include <utility>

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

/// The places beyond near_entries, in which doublings of distance become `stretch` of them.
class StretchedPlaces {
 public:
  explicit StretchedPlaces(double stretch) : stretch_(stretch) {}

  void apply(LayerStatistics& statistics) const {
    for (Surroundings* by : {&statistics.leave_by, &statistics.come_back_by, &statistics.first_by}) {
      std::ranges::for_each(by->place, [this](auto& factors) { factors = looked_up(factors); });
    }
    statistics.shares.place = spread(statistics.shares.place);
  }

 private:
  using Places = std::array<double, place_count>;
  static constexpr std::size_t near_places = first_places + 2 * (distance_bucket(near_entries) + 1);

  Places looked_up(const Places& source) const {
    Places places = source;
    for (std::size_t place = near_places; place < place_count; ++place) {
      const double from = near_places + (static_cast<double>(place - near_places) + 0.5) / stretch_;
      places[place] = source[std::min(static_cast<std::size_t>(from), place_count - 1)];
    }
    return places;
  }

  /// A share goes to the places that its own becomes, in proportion.
  Places spread(const Places& source) const {
    Places places = source;
    std::fill(places.begin() + near_places, places.end(), 0);
    for (std::size_t from = near_places; from < place_count; ++from) {
      const double low = near_places + static_cast<double>(from - near_places) * stretch_;
      const double high = low + stretch_;
      for (auto place = static_cast<std::size_t>(low); place < place_count && static_cast<double>(place) < high;
           ++place) {
        const auto at = static_cast<double>(place);
        places[place] += source[from] * (std::min(high, at + 1) - std::max(low, at)) / stretch_;
      }
    }
    return places;
  }

  double stretch_;
};

/// Where the context ends, near_entries and less apart.
double doublings_beyond_near(double context_entries) {
  return std::max(synthesis::log2_of(std::max(context_entries, 1.0) / near_entries), 1.0);
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

/// By layer: which one owns the store that it reads.
void share_stores(std::vector<StoreInfo>& stores, const std::vector<std::uint32_t>& owners) {
  const std::vector<StoreInfo> own = stores;
  for (std::size_t layer = 0; layer < owners.size(); ++layer) {
    const std::uint32_t owner = owners[layer];
    if (owner >= owners.size() || owners[owner] != owner) {
      throw ConfigError("`kv_stores`", "layer {} reads the store of {}, which owns none", layer, owner);
    }
    if (own[owner].unit_tokens != own[layer].unit_tokens) {
      throw ConfigError("`kv_stores`",
                        "layer {} has entries of {} tokens and reads the store of layer {}, whose entries are of {}",
                        layer, own[layer].unit_tokens, owner, own[owner].unit_tokens);
    }
    stores[layer] = own[owner];
    stores[layer].kv_owner = owner;
    if (std::ranges::count(owners, owner) > 1) {
      stores[layer].kv_rows = 1;
    }
  }
}

}  // namespace

std::vector<StoreInfo> shaped_stores(std::vector<StoreInfo> stores, const Shape& shape) {
  const auto require_all = [&stores](std::string_view option, std::size_t found) {
    if (found != stores.size()) {
      throw ConfigError(option, "expected a number for each of the {} layers, found {}", stores.size(), found);
    }
  };
  if (!shape.unit_tokens.empty()) {
    if (shape.unit_tokens.size() > 1) {
      require_all("`unit_tokens`", shape.unit_tokens.size());
    }
    for (std::size_t layer = 0; layer < stores.size(); ++layer) {
      stores[layer].unit_tokens = shape.unit_tokens[shape.unit_tokens.size() > 1 ? layer : 0];
    }
  }
  std::vector<std::uint32_t> owners = shape.kv_owners;
  if (owners.empty()) {
    std::ranges::transform(stores, std::back_inserter(owners), &StoreInfo::kv_owner);
  }
  require_all("`kv_stores`", owners.size());
  share_stores(stores, owners);
  return stores;
}

SelectionModel reshaped(SelectionModel model, const Shape& shape) {
  const auto context_entries = [&model] {
    return static_cast<double>(model.prompt_tokens + model.steps) / model.unit_tokens;
  };
  const double original_context = context_entries();
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
  if (const double context = context_entries(); context != original_context) {
    const StretchedPlaces places(doublings_beyond_near(context) / doublings_beyond_near(original_context));
    std::ranges::for_each(model.statistics, [&](LayerStatistics& layer) { places.apply(layer); });
  }
  model.requests = shape.requests != 0 ? shape.requests : model.requests;
  if (!shape.kv_owners.empty()) {
    for (std::uint32_t layer = 0; layer < model.layers.size(); ++layer) {
      model.stores.push_back({.kv_owner = layer,
                              .kv_rows = model.layers[layer].group_size,
                              .unit_tokens = model.unit_tokens,
                              .entry_bytes = model.entry_bytes});
    }
    model.stores = shaped_stores(std::move(model.stores), shape);
  }
  return model;
}

}  // namespace dsasim
