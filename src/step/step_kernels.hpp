#pragma once

#include "dsasim/model/model.hpp"
#include "dsasim/step/kernel_table.hpp"
#include "dsasim/step/step_parts.hpp"
#include "dsasim/step/step_spec.hpp"
#include "step/kernels/attention_module.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace dsasim {

/// The queries of a step, one a request, of all GPUs together.
struct StepQueries {
  std::uint64_t batch = 0;
  std::uint64_t longest_tokens = 0;  ///< of the longest context
  std::uint64_t context_tokens = 0;  ///< of all contexts

  friend bool operator==(const StepQueries&, const StepQueries&) = default;
};

/// Rows that a layer's queries attend to.
struct SelectedRows {
  std::uint64_t rows = 0;    ///< of a selection, padded; 0: the layer does not select
  std::uint64_t filled = 0;  ///< of these, entries; their mean, rounded up

  friend bool operator==(const SelectedRows&, const SelectedRows&) = default;
};

/// The kernels of a decode step and their times, by layer: predict_step() adds them up for one batch and context, a
/// replay step by step. Keeps references to what it is made of.
class StepKernels {
 public:
  /// Throws ConfigError for shapes that cannot be divided, and for layers without latent attention: of those no kernels
  /// were measured, and a roofline alone has their times.
  StepKernels(const Model& model, const Gpu& gpu, const KernelTable& table, const Deployment& deployment);

  /// None without latent attention, and no heads.
  std::optional<KvType> kv() const noexcept { return latent_ ? std::optional(kv_) : std::nullopt; }
  std::uint32_t heads_per_gpu(const ModelLayer& layer) const noexcept;
  /// Of a layer's KV entry on one GPU.
  std::uint64_t entry_bytes(const ModelLayer& layer) const noexcept;

  /// Layers whose kernels are the same, in the order of their first ones.
  const std::vector<ModelLayer>& types() const noexcept { return types_; }
  /// Each hidden layer's place in types().
  const std::vector<std::size_t>& type_of() const noexcept { return type_of_; }

  /// One layer, all of its rows cold.
  StepParts layer(const ModelLayer& layer, const StepQueries& queries, const SelectedRows& selected) const;
  /// Its attention alone. `set_aside`: most of the L2 is.
  double attention_ns(const ModelLayer& layer, const StepQueries& queries, const SelectedRows& selected, double cold,
                      bool set_aside) const;
  /// Of the first layer's attention; none: hits take nothing off that was measured.
  const std::optional<DifferenceErrors>& difference_errors() const noexcept { return difference_errors_; }
  /// Embedding, head, sampling, and what the host adds.
  StepParts outside(std::uint64_t batch) const;
  /// One of a layer; 0 on one GPU.
  std::uint64_t all_reduce_ns(std::uint64_t batch) const;

 private:
  std::uint64_t ns(const Kernel& kernel) const;
  std::uint64_t hidden() const noexcept { return model_.layers.front().latent->hidden; }
  std::uint64_t attention_batch(std::uint64_t batch) const noexcept;
  LayerQueries on_one_gpu(const ModelLayer& layer, const StepQueries& queries, const SelectedRows& selected) const;
  ModuleShape module_shape(const ModelLayer& layer, const LayerQueries& queries) const;
  void add_attention(StepParts& parts, const ModelLayer& layer, const LayerQueries& queries) const;
  std::uint64_t communication_ns(std::uint64_t batch) const;
  std::uint64_t ffn_ns(std::uint64_t batch, std::uint64_t inner) const;
  void add_dense(StepParts& parts, const ModelLayer& layer, std::uint64_t batch) const;
  void add_experts(StepParts& parts, const ModelLayer& layer, std::uint64_t batch) const;
  std::uint64_t product_ns(std::uint64_t parameters, double weight_bytes, double tokens) const;
  std::uint64_t scored_keys(const ModelLayer& layer, const LayerQueries& queries) const noexcept;
  StepParts bounds(const ModelLayer& layer, const LayerQueries& queries) const;
  Kernel bounded_attention(const ModelLayer& layer, const LayerQueries& queries, double cold) const;
  [[noreturn]] void refuse_ffn() const;

  const Model& model_;
  const Gpu& gpu_;
  const KernelTable& table_;
  Deployment deployment_;
  std::uint64_t gpus_;
  bool latent_ = true;  ///< every layer has latent attention, so that its kernels have shapes
  KvType kv_ = KvType::fp8;
  std::optional<DifferenceErrors> difference_errors_;
  std::vector<ModelLayer> types_;
  std::vector<std::size_t> type_of_;
};

}  // namespace dsasim
