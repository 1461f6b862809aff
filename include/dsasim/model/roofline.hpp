#pragma once

#include "dsasim/model/gpu.hpp"
#include "dsasim/model/model.hpp"
#include "dsasim/types.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace dsasim {

/// Which routed experts a step reads.
enum class ExpertReads : std::uint8_t {
  expected,  ///< those that the batch is expected to name (expected_experts)
  all,       ///< every one, as a batch of any size may need
};
inline constexpr std::array expert_reads_names = {ChoiceName<ExpertReads>{"expected", ExpertReads::expected},
                                                  ChoiceName<ExpertReads>{"all", ExpertReads::all}};

/// A deployment to be sized: `batch` users, each with a context of so many tokens, decode together.
struct RooflineConfig {
  std::uint64_t context_tokens = 0;
  std::uint64_t batch = 0;
  double rate = 0;                         ///< tokens a second for each user: steps a second
  std::optional<std::uint64_t> gpus = {};  ///< none: as many as are needed
  Attention attention = Attention::sparse;
  ExpertReads experts = ExpertReads::expected;
  /// GPUs that each layer's attention is spread over. Where a layer has fewer KV heads, its entries are kept and read
  /// by several; the indexer has one key head, which all keep and scan.
  std::uint64_t tensor_parallel = 1;

  // In place of what the model says, everywhere:
  std::optional<double> weight_bytes = {};        ///< of every weight
  std::optional<std::uint64_t> entry_bytes = {};  ///< of a KV entry in one layer
  std::optional<std::uint64_t> entry_flops = {};  ///< of one query token's attention to an entry
  std::optional<Arithmetic> arithmetic = {};      ///< of all parts
};

/// Bytes that a step reads, or that are kept: of all GPUs together.
struct RooflineBytes {
  double weights = 0;  ///< what every token passes; stored, the embedding too
  double experts = 0;  ///< routed ones
  double entries = 0;  ///< KV
  double keys = 0;     ///< the indexer's
  double total() const noexcept { return weights + experts + entries + keys; }
};

struct RooflineFlops {
  double linear = 0;
  double attention = 0;
  double indexer = 0;
  double total() const noexcept { return linear + attention + indexer; }
};

/// What a decode step reads from memory and computes: of all GPUs together.
struct StepWork {
  RooflineBytes read;
  RooflineFlops flops;
};

/// Query tokens of one context in one layer.
struct LayerAttention {
  double tokens = 0;
  std::uint64_t context_tokens = 0;
  double entries = 0;      ///< that they attend to, of all of them
  double entry_bytes = 0;  ///< of one, on all GPUs that keep it
  double key_copies = 1;   ///< GPUs that scan all keys
};

/// Adds every weight that each token uses, and the routed experts that so many tokens read; each once.
void add_weights(StepWork& work, const Model& model, std::uint64_t tokens, ExpertReads experts);
void add_attention(StepWork& work, const Model& model, std::size_t layer, const LayerAttention& attention);

/// GPUs that suffice for one resource.
struct RooflineGpus {
  std::uint64_t bandwidth = 0;
  std::uint64_t compute = 0;
  std::uint64_t capacity = 0;
};

/// Perfect overlap and no communication: a deployment needs at least this.
struct Roofline {
  RooflineConfig config;
  Model model;  ///< with what the configuration puts in place
  Gpu gpu;
  RooflineBytes read = {};  ///< by a step
  RooflineBytes stored = {};
  RooflineFlops flops = {};   ///< of a step
  double compute_s = 0;       ///< of a step, on one GPU: each part at the peak of its type
  RooflineGpus needed = {};   ///< before they are rounded up to a multiple of tensor_parallel
  std::uint64_t gpus = 0;     ///< as asked for, or the most of what is needed
  double bandwidth_used = 0;  ///< parts of what these have: 1 is all, more is too much
  double compute_used = 0;
  double capacity_used = 0;
  double rate_limit = 0;  ///< tokens a second for each user at which these run out of bandwidth or compute
};

/// Throws ConfigError for values out of range, and for sparse attention without an indexer.
Roofline roofline(Model model, Gpu gpu, const RooflineConfig& config);

}  // namespace dsasim
