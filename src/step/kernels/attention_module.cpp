#include "step/kernels/attention_module.hpp"

#include <algorithm>

namespace dsasim {

std::uint64_t entry_bytes(const ModelLayer& layer, KvType kv) noexcept {
  const std::uint64_t bf16 = layer.latent->bf16_entry_bytes();
  return kv == KvType::bf16 ? bf16 : layer.entry_bytes < bf16 ? layer.entry_bytes : bf16 / 2;
}

AttentionModule attention_module(const ModuleShape& shape, const ModelLayer& layer, const Indexer& indexer,
                                 const Gpu& gpu, const KernelTable& table) {
  const LatentAttention& latent = *layer.latent;
  const ModuleRest rest = {.batch = shape.batch, .heads = shape.heads, .kv = shape.kv, .linear = shape.linear};
  const bool selects = layer.top_k != 0;
  const std::uint64_t rows = selects ? layer.top_k : shape.context;
  AttentionModule module = {.rest = attention_rest(rest, latent),
                            .indexer_rest = {},
                            .indexer = {},
                            .topk = {},
                            .attention = latent_decode({.selected = selects,
                                                        .batch = shape.batch,
                                                        .rows = rows,
                                                        .filled = std::min(rows, shape.context),
                                                        .heads = shape.heads,
                                                        .kv = shape.kv,
                                                        .row_bytes = entry_bytes(layer, shape.kv)},
                                                       gpu, table)};
  if (layer.owns_indexer) {
    module.indexer_rest = indexer_rest(rest, latent, indexer.heads, indexer.dim, shape.context > layer.top_k);
    module.indexer = indexer_scan(shape.batch, shape.context, indexer.heads, indexer.dim, indexer.key_bytes);
    module.topk = select_top_k(shape.batch, shape.context, layer.top_k);
  }
  return module;
}

}  // namespace dsasim
