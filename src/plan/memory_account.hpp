#pragma once

#include "dsasim/model/gpu.hpp"
#include "dsasim/plan/plan.hpp"
#include "step/step_kernels.hpp"

#include <cstdint>
#include <optional>

namespace dsasim {

constexpr std::uint64_t whole_pages(std::uint64_t entries) noexcept {
  return (entries + kv_page_entries - 1) / kv_page_entries * kv_page_entries;
}

/// Of a request's KV in host memory.
std::uint64_t host_copies(const PlanConfig& config) noexcept;

/// What fits the memory of a deployment. Keeps references to what it is made of.
class MemoryAccount {
 public:
  /// Throws ConfigError if the weights do not fit.
  MemoryAccount(const Model& model, const Gpu& gpu, const StepKernels& kernels, const PlanConfig& config);

  /// Of one GPU. Heads, experts and vocabulary are divided; the projections to latent rows and the indexer are on every
  /// GPU, and with requests of its own (--dp-attention) a GPU has all of attention and the embedding.
  std::uint64_t weight_bytes() const noexcept { return weight_bytes_; }
  std::uint64_t free_bytes() const noexcept { return free_bytes_; }

  /// Slots none: no buffer, everything in GPU memory. `slots` is of one request and layer, with those outside its
  /// capacity.
  RequestBytes request(std::optional<std::uint64_t> slots, std::uint64_t context_tokens) const;
  /// Of the plan's context.
  RequestBytes request(std::optional<std::uint64_t> slots) const { return request(slots, config_.context_tokens); }
  /// Whole pages of every layer's KV that so many requests of one GPU can have each, of the bytes beside `used` ones.
  std::uint64_t spare_pages(std::uint64_t used_bytes, std::uint64_t requests) const;
  /// All of what requests have behind the GPUs that host memory lets run; none: any number. With drives below it, it
  /// needs room for a selection of each.
  std::optional<std::uint64_t> most_host_bytes() const noexcept { return most_host_bytes_; }
  /// Requests, on all GPUs, that run at once.
  std::uint64_t max_batch(const RequestBytes& request) const noexcept;
  /// GPUs that have requests of their own; 1: each request is on all.
  std::uint64_t request_gpus() const noexcept;

 private:
  const Model& model_;
  const StepKernels& kernels_;
  const PlanConfig& config_;
  std::uint64_t weight_bytes_ = 0;
  std::uint64_t free_bytes_ = 0;
  std::optional<std::uint64_t> most_host_bytes_;
};

}  // namespace dsasim
