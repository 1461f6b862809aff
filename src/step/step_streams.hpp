#pragma once

#include "dsasim/model/model.hpp"
#include "step/hidden_layers.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// Bytes that a part of a step reads one after the other.
struct ByteStream {
  std::uint64_t address = 0;
  std::uint64_t bytes = 0;
};

/// One request of a (step, layer).
struct StepQuery {
  std::uint32_t request = 0;         ///< its number in the batch
  std::uint64_t context_tokens = 0;  ///< the query's own included
};

/// What passes through a last-level cache besides KV rows, on one of the GPUs that share a step: keys of indexers and
/// weights, each at an address of its own. Keeps references.
class StepStreams {
 public:
  /// `requests`: of the batch.
  StepStreams(const Model& model, const HiddenLayers& hidden, std::uint64_t tensor_parallel, std::uint64_t requests)
      : model_(model), hidden_(hidden), tensor_parallel_(static_cast<double>(tensor_parallel)), requests_(requests) {}

  /// Keys that the indexers of a layer of the trace scan: a stream for each of its indexers and requests.
  void indexer_keys(std::uint32_t layer, std::span<const StepQuery> queries, std::vector<ByteStream>& streams) const;
  /// Of the layers it stands for.
  ByteStream weights(std::uint32_t layer, std::size_t batch) const;
  /// Of the layers that no layer of the trace stands for, and of the head.
  ByteStream other_weights(std::size_t batch) const;

 private:
  double weight_bytes(std::span<const std::size_t> layers, std::size_t batch) const noexcept;

  const Model& model_;
  const HiddenLayers& hidden_;
  double tensor_parallel_;
  std::uint64_t requests_;
};

}  // namespace dsasim
