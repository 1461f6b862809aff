#include "step/step_streams.hpp"

#include "dsasim/checked.hpp"

namespace dsasim {
namespace {

/// Weights and keys of indexers have addresses of their own, far from the KV pool's.
constexpr std::uint64_t weight_address = std::uint64_t{1} << 44U;
constexpr std::uint64_t key_address = std::uint64_t{1} << 45U;
constexpr std::uint64_t key_region_bytes = std::uint64_t{1} << 34U;  ///< of a layer and request; 16 GiB hold 2^27 keys

ByteStream weights_at(double offset, double bytes) {
  return {.address = weight_address + rounded(offset, "the bytes of weights"),
          .bytes = rounded(bytes, "the bytes of weights")};
}

}  // namespace

double StepStreams::weight_bytes(std::span<const std::size_t> layers, std::size_t batch) const noexcept {
  double bytes = 0;
  for (const std::size_t layer : layers) {
    bytes += model_.layer_weight_bytes(layer, batch) / tensor_parallel_;
  }
  return bytes;
}

void StepStreams::indexer_keys(std::uint32_t layer, std::span<const StepQuery> queries,
                               std::vector<ByteStream>& streams) const {
  streams.clear();
  for (const std::size_t hidden : hidden_.of(layer)) {
    for (const StepQuery& query : queries) {
      const std::uint64_t bytes = model_.indexer_key_bytes(hidden, query.context_tokens);
      if (bytes > 0) {
        const std::uint64_t region = hidden * requests_ + query.request;
        streams.push_back({.address = key_address + region * key_region_bytes, .bytes = bytes});
      }
    }
  }
}

ByteStream StepStreams::weights(std::uint32_t layer, std::size_t batch) const {
  const std::span<const std::size_t> layers = hidden_.of(layer);
  const std::span<const std::size_t> before(hidden_.selecting().data(), layers.data());
  return weights_at(weight_bytes(before, batch), weight_bytes(layers, batch));
}

ByteStream StepStreams::other_weights(std::size_t batch) const {
  return weights_at(weight_bytes(hidden_.selecting(), batch),
                    model_.head_weight_bytes() / tensor_parallel_ + weight_bytes(hidden_.others(), batch));
}

}  // namespace dsasim
