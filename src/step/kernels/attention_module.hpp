#pragma once

#include "dsasim/model/model.hpp"
#include "step/kernels/shapes.hpp"

#include <optional>

namespace dsasim {

/// The attention module of one layer on one GPU.
struct ModuleShape {
  std::uint64_t batch = 0;    ///< requests on this GPU, one query each
  std::uint64_t context = 0;  ///< tokens of each
  std::uint32_t heads = 0;    ///< on this GPU
  KvType kv = KvType::fp8;
  Arithmetic linear = Arithmetic::fp8;  ///< in which projections are stored
};

/// Its kernels, in the order in which they run.
struct AttentionModule {
  Kernel rest;
  std::optional<Kernel> indexer_rest;  ///< of a layer that owns an indexer
  std::optional<Kernel> indexer;
  std::optional<Kernel> topk;
  Kernel attention;
};

/// `layer.latent` holds a value.
AttentionModule attention_module(const ModuleShape& shape, const ModelLayer& layer, const Indexer& indexer,
                                 const Gpu& gpu, const KernelTable& table);

/// Bytes of a layer's KV entry: what the model says for the type it is kept in, otherwise a latent row without scales.
std::uint64_t entry_bytes(const ModelLayer& layer, KvType kv) noexcept;

}  // namespace dsasim
