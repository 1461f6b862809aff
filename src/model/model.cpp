#include "dsasim/model/model.hpp"

#include <algorithm>
#include <numeric>

namespace dsasim {
namespace {

std::uint64_t indexer_parameters(const Model& model, const ModelLayer& layer) {
  return layer.owns_indexer ? model.indexer.parameters : 0;
}

/// Of the whole context.
std::uint64_t indexer_keys(const Indexer& indexer, const ModelLayer& layer, std::uint64_t context_tokens) {
  const std::uint32_t unit_tokens = indexer.unit_tokens != 0 ? indexer.unit_tokens : layer.unit_tokens;
  return layer.owns_indexer ? context_tokens / unit_tokens : 0;
}

}  // namespace

double expected_experts(std::uint32_t experts, std::uint32_t active, std::uint64_t batch) noexcept {
  if (experts == 0) {
    return 0;
  }
  double missed = 1;  // the chance that no token names one certain expert
  double factor = 1 - static_cast<double>(active) / static_cast<double>(experts);
  for (; batch != 0; batch /= 2, factor *= factor) {
    missed *= batch % 2 == 1 ? factor : 1;
  }
  return static_cast<double>(experts) * (1 - missed);
}

std::vector<std::uint32_t> Model::indexer_layers() const {
  std::vector<std::uint32_t> owners;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].owns_indexer) {
      owners.push_back(static_cast<std::uint32_t>(i));
    }
  }
  return owners;
}

std::uint64_t Model::parameters() const noexcept {
  return std::accumulate(layers.begin(), layers.end(), embedding_parameters + head_parameters,
                         [this](std::uint64_t sum, const ModelLayer& layer) {
                           return sum + layer.attention_parameters + indexer_parameters(*this, layer) +
                                  layer.ffn_parameters + layer.experts * layer.expert_parameters;
                         });
}

std::uint64_t Model::active_parameters() const noexcept {
  return std::accumulate(layers.begin(), layers.end(), head_parameters,
                         [this](std::uint64_t sum, const ModelLayer& layer) {
                           return sum + layer.attention_parameters + indexer_parameters(*this, layer) +
                                  layer.ffn_parameters + layer.active_experts * layer.expert_parameters;
                         });
}

double Model::layer_weight_bytes(std::size_t layer, std::uint64_t batch) const noexcept {
  const ModelLayer& of = layers[layer];
  const auto attention = static_cast<double>(of.attention_parameters + indexer_parameters(*this, of));
  return attention * weight_bytes.attention + static_cast<double>(of.ffn_parameters) * weight_bytes.ffn +
         expected_experts(of.experts, of.active_experts, batch) * static_cast<double>(of.expert_parameters) *
             weight_bytes.experts;
}

double Model::head_weight_bytes() const noexcept {
  return static_cast<double>(head_parameters) * weight_bytes.head;
}

double Model::stored_weight_bytes() const noexcept {
  double sum = static_cast<double>(embedding_parameters + head_parameters) * weight_bytes.head;
  for (const ModelLayer& layer : layers) {
    sum += static_cast<double>(layer.attention_parameters + indexer_parameters(*this, layer)) * weight_bytes.attention +
           static_cast<double>(layer.ffn_parameters) * weight_bytes.ffn +
           static_cast<double>(layer.experts * layer.expert_parameters) * weight_bytes.experts;
  }
  return sum;
}

double Model::linear_flops_per_token(std::size_t layer) const noexcept {
  const ModelLayer& of = layers[layer];
  return 2 * static_cast<double>(of.attention_parameters + indexer_parameters(*this, of) + of.ffn_parameters +
                                 of.active_experts * of.expert_parameters);
}

double Model::head_flops_per_token() const noexcept {
  return 2 * static_cast<double>(head_parameters);
}

std::uint64_t Model::stored_entries(std::size_t layer, std::uint64_t context_tokens,
                                    Attention attention) const noexcept {
  const ModelLayer& of = layers[layer];
  return of.shares_kv
             ? std::min<std::uint64_t>(of.window_tokens, context_tokens)
             : read_entries(layer, context_tokens, attention == Attention::full ? attention : Attention::dense);
}

std::uint64_t Model::read_entries(std::size_t layer, std::uint64_t context_tokens, Attention attention) const noexcept {
  const ModelLayer& of = layers[layer];
  if (of.is_recurrent) {
    return 1;
  }
  if (attention == Attention::full && of.unit_tokens == 0) {
    return context_tokens;
  }
  const std::uint64_t window = std::min<std::uint64_t>(of.window_tokens, context_tokens);
  std::uint64_t entries = of.unit_tokens == 0 ? 0 : context_tokens / of.unit_tokens;
  if (attention == Attention::sparse && of.top_k != 0) {
    entries = std::min<std::uint64_t>(entries, of.top_k);
  }
  return window + entries;
}

double Model::attention_flops(std::size_t layer, std::uint64_t entries) const noexcept {
  return static_cast<double>(layers[layer].entry_flops) * static_cast<double>(entries);
}

std::uint64_t Model::scored_keys(std::size_t layer, std::uint64_t context_tokens) const noexcept {
  const ModelLayer& of = layers[layer];
  const std::uint64_t keys = indexer_keys(indexer, of, context_tokens);
  return of.most_keys == 0 ? keys : std::min<std::uint64_t>(keys, of.most_keys);
}

std::uint64_t Model::stored_keys(std::size_t layer, std::uint64_t context_tokens) const noexcept {
  return layers[layer].shares_kv ? 0 : indexer_keys(indexer, layers[layer], context_tokens);
}

double Model::indexer_flops(std::size_t layer, std::uint64_t context_tokens) const noexcept {
  return 2 * static_cast<double>(indexer.heads * indexer.dim) * static_cast<double>(scored_keys(layer, context_tokens));
}

std::uint64_t Model::indexer_key_bytes(std::size_t layer, std::uint64_t context_tokens) const noexcept {
  return indexer.key_bytes * scored_keys(layer, context_tokens);
}

double Model::kv_bytes_per_token() const noexcept {
  double sum = 0;
  for (const ModelLayer& layer : layers) {
    if (layer.unit_tokens != 0 && !layer.shares_kv) {
      sum += static_cast<double>(layer.entry_bytes) / layer.unit_tokens;
    }
  }
  return sum;
}

}  // namespace dsasim
