#include "step/decode_step.hpp"

#include "dsasim/checked.hpp"
#include "dsasim/error.hpp"

#include <algorithm>

namespace dsasim {
namespace {

/// Weights and keys of indexers have addresses of their own, far from the KV pool's.
constexpr std::uint64_t weight_address = std::uint64_t{1} << 44U;
constexpr std::uint64_t key_address = std::uint64_t{1} << 45U;
constexpr std::uint64_t key_region_bytes = std::uint64_t{1} << 34U;  ///< of a layer and request; 16 GiB hold 2^27 keys

/// A float32 score for each entry is written once and read twice by a radix selection.
constexpr double topk_bytes_per_entry = 3 * 4;

/// Layers whose attention reads selections. In a model without indexers, those that see the whole context: an indexer
/// could be added to these.
std::vector<std::size_t> find_selecting(const Model& model) {
  std::vector<std::size_t> selecting;
  for (std::size_t layer = 0; layer < model.layers.size(); ++layer) {
    if (model.has_indexer() ? model.layers[layer].top_k > 0 : model.layers[layer].unit_tokens > 0) {
      selecting.push_back(layer);
    }
  }
  if (selecting.empty()) {
    throw ConfigError("--model", "{} has no layer that sees the whole context", model.name);
  }
  return selecting;
}

}  // namespace

DecodeStep::DecodeStep(const StepSpec& spec, const TraceHeader& header)
    : model_(load_model(spec.model)),
      gpu_(load_gpu(spec.gpu)),
      tensor_parallel_(spec.tensor_parallel),
      selecting_(find_selecting(model_)) {
  for (std::size_t hidden = 0; hidden < model_.layers.size(); ++hidden) {
    if (!std::binary_search(selecting_.begin(), selecting_.end(), hidden)) {
      others_.push_back(hidden);
    }
  }
  const std::size_t count = selecting_.size();
  std::uint64_t traced = 0;
  for (const LayerInfo& layer : header.layers) {
    traced += layer.group_size;
  }
  if (traced == 0 || traced > count) {
    throw ConfigError("--model", "{} selects in {} layers, and the trace has {}", model_.name, count, traced);
  }
  // A trace of fewer layers than the model's is stretched over all of them.
  std::uint64_t before = 0;
  for (const LayerInfo& layer : header.layers) {
    const std::uint64_t after = before + layer.group_size;
    ranges_.push_back({.first = before * count / traced, .last = after * count / traced});
    before = after;
  }
  const ModelLayer& first = model_.layers[selecting_.front()];
  const auto shares = std::min<std::uint64_t>(spec.tensor_parallel, std::max<std::uint64_t>(first.kv_heads, 1));
  entry_bytes_ = first.entry_bytes / shares;
  unit_tokens_ = std::max<std::uint64_t>(first.unit_tokens, 1);
  requests_ = header.requests.size();
  if (unit_tokens_ != header.unit_tokens) {
    throw ConfigError("--model", "{} selects entries of {} tokens, and the trace entries of {}", model_.name,
                      unit_tokens_, header.unit_tokens);
  }
}

std::uint32_t DecodeStep::hidden_layers(std::uint32_t layer) const noexcept {
  return static_cast<std::uint32_t>(ranges_[layer].last - ranges_[layer].first);
}

double DecodeStep::read_ns(double bytes, std::uint64_t hit_bytes) const noexcept {
  const auto hits = static_cast<double>(hit_bytes);
  return (bytes - hits) / gpu_.memory_gb_s + hits / gpu_.llc_gb_s.value_or(gpu_.memory_gb_s);
}

double DecodeStep::compute_ns(double flops, Arithmetic type) const noexcept {
  constexpr double flop_per_ns = 1000;  // of 1 TFLOP/s
  return flops / (gpu_.tflop_s(type) * flop_per_ns);
}

double DecodeStep::weight_bytes(std::size_t hidden, std::size_t batch) const noexcept {
  return model_.layer_weight_bytes(hidden, batch) / tensor_parallel_;
}

void DecodeStep::indexer_streams(std::uint32_t layer, std::span<const StepQuery> queries,
                                 std::vector<ByteStream>& streams) const {
  streams.clear();
  for (std::size_t i = ranges_[layer].first; i < ranges_[layer].last; ++i) {
    for (const StepQuery& query : queries) {
      const std::uint64_t bytes = model_.indexer_key_bytes(selecting_[i], query.context_tokens);
      if (bytes > 0) {
        const std::uint64_t region = selecting_[i] * requests_ + query.request;
        streams.push_back({.address = key_address + region * key_region_bytes, .bytes = bytes});
      }
    }
  }
}

ByteStream DecodeStep::weight_stream(std::uint32_t layer, std::size_t batch) const {
  double before = 0;
  for (std::size_t i = 0; i < ranges_[layer].first; ++i) {
    before += weight_bytes(selecting_[i], batch);
  }
  double bytes = 0;
  for (std::size_t i = ranges_[layer].first; i < ranges_[layer].last; ++i) {
    bytes += weight_bytes(selecting_[i], batch);
  }
  return {.address = weight_address + rounded(before, "the bytes of weights"),
          .bytes = rounded(bytes, "the bytes of weights")};
}

ByteStream DecodeStep::other_stream(std::size_t batch) const {
  double before = 0;
  for (const std::size_t hidden : selecting_) {
    before += weight_bytes(hidden, batch);
  }
  double bytes = model_.head_weight_bytes() / tensor_parallel_;
  for (const std::size_t hidden : others_) {
    bytes += weight_bytes(hidden, batch);
  }
  return {.address = weight_address + rounded(before, "the bytes of weights"),
          .bytes = rounded(bytes, "the bytes of weights")};
}

PartTimes DecodeStep::parts(std::uint32_t layer, std::span<const StepQuery> queries, const StreamHits& hits) const {
  double key_bytes = 0;
  double indexer_flops = 0;
  double topk_bytes = 0;
  double attention_flops = 0;
  double weights = 0;
  double linear_flops = 0;
  for (std::size_t i = ranges_[layer].first; i < ranges_[layer].last; ++i) {
    const std::size_t hidden = selecting_[i];
    weights += weight_bytes(hidden, queries.size());
    for (const StepQuery& query : queries) {
      key_bytes += static_cast<double>(model_.indexer_key_bytes(hidden, query.context_tokens));
      indexer_flops += model_.indexer_flops(hidden, query.context_tokens);
      const std::uint64_t scores = model_.layers[hidden].owns_indexer ? query.context_tokens / unit_tokens_ : 0;
      topk_bytes += topk_bytes_per_entry * static_cast<double>(scores);
      attention_flops += model_.attention_flops(hidden, query.selected_entries) / tensor_parallel_;
      linear_flops += model_.linear_flops_per_token(hidden) / tensor_parallel_;
    }
  }
  return {.indexer_ns = rounded(
              std::max(read_ns(key_bytes, hits.indexer_bytes), compute_ns(indexer_flops, model_.arithmetic.indexer)),
              "indexer_ns"),
          .topk_ns = rounded(topk_bytes / gpu_.memory_gb_s, "topk_ns"),
          .gather_ns = 0,
          .attention_ns = rounded(compute_ns(attention_flops, model_.arithmetic.attention), "attention_ns"),
          .rest_ns =
              rounded(std::max(read_ns(weights, hits.weight_bytes), compute_ns(linear_flops, model_.arithmetic.linear)),
                      "rest_ns")};
}

std::uint64_t DecodeStep::other_ns(std::span<const StepQuery> queries) const {
  const auto batch = static_cast<double>(queries.size());
  double ns = std::max(model_.head_weight_bytes() / tensor_parallel_ / gpu_.memory_gb_s,
                       compute_ns(model_.head_flops_per_token() * batch / tensor_parallel_, model_.arithmetic.linear));
  for (const std::size_t hidden : others_) {
    double kv_bytes = 0;
    double attention_flops = 0;
    for (const StepQuery& query : queries) {
      const std::uint64_t entries = model_.read_entries(hidden, query.context_tokens, Attention::dense);
      kv_bytes += static_cast<double>(entries) * static_cast<double>(model_.layers[hidden].entry_bytes);
      attention_flops += model_.attention_flops(hidden, entries) / tensor_parallel_;
    }
    ns += std::max(
        weight_bytes(hidden, queries.size()) / gpu_.memory_gb_s,
        compute_ns(model_.linear_flops_per_token(hidden) * batch / tensor_parallel_, model_.arithmetic.linear));
    ns += std::max(kv_bytes / gpu_.memory_gb_s, compute_ns(attention_flops, model_.arithmetic.attention));
  }
  return rounded(ns, "other_ns");
}

std::uint64_t DecodeStep::contiguous_ns(std::uint32_t layer, std::uint64_t bytes) const {
  return rounded(static_cast<double>(bytes) * hidden_layers(layer) / gpu_.memory_gb_s,
                 "gather_ns of one contiguous read");
}

}  // namespace dsasim
