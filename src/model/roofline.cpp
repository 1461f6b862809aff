#include "dsasim/model/roofline.hpp"

#include "dsasim/error.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace dsasim {
namespace {

constexpr std::uint64_t max_gpus = 1'000'000'000'000;

void check(const Model& model, const RooflineConfig& config) {
  constexpr std::uint64_t max_tokens = 1'000'000'000;
  constexpr std::uint64_t max_batch = 1'000'000'000;
  constexpr double max_rate = 1e9;
  const auto in_range = [](std::string_view option, std::uint64_t value, std::uint64_t most) {
    if (value == 0 || value > most) {
      throw ConfigError(option, "expected 1 to {}, found {}", most, value);
    }
  };
  in_range("`context`", config.context_tokens, max_tokens);
  in_range("`batch`", config.batch, max_batch);
  in_range("`tp`", config.tensor_parallel, max_gpus);
  in_range("`gpus`", config.gpus.value_or(1), max_gpus);
  in_range("`entry_bytes`", config.entry_bytes.value_or(1), max_tokens);
  in_range("`entry_flops`", config.entry_flops.value_or(1), max_gpus);
  if (!(config.rate > 0 && config.rate <= max_rate)) {
    throw ConfigError("`rate`", "expected more than 0 and at most {:.0f} tokens a second, found {}", max_rate,
                      config.rate);
  }
  if (const double bytes = config.weight_bytes.value_or(1); !(bytes > 0 && bytes <= 16)) {
    throw ConfigError("`weight_bytes`", "expected more than 0 and at most 16, found {}", bytes);
  }
  if (config.gpus && *config.gpus % config.tensor_parallel != 0) {
    throw ConfigError("`gpus`", "expected a multiple of `tp` {}, found {}", config.tensor_parallel, *config.gpus);
  }
  if (config.attention == Attention::sparse && !model.has_indexer()) {
    throw ConfigError("`attention`", "{} has no indexer: expected full or dense, found sparse", model.name);
  }
}

void put_in_place(Model& model, const RooflineConfig& config) {
  if (config.attention != Attention::sparse) {
    model.indexer = {};  // nothing selects: it neither runs nor is kept
  }
  if (config.weight_bytes) {
    model.weight_bytes = {.attention = *config.weight_bytes,
                          .ffn = *config.weight_bytes,
                          .experts = *config.weight_bytes,
                          .head = *config.weight_bytes};
  }
  if (config.arithmetic) {
    model.arithmetic = {.linear = *config.arithmetic, .attention = *config.arithmetic, .indexer = *config.arithmetic};
  }
  for (ModelLayer& layer : model.layers) {
    if (!layer.is_recurrent) {  // its entry is a state, and no KV
      layer.entry_bytes = config.entry_bytes.value_or(layer.entry_bytes);
      layer.entry_flops = config.entry_flops.value_or(layer.entry_flops);
    }
  }
}

/// How many of the GPUs of one layer keep each of its KV entries, on average.
double entry_copies(const ModelLayer& layer, std::uint64_t tensor_parallel) {
  return static_cast<double>(std::max<std::uint64_t>(tensor_parallel, layer.kv_heads)) / layer.kv_heads;
}

double expert_bytes(const Model& model, const ModelLayer& layer) {
  return static_cast<double>(layer.expert_parameters) * model.weight_bytes.experts;
}

/// A batch of none names no expert.
double weight_bytes(const Model& model, std::size_t layer) {
  return model.layer_weight_bytes(layer, 0);
}

void add_layer(Roofline& out, StepWork& work, std::size_t i) {
  const RooflineConfig& config = out.config;
  const ModelLayer& layer = out.model.layers[i];
  const auto batch = static_cast<double>(config.batch);
  const auto copies = static_cast<double>(config.tensor_parallel);
  const double entry_bytes = static_cast<double>(layer.entry_bytes) * entry_copies(layer, config.tensor_parallel);
  add_attention(
      work, out.model, i,
      {.tokens = batch,
       .context_tokens = config.context_tokens,
       .entries = batch * static_cast<double>(out.model.read_entries(i, config.context_tokens, config.attention)),
       .entry_bytes = entry_bytes,
       .key_copies = copies});
  out.stored.weights += weight_bytes(out.model, i);
  out.stored.experts += expert_bytes(out.model, layer) * static_cast<double>(layer.experts);
  out.stored.entries +=
      batch * entry_bytes * static_cast<double>(out.model.stored_entries(i, config.context_tokens, config.attention));
  out.stored.keys += batch * copies * static_cast<double>(out.model.stored_keys(i, config.context_tokens)) *
                     static_cast<double>(out.model.indexer.key_bytes);
}

void add_stored_head(Roofline& out) {
  out.stored.weights +=
      out.model.head_weight_bytes() + static_cast<double>(out.model.embedding_parameters) * out.model.weight_bytes.head;
}

/// Of a step, on one GPU.
double compute_s(const Roofline& out) {
  constexpr double tera = 1e12;
  const ModelArithmetic& type = out.model.arithmetic;
  return out.flops.linear / (out.gpu.tflop_s(type.linear) * tera) +
         out.flops.attention / (out.gpu.tflop_s(type.attention) * tera) +
         out.flops.indexer / (out.gpu.tflop_s(type.indexer) * tera);
}

std::uint64_t gpus_for(double demand, double of_one) {
  const double gpus = std::ceil(demand / of_one);
  if (!(gpus <= static_cast<double>(max_gpus))) {
    throw ConfigError("`rate`", "more than {} GPUs would be needed", max_gpus);
  }
  return static_cast<std::uint64_t>(gpus);
}

}  // namespace

void add_weights(StepWork& work, const Model& model, std::uint64_t tokens, ExpertReads experts) {
  const auto count = static_cast<double>(tokens);
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const ModelLayer& layer = model.layers[i];
    work.read.weights += weight_bytes(model, i);
    work.read.experts += expert_bytes(model, layer) *
                         (experts == ExpertReads::all ? static_cast<double>(layer.experts)
                                                      : expected_experts(layer.experts, layer.active_experts, tokens));
    work.flops.linear += count * model.linear_flops_per_token(i);
  }
  work.read.weights += model.head_weight_bytes();
  work.flops.linear += count * model.head_flops_per_token();
}

void add_attention(StepWork& work, const Model& model, std::size_t layer, const LayerAttention& attention) {
  work.read.entries += attention.entries * attention.entry_bytes;
  work.flops.attention += attention.entries * model.attention_flops(layer, 1);
  const double scans = attention.tokens * attention.key_copies;
  work.read.keys += scans * static_cast<double>(model.indexer_key_bytes(layer, attention.context_tokens));
  work.flops.indexer += scans * model.indexer_flops(layer, attention.context_tokens);
}

Roofline roofline(Model model, Gpu gpu, const RooflineConfig& config) {
  check(model, config);
  put_in_place(model, config);
  Roofline out{.config = config, .model = std::move(model), .gpu = std::move(gpu)};
  StepWork work;
  add_weights(work, out.model, config.batch, config.experts);
  for (std::size_t i = 0; i < out.model.layers.size(); ++i) {
    add_layer(out, work, i);
  }
  add_stored_head(out);
  out.read = work.read;
  out.flops = work.flops;
  out.compute_s = compute_s(out);

  constexpr double giga = 1e9;
  const double read_bytes_s = out.read.total() * config.rate;
  const double bandwidth_bytes_s = out.gpu.memory_gb_s * giga;
  const auto capacity_bytes = static_cast<double>(out.gpu.memory_bytes);
  out.needed = {.bandwidth = gpus_for(read_bytes_s, bandwidth_bytes_s),
                .compute = gpus_for(out.compute_s * config.rate, 1),
                .capacity = gpus_for(out.stored.total(), capacity_bytes)};
  const std::uint64_t most = std::max({out.needed.bandwidth, out.needed.compute, out.needed.capacity});
  const std::uint64_t tp = config.tensor_parallel;
  out.gpus = config.gpus.value_or((most + tp - 1) / tp * tp);
  const auto gpus = static_cast<double>(out.gpus);
  out.bandwidth_used = read_bytes_s / (gpus * bandwidth_bytes_s);
  out.compute_used = out.compute_s * config.rate / gpus;
  out.capacity_used = out.stored.total() / (gpus * capacity_bytes);
  out.rate_limit = config.rate / std::max(out.bandwidth_used, out.compute_used);
  return out;
}

}  // namespace dsasim
