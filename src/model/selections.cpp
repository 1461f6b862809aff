#include "model/selections.hpp"

#include "model/checkpoint.hpp"
#include "model/model_file.hpp"

#include <algorithm>

namespace dsasim {

Selections selections_of(const Model& model) {
  // Of a model without an indexer, the first layer is as good as any.
  const auto logged = std::find_if(model.layers.begin(), model.layers.end(),
                                   [&](const ModelLayer& layer) { return layer.owns_indexer || !model.has_indexer(); });
  Selections out{.model = model.name,
                 .owner_of = {},
                 .top_k = {},
                 .unit_tokens = std::max(logged->unit_tokens, 1U),
                 .entry_bytes = logged->entry_bytes};
  std::optional<std::uint32_t> owner;
  for (std::uint32_t layer = 0; model.has_indexer() && layer < model.layers.size(); ++layer) {
    if (model.layers[layer].owns_indexer) {
      owner = layer;
      out.top_k = model.layers[layer].top_k;
    }
    out.owner_of.push_back(model.layers[layer].top_k == 0 ? std::nullopt : owner);
  }
  return out;
}

Selections load_selections(const std::string& name) {
  const ModelFile file = open_model(name);
  return file.checkpoint ? selections_of(*file.checkpoint) : selections_of(model_of(file));
}

}  // namespace dsasim
