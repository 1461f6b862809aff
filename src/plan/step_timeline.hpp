#pragma once

#include "dsasim/memory/memory_model.hpp"
#include "dsasim/plan/plan.hpp"
#include "step/hidden_layers.hpp"
#include "step/step_kernels.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace dsasim {

/// What the requests of one GPU miss together in one layer of the trace, at one step.
struct LayerMisses {
  std::uint64_t rows = 0;
  std::uint64_t most_rows = 0;  ///< of one request
  std::uint64_t blocks = 0;     ///< on drives, of rows that host memory does not hold
};

/// Drives below host memory.
struct Drives {
  MemoryModel* model = nullptr;  ///< null: there are none
  std::uint64_t block_bytes = 0;
};

/// A buffer as its kernel sees it.
struct HotBuffer {
  std::uint64_t slots = 0;
  bool context_fits = false;  ///< position p is in slot p: nothing is looked up, nothing moves
  double looked_up = 1;       ///< of a selection: the rest is in resident pages
};

/// One decode step, layer after layer: kernels, the swap-ins between selection and attention, and a link that copies
/// ahead beside them. Keeps references to what it is made of.
///
/// A layer that owns an index swaps in before its attention; compute waits for it. A layer that shares the index lacks
/// the same rows. Without prefetch it swaps in before its attention, too, lookup included. With it the owner's plan is
/// copied: queued when the owner's copies are done, one layer after the other, by a kernel that looks nothing up, and
/// the layer waits for what compute in between did not cover. Copies
/// take nothing off compute. Rows on drives are read before the copies of their layer, which read them in host memory;
/// the GPUs of the node share the drives.
class StepTimeline {
 public:
  struct Step {
    std::uint64_t ns = 0;
    std::uint64_t exposed_ns = 0;  ///< of `ns`: waiting for swap-ins and copies
    std::uint64_t hidden_ns = 0;   ///< copies beside compute
    std::uint64_t link_bytes = 0;  ///< of rows, over one link: of the GPU with most of them in each layer
    std::uint64_t nvme_bytes = 0;  ///< of blocks, by all drives
  };

  StepTimeline(const Model& model, const StepKernels& kernels, const HiddenLayers& hidden, std::size_t trace_layers,
               MemoryModel& host, const PlanConfig& config, const Drives& drives = {});

  /// So many requests of the plan's context.
  StepQueries alike(std::uint64_t batch) const noexcept {
    return {.batch = batch, .longest_tokens = config_.context_tokens, .context_tokens = batch * config_.context_tokens};
  }

  /// Everything in GPU memory.
  std::uint64_t compute_ns(const StepQueries& queries);
  /// `misses` is [gpu * layers of the trace + layer].
  Step step(const StepQueries& queries, const HotBuffer& buffer, std::span<const LayerMisses> misses);

 private:
  struct LayerNs {
    std::uint64_t before = 0;  ///< attention, from the layer's start to its selection
    std::uint64_t after = 0;
  };
  enum class Index : std::uint8_t { none, owned, shared };

  void price(const StepQueries& queries);
  /// Of one layer.
  struct Copies {
    std::uint64_t ns = 0;      ///< of the slowest GPU, as experts wait for all; and of the drives
    std::uint64_t rows = 0;    ///< of the GPU that lacks most
    std::uint64_t blocks = 0;  ///< on drives, of all GPUs
  };

  bool is_ahead(std::size_t layer) const noexcept;
  Copies copies(std::size_t i, std::uint64_t local_batch, const HotBuffer& buffer, std::span<const LayerMisses> misses);
  /// Of one layer, of all GPUs.
  std::uint64_t blocks(std::span<const LayerMisses> misses, std::size_t traced_layer) const;
  std::uint64_t copy_ns(const ModelLayer& layer, std::uint64_t rows, const SwapIn& swap_in);

  const Model& model_;
  const StepKernels& kernels_;
  MemoryModel& host_;
  const PlanConfig& config_;
  Drives drives_;
  std::size_t trace_layers_;
  std::vector<Index> index_;            ///< by hidden layer
  std::vector<std::size_t> traced_as_;  ///< by hidden layer that selects: the layer of the trace
  StepQueries priced_;
  std::vector<LayerNs> types_;  ///< by type of layer
  std::uint64_t outside_ns_ = 0;
};

}  // namespace dsasim
