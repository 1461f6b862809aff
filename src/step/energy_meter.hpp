#pragma once

#include "dsasim/model/gpu.hpp"
#include "dsasim/model/roofline.hpp"
#include "dsasim/step/step_energy.hpp"
#include "dsasim/step/step_spec.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace dsasim {

/// What one request's query tokens read in a hidden layer.
struct MeteredQueries {
  std::uint64_t tokens = 1;          ///< that attend
  std::uint64_t context_tokens = 0;  ///< of each
  std::uint64_t entries = 0;         ///< that they attend to, of all of them
  std::uint64_t entry_bytes = 0;     ///< on one GPU
  double cold = 1;                   ///< the part of these that is read from memory; the last-level cache has the rest
};

/// Adds up what the steps of a deployment move and compute, on all GPUs together. Keeps a reference.
class EnergyMeter {
 public:
  EnergyMeter(const Model& model, const Deployment& deployment) : model_(model), deployment_(deployment) {}

  /// Of a step of so many query tokens, which decodes so many: weights, each once, and what they are multiplied with.
  void add_weights(std::uint64_t tokens, std::uint64_t decoded);
  void add_queries(std::size_t layer, const MeteredQueries& queries);
  /// Bytes of entries on one GPU, out of another memory, and perhaps into the GPU's.
  void add_fetched(double bytes, bool into_memory);

  /// Of a mean token; without tokens there are no parts. `fetched`: of a bit out of another memory than the GPUs'.
  TokenEnergy of_token(const Gpu& gpu, const std::optional<EnergyCost>& fetched) const;

 private:
  /// GPUs that keep a request's entries, or their share of them.
  double holders() const noexcept {
    return deployment_.dp_attention ? 1 : static_cast<double>(deployment_.tensor_parallel);
  }

  const Model& model_;
  Deployment deployment_;
  StepWork work_;             ///< `read`: out of the GPUs' own memory
  double llc_bytes_ = 0;      ///< KV entries that their last-level caches held
  double fetched_bytes_ = 0;  ///< KV entries out of another memory
  double written_bytes_ = 0;  ///< of these, into the GPUs' memory
  double decoded_ = 0;        ///< tokens
};

}  // namespace dsasim
