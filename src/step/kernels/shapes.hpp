#pragma once

#include "dsasim/model/gpu.hpp"
#include "dsasim/model/latent_attention.hpp"
#include "dsasim/step/expert_spread.hpp"
#include "dsasim/step/kernel_table.hpp"

#include <cstdint>

// The kernels of a decode step by their shapes. Each function says what a kernel's time is made of (its terms) and what
// it reads and computes; docs/step-time.md has the forms and why they are so.

namespace dsasim {

/// y = x W: fp8 with a scale for each block of 128 x 128 (DeepGEMM), or bf16.
struct Gemm {
  std::uint64_t tokens = 0;
  std::uint64_t inputs = 0;
  std::uint64_t outputs = 0;
  Arithmetic type = Arithmetic::fp8;
};
Kernel gemm(const Gemm& shape, const Gpu& gpu);

/// The routed experts of a layer on the fullest of the GPUs that share them: one fused kernel for gate, up and down.
struct Experts {
  std::uint64_t tokens = 0;  ///< of all GPUs that share the experts
  std::uint64_t hidden = 0;
  std::uint64_t inner = 0;  ///< of one expert, before tensor_parallel divides it
  std::uint32_t experts = 0;
  std::uint32_t active = 0;  ///< of a token
  std::uint32_t always = 0;  ///< more experts, that every token names: shared ones in the same kernel
  std::uint64_t tensor_parallel = 1;
  std::uint64_t expert_parallel = 1;
  ExpertSpread spread = ExpertSpread::power_law;
};
Kernel routed_experts(const Experts& shape);

/// How FlashMLA's decode kernel shares out its work: the tiles of each request's selection, in pieces, over parts of
/// the GPU, each the same payload; a request in several pieces is combined by another kernel.
struct FlashMlaSchedule {
  std::uint64_t blocks = 0;           ///< tiles of 64 rows of the fullest part
  std::uint64_t pieces = 0;           ///< requests that this part works on
  double share = 0;                   ///< of the parts, those that have work
  std::uint64_t most_splits = 0;      ///< of a request; 0 if none is split
  std::uint64_t partial_outputs = 0;  ///< of all split requests
};
FlashMlaSchedule flash_mla_schedule(std::uint64_t batch, std::uint32_t padded_heads, std::uint64_t rows,
                                    std::uint32_t sms);

/// Attention of one query a request to rows that the same kernel gathers. With a selection, `rows` is its padded
/// length, of which `filled` are entries; without one (dense MLA) both are the context.
struct LatentDecode {
  bool selected = true;
  std::uint64_t batch = 0;
  std::uint64_t rows = 0;
  std::uint64_t filled = 0;
  std::uint32_t heads = 0;  ///< on this GPU
  KvType kv = KvType::fp8;
  std::uint64_t row_bytes = 0;
  double cold = 1;         ///< the part of the rows that comes from memory, not from the L2
  bool set_aside = false;  ///< most of the L2 is set aside, whatever it holds
};
Kernel latent_decode(const LatentDecode& shape, const Gpu& gpu, const KernelTable& table);

/// Scores of all keys of the requests' contexts (DeepGEMM's paged MQA logits).
Kernel indexer_scan(std::uint64_t keys, std::uint64_t heads, std::uint64_t dim, std::uint64_t key_bytes);

/// The selection of `top_k` among the float32 scores of each request: `scores` of all, `longest` of one. Nothing to do
/// where everything is selected.
Kernel select_top_k(std::uint64_t scores, std::uint64_t longest, std::uint64_t top_k);

/// All of an attention module but what the functions above say: projections, norms, RoPE, quantisation, writing the KV
/// entry.
struct ModuleRest {
  std::uint64_t batch = 0;
  std::uint32_t heads = 0;  ///< on this GPU
  KvType kv = KvType::fp8;
  Arithmetic linear = Arithmetic::fp8;
};
Kernel attention_rest(const ModuleRest& shape, const LatentAttention& latent);
/// What an indexer adds to that: its projections, norm, RoPE, quantisation, writing the key, and the table of pages.
Kernel indexer_rest(const ModuleRest& shape, const LatentAttention& latent, std::uint64_t indexer_heads,
                    std::uint64_t indexer_dim, bool selects);

/// Between the GPUs of one node, `bytes` of a tensor on each.
Kernel all_reduce(std::uint64_t gpus, double bytes);
Kernel all_gather(std::uint64_t gpus, double bytes);
Kernel reduce_scatter(std::uint64_t gpus, double bytes);

/// `count` kernels that do little more than start: norms, routers' top-k, activations, sampling; `bytes` of all of
/// them.
Kernel small_kernels(std::uint64_t count, double bytes);

}  // namespace dsasim
