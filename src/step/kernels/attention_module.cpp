#include "step/kernels/attention_module.hpp"

#include <algorithm>

namespace dsasim {

std::uint64_t entry_bytes(const ModelLayer& layer, KvType kv) noexcept {
  const std::uint64_t bf16 = layer.latent->bf16_entry_bytes();
  return kv == KvType::bf16 ? bf16 : layer.entry_bytes < bf16 ? layer.entry_bytes : bf16 / 2;
}

LayerQueries equal_queries(const ModelLayer& layer, std::uint64_t batch, std::uint64_t context) {
  return {.batch = batch,
          .longest = context,
          .contexts = batch * context,
          .rows = layer.top_k,
          .filled = std::min<std::uint64_t>(layer.top_k, context)};
}

LatentDecode module_attention(const ModuleShape& shape, const ModelLayer& layer) {
  const LayerQueries& queries = shape.queries;
  const bool selected = queries.rows != 0;
  // Of whole contexts, a kernel that splits them reads as much as if all were as long as their mean.
  const std::uint64_t mean = (queries.contexts + queries.batch - 1) / queries.batch;
  return {.selected = selected,
          .batch = queries.batch,
          .rows = selected ? queries.rows : mean,
          .filled = selected ? queries.filled : mean,
          .heads = shape.heads,
          .kv = shape.kv,
          .row_bytes = entry_bytes(layer, shape.kv)};
}

AttentionModule attention_module(const ModuleShape& shape, const ModelLayer& layer, const Indexer& indexer) {
  const LatentAttention& latent = *layer.latent;
  const LayerQueries& queries = shape.queries;
  const ModuleRest rest = {.batch = queries.batch, .heads = shape.heads, .kv = shape.kv, .linear = shape.linear};
  AttentionModule module = {.rest = attention_rest(rest, latent), .indexer_rest = {}, .indexer = {}, .topk = {}};
  if (layer.owns_indexer) {
    module.indexer_rest = indexer_rest(rest, latent, indexer.heads, indexer.dim, queries.longest > queries.rows);
    module.indexer = indexer_scan(queries.contexts, indexer.heads, indexer.dim, indexer.key_bytes);
    module.topk = select_top_k(queries.contexts, queries.longest, queries.rows);
  }
  return module;
}

}  // namespace dsasim
