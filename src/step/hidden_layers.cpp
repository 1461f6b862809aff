#include "step/hidden_layers.hpp"

#include "dsasim/error.hpp"

#include <algorithm>

namespace dsasim {

HiddenLayers::HiddenLayers(const Model& model, const TraceHeader& header) {
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const ModelLayer& layer = model.layers[i];
    const bool selects = model.has_indexer() ? layer.top_k > 0 : layer.unit_tokens > 0;
    (selects ? selecting_ : others_).push_back(i);
  }
  if (selecting_.empty()) {
    throw ConfigError("`model`", "{} has no layer that sees the whole context", model.name);
  }
  const std::size_t count = selecting_.size();
  std::uint64_t traced = 0;
  for (const LayerInfo& layer : header.layers) {
    traced += layer.group_size;
  }
  if (const std::uint32_t heads = model.layers[selecting_.front()].selecting_heads; heads > 1 && traced > count) {
    throw ConfigError("`model`",
                      "{} selects in {} layers by {} KV heads each, and the trace has {} layers, which are heads: "
                      "the heads of a layer are one kernel, of which a head has no time of its own",
                      model.name, count, heads, traced);
  }
  if (traced == 0 || traced > count) {
    throw ConfigError("`model`", "{} selects in {} layers, and the trace has {}", model.name, count, traced);
  }
  std::uint64_t before = 0;
  firsts_.push_back(0);
  for (const LayerInfo& layer : header.layers) {
    before += layer.group_size;
    firsts_.push_back(before * count / traced);
  }
  const auto unit_tokens = std::max<std::uint32_t>(model.layers[selecting_.front()].unit_tokens, 1);
  if (unit_tokens != header.unit_tokens) {
    throw ConfigError("`model`", "{} selects entries of {} tokens, and the trace entries of {}", model.name,
                      unit_tokens, header.unit_tokens);
  }
}

}  // namespace dsasim
