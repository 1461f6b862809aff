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
                 .entry_bytes = logged->entry_bytes / logged->selecting_heads,
                 .heads = logged->selecting_heads};
  std::optional<std::uint32_t> owner;
  std::uint32_t store = 0;
  for (std::uint32_t layer = 0; model.has_indexer() && layer < model.layers.size(); ++layer) {
    if (model.layers[layer].owns_indexer) {
      owner = layer;
      out.top_k = model.layers[layer].top_k;
    }
    const ModelLayer& of = model.layers[layer];
    store = of.shares_kv || of.unit_tokens == 0 ? store : layer;
    out.owner_of.push_back(of.top_k == 0 ? std::nullopt : owner);
    out.stores.push_back(of.top_k == 0 ? std::nullopt
                                       : std::optional(LayerStore{.owner = store,
                                                                  .unit_tokens = of.unit_tokens,
                                                                  .entry_bytes = of.entry_bytes / of.selecting_heads}));
  }
  drop_plain_stores(out);
  return out;
}

void drop_plain_stores(Selections& selections) {
  for (std::uint32_t layer = 0; layer < selections.stores.size(); ++layer) {
    const LayerStore plain{
        .owner = layer, .unit_tokens = selections.unit_tokens, .entry_bytes = selections.entry_bytes};
    if (selections.stores[layer] && *selections.stores[layer] != plain) {
      return;
    }
  }
  selections.stores.clear();
}

Selections load_selections(const std::string& name) {
  const ModelFile file = open_model(name);
  return file.checkpoint ? selections_of(*file.checkpoint) : selections_of(model_of(file));
}

}  // namespace dsasim
