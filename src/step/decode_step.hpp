#pragma once

#include "dsasim/model/gpu.hpp"
#include "dsasim/model/model.hpp"
#include "dsasim/step/step_times.hpp"
#include "dsasim/trace/header.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// Bytes that a part of a step reads one after the other. Without an address they would not be found in a cache again.
struct ByteStream {
  std::uint64_t address = 0;
  std::uint64_t bytes = 0;
};

/// One request of a (step, layer).
struct StepQuery {
  std::uint32_t request = 0;         ///< its number in the batch
  std::uint64_t context_tokens = 0;  ///< the query's own included
  std::uint64_t selected_entries = 0;
};

/// Times of the parts of a decode step on one of the GPUs that share it: bytes by bandwidth or flops by peak, whichever
/// takes longer. A layer of the trace stands for one or several hidden layers of the model. Not validated against a
/// serving stack: docs/step-time.md.
class DecodeStep {
 public:
  /// Throws ConfigError for an unknown model or GPU, and for a trace with more layers than the model has.
  DecodeStep(const StepSpec& spec, const TraceHeader& header);

  const Gpu& gpu() const noexcept { return gpu_; }
  /// Of a KV entry in one layer, on one GPU.
  std::uint64_t entry_bytes() const noexcept { return entry_bytes_; }
  /// Of the model: those whose attention reads selections. The trace's layers stand for all of them.
  std::size_t selecting_layers() const noexcept { return selecting_.size(); }
  /// Hidden layers that a layer of the trace stands for.
  std::uint32_t hidden_layers(std::uint32_t layer) const noexcept;

  /// Keys that the layer's indexers scan: a stream for each of its indexers and requests.
  void indexer_streams(std::uint32_t layer, std::span<const StepQuery> queries, std::vector<ByteStream>& streams) const;
  /// Weights of the layers it stands for.
  ByteStream weight_stream(std::uint32_t layer, std::size_t batch) const;
  /// Weights of the layers that no layer of the trace stands for, and of the head.
  ByteStream other_stream(std::size_t batch) const;

  /// Bytes of a stream that a last-level cache held.
  struct StreamHits {
    std::uint64_t indexer_bytes = 0;
    std::uint64_t weight_bytes = 0;
  };
  /// All parts but the gather.
  PartTimes parts(std::uint32_t layer, std::span<const StepQuery> queries, const StreamHits& hits) const;
  std::uint64_t other_ns(std::span<const StepQuery> queries) const;
  /// The rows of the layer's selections as one contiguous read, in all the layers it stands for.
  std::uint64_t contiguous_ns(std::uint32_t layer, std::uint64_t bytes) const;

 private:
  struct Range {
    std::size_t first, last;  ///< in selecting_
  };
  double read_ns(double bytes, std::uint64_t hit_bytes) const noexcept;
  double compute_ns(double flops, Arithmetic type) const noexcept;
  double weight_bytes(std::size_t hidden, std::size_t batch) const noexcept;

  Model model_;
  Gpu gpu_;
  double tensor_parallel_;
  std::uint64_t entry_bytes_ = 0;
  std::uint64_t unit_tokens_ = 1;
  std::uint64_t requests_ = 1;          ///< of the batch
  std::vector<std::size_t> selecting_;  ///< hidden layers whose attention reads selections
  std::vector<std::size_t> others_;
  std::vector<Range> ranges_;  ///< by layer of the trace
};

}  // namespace dsasim
