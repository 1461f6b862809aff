#pragma once

#include "dsasim/model/model.hpp"
#include "dsasim/step/kernel_table.hpp"
#include "dsasim/step/step_energy.hpp"
#include "dsasim/step/step_parts.hpp"
#include "dsasim/step/step_spec.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace dsasim {

/// A decode step of a serving stack: `batch` requests, one token each.
struct StepWorkload {
  std::uint64_t batch = 0;           ///< of all GPUs together
  std::uint64_t context_tokens = 0;  ///< of each request, the query's own token included
  Deployment deployment = {};
};

/// Layers that are alike.
struct LayerTime {
  std::uint64_t layers = 0;
  ModelLayer layer;
  StepParts parts;  ///< of one of them
  /// Of its attention module: from the projections to the output projection, without norms and communication.
  std::uint64_t module_ns() const noexcept;
};

struct StepPrediction {
  StepWorkload workload;
  std::optional<KvType> kv;            ///< none without latent attention
  std::uint32_t heads_per_gpu = 0;     ///< likewise 0
  std::vector<LayerTime> layer_types;  ///< in the order of their first layers
  std::vector<std::size_t> type_of;    ///< each hidden layer's place in layer_types
  StepParts outside;                   ///< embedding, head, sampling, and what the host adds
  StepParts parts;                     ///< of the whole step
  std::uint64_t all_reduce_ns = 0;     ///< one of a layer; 0 on one GPU
  std::optional<TokenEnergy> energy;   ///< none unless predict_energy() was asked

  std::uint64_t tpot_ns() const { return parts.total_ns(); }
  /// The first type of layer that owns an indexer, shares one, or has experts; null if there is none.
  const LayerTime* owner() const noexcept;
  const LayerTime* sharer() const noexcept;
  const LayerTime* mixture() const noexcept;
};

/// The sum of a step's kernels, one after the other. Throws ConfigError for models without latent attention, shapes
/// that cannot be divided, and kernels that were not measured.
StepPrediction predict_step(const Model& model, const Gpu& gpu, const KernelTable& table, const StepWorkload& workload);

/// What a token of the same step takes: bytes and flops are those of roofline(). Throws what predict_step() throws.
TokenEnergy predict_energy(const Model& model, const Gpu& gpu, const KernelTable& table, const StepWorkload& workload);

}  // namespace dsasim
