#pragma once

#include "dsasim/model/model.hpp"
#include "step/kernels/shapes.hpp"

#include <optional>

namespace dsasim {

/// What a layer's queries read, one query a request.
struct LayerQueries {
  std::uint64_t batch = 0;     ///< requests on this GPU
  std::uint64_t longest = 0;   ///< entries of the longest context
  std::uint64_t contexts = 0;  ///< entries of all contexts
  std::uint64_t rows = 0;      ///< of a selection, padded; 0: the layer reads whole contexts
  std::uint64_t filled = 0;    ///< of these, entries; their mean, rounded up
};
/// Requests of one context, which select what a layer of the model does.
LayerQueries equal_queries(const ModelLayer& layer, std::uint64_t batch, std::uint64_t context);

/// The attention module of one layer on one GPU.
struct ModuleShape {
  LayerQueries queries;
  std::uint32_t heads = 0;  ///< on this GPU
  KvType kv = KvType::fp8;
  Arithmetic linear = Arithmetic::fp8;  ///< in which projections are stored
};

/// What its attention kernel does, with all rows cold.
LatentDecode module_attention(const ModuleShape& shape, const ModelLayer& layer);

/// Its other kernels.
struct AttentionModule {
  Kernel rest;
  std::optional<Kernel> indexer_rest;  ///< of a layer that owns an indexer
  std::optional<Kernel> indexer;
  std::optional<Kernel> topk;
};

/// `layer.latent` holds a value.
AttentionModule attention_module(const ModuleShape& shape, const ModelLayer& layer, const Indexer& indexer);

/// Bytes of a layer's KV entry: what the model says for the type it is kept in, otherwise a latent row without scales.
std::uint64_t entry_bytes(const ModelLayer& layer, KvType kv) noexcept;

}  // namespace dsasim
