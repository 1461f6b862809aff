#pragma once

#include "dsasim/model/model.hpp"
#include "dsasim/step/expert_spread.hpp"
#include "dsasim/step/kernel_table.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace dsasim {

/// A decode step of a serving stack on the GPUs of one node: `batch` requests, one token each.
struct StepWorkload {
  std::uint64_t batch = 0;           ///< of all GPUs together
  std::uint64_t context_tokens = 0;  ///< of each request, the query's own token included
  std::uint64_t tensor_parallel = 1;
  std::uint64_t expert_parallel =
      1;                          ///< of these GPUs, groups that hold whole experts; tensor_parallel divides the rest
  bool dp_attention = false;      ///< each GPU has all heads of its share of the requests
  std::optional<KvType> kv = {};  ///< none: fp8 where the model has it
  ExpertSpread spread = ExpertSpread::power_law;
};

/// Where the time of a step goes, each on the critical path of one GPU.
enum class StepPart : std::uint8_t {
  projections,   ///< of attention, with its norms, RoPE, quantisation and the write of the KV entry
  indexer_rest,  ///< likewise of the indexer
  indexer,       ///< scores of all keys
  topk,
  attention,      ///< to the selected rows, or to all, and their gather
  communication,  ///< between GPUs, in the layers
  norms,
  dense_ffn,
  router,
  experts,  ///< routed
  shared_expert,
  embedding,
  head,
  sampling,
};
inline constexpr std::array step_part_names = {ChoiceName<StepPart>{"projections", StepPart::projections},
                                               ChoiceName<StepPart>{"indexer_rest", StepPart::indexer_rest},
                                               ChoiceName<StepPart>{"indexer", StepPart::indexer},
                                               ChoiceName<StepPart>{"topk", StepPart::topk},
                                               ChoiceName<StepPart>{"attention", StepPart::attention},
                                               ChoiceName<StepPart>{"communication", StepPart::communication},
                                               ChoiceName<StepPart>{"norms", StepPart::norms},
                                               ChoiceName<StepPart>{"dense_ffn", StepPart::dense_ffn},
                                               ChoiceName<StepPart>{"router", StepPart::router},
                                               ChoiceName<StepPart>{"experts", StepPart::experts},
                                               ChoiceName<StepPart>{"shared_expert", StepPart::shared_expert},
                                               ChoiceName<StepPart>{"embedding", StepPart::embedding},
                                               ChoiceName<StepPart>{"head", StepPart::head},
                                               ChoiceName<StepPart>{"sampling", StepPart::sampling}};

/// Nanoseconds by part.
class StepParts {
 public:
  std::uint64_t& operator[](StepPart part) noexcept { return ns_[static_cast<std::size_t>(part)]; }
  std::uint64_t operator[](StepPart part) const noexcept { return ns_[static_cast<std::size_t>(part)]; }
  std::uint64_t total_ns() const;
  void add(const StepParts& more, std::uint64_t times);

 private:
  std::array<std::uint64_t, step_part_names.size()> ns_{};
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
  KvType kv = KvType::fp8;
  std::uint32_t heads_per_gpu = 0;
  std::vector<LayerTime> layer_types;  ///< in the order of their first layers
  std::vector<std::size_t> type_of;    ///< each hidden layer's place in layer_types
  StepParts outside;                   ///< embedding, head, sampling
  StepParts parts;                     ///< of the whole step
  std::uint64_t all_reduce_ns = 0;     ///< one of a layer; 0 on one GPU

  std::uint64_t tpot_ns() const { return parts.total_ns(); }
  /// The first type of layer that owns an indexer, shares one, or has experts; null if there is none.
  const LayerTime* owner() const noexcept;
  const LayerTime* sharer() const noexcept;
  const LayerTime* mixture() const noexcept;
};

/// The sum of a step's kernels, one after the other. Throws ConfigError for models without latent attention, shapes
/// that cannot be divided, and kernels that were not measured.
StepPrediction predict_step(const Model& model, const Gpu& gpu, const KernelTable& table, const StepWorkload& workload);

}  // namespace dsasim
