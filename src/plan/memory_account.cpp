#include "plan/memory_account.hpp"

#include "dsasim/checked.hpp"
#include "dsasim/error.hpp"

#include <algorithm>

namespace dsasim {
namespace {

double attention_weights(const Model& model, const ModelLayer& layer, double gpus) {
  const auto all = static_cast<double>(layer.attention_parameters);
  const double on_each = layer.latent
                             ? static_cast<double>(layer.latent->hidden *
                                                   (layer.latent->query_rank + layer.latent->rank + layer.latent->rope))
                             : 0;
  const double indexer = layer.owns_indexer ? static_cast<double>(model.indexer.parameters) : 0;
  return (on_each + (all - on_each) / gpus + indexer) * model.weight_bytes.attention;
}

double gpu_weights(const Model& model, const Deployment& deployment) {
  const auto gpus = static_cast<double>(deployment.tensor_parallel);
  const double attention_gpus = deployment.dp_attention ? 1 : gpus;
  double bytes = (static_cast<double>(model.embedding_parameters) / attention_gpus +
                  static_cast<double>(model.head_parameters) / gpus) *
                 model.weight_bytes.head;
  for (const ModelLayer& layer : model.layers) {
    bytes += attention_weights(model, layer, attention_gpus);
    bytes += static_cast<double>(layer.ffn_parameters) / gpus * model.weight_bytes.ffn;
    bytes += static_cast<double>(layer.experts) * static_cast<double>(layer.expert_parameters) / gpus *
             model.weight_bytes.experts;
  }
  return bytes;
}

std::optional<std::uint64_t> host_limit(const Model& model, const PlanConfig& config) {
  if (!config.host_bytes || config.nvme.empty()) {
    return config.host_bytes;
  }
  double selected = 1;  // of the context
  for (const ModelLayer& layer : model.layers) {
    if (layer.top_k != 0 && layer.unit_tokens != 0) {
      selected = std::min(
          selected, static_cast<double>(layer.top_k) * layer.unit_tokens / static_cast<double>(config.context_tokens));
    }
  }
  return rounded(static_cast<double>(*config.host_bytes) / selected, "the bytes of host memory");
}

}  // namespace

std::uint64_t host_copies(const PlanConfig& config) noexcept {
  const Deployment& deployment = config.replay.step.deployment;
  return config.host_copies == HostCopies::shared || deployment.dp_attention ? 1 : deployment.tensor_parallel;
}

MemoryAccount::MemoryAccount(const Model& model, const Gpu& gpu, const StepKernels& kernels, const PlanConfig& config)
    : model_(model), kernels_(kernels), config_(config) {
  const Deployment& deployment = config.replay.step.deployment;
  weight_bytes_ = rounded(gpu_weights(model, deployment), "the bytes of weights");
  const std::uint64_t usable =
      rounded(static_cast<double>(gpu.memory_bytes) * config.memory_fraction, "the memory of a GPU");
  if (weight_bytes_ >= usable) {
    throw ConfigError(
        "`tp`",
        "{} puts {:.1f} GB of weights on each of {} GPUs, and {} has {:.1f} GB for weights and KV; expected "
        "more or larger GPUs",
        model.name, static_cast<double>(weight_bytes_) / 1e9, deployment.tensor_parallel, gpu.name,
        static_cast<double>(usable) / 1e9);
  }
  free_bytes_ = usable - weight_bytes_;
  most_host_bytes_ = host_limit(model, config);
}

std::uint64_t MemoryAccount::request_gpus() const noexcept {
  const Deployment& deployment = config_.replay.step.deployment;
  return deployment.dp_attention ? deployment.tensor_parallel : 1;
}

RequestBytes MemoryAccount::request(std::optional<std::uint64_t> slots, std::uint64_t context_tokens) const {
  constexpr std::string_view quantity = "the bytes of a request";
  const std::uint64_t copies = dsasim::host_copies(config_);
  RequestBytes bytes;
  const auto add = [&](std::uint64_t& sum, std::uint64_t entries, std::uint64_t entry_bytes) {
    sum = checked_sum(sum, checked_product(entries, entry_bytes, quantity), quantity);
  };
  for (std::size_t i = 0; i < model_.layers.size(); ++i) {
    const ModelLayer& layer = model_.layers[i];
    const std::uint64_t entry_bytes = kernels_.entry_bytes(layer);
    const std::uint64_t window = std::min<std::uint64_t>(layer.window_tokens, context_tokens);
    add(bytes.kv, window, entry_bytes);
    if (layer.unit_tokens == 0 || layer.shares_kv) {
      continue;
    }
    const std::uint64_t entries = whole_pages(context_tokens / layer.unit_tokens);
    if (layer.owns_indexer) {
      add(bytes.keys, whole_pages(model_.stored_keys(i, context_tokens)), model_.indexer.key_bytes);
    }
    if (slots && layer.top_k != 0) {
      add(bytes.kv, *slots, entry_bytes);
      add(bytes.host, checked_product(entries, copies, quantity), entry_bytes);
    } else {
      add(bytes.kv, entries, entry_bytes);
    }
  }
  return bytes;
}

std::uint64_t MemoryAccount::spare_pages(std::uint64_t used_bytes, std::uint64_t requests) const {
  const std::uint64_t page_bytes = request(kv_page_entries).kv - request(0).kv;
  return (free_bytes_ - std::min(used_bytes, free_bytes_)) / std::max<std::uint64_t>(page_bytes, 1) /
         std::max<std::uint64_t>(requests, 1);
}

std::uint64_t MemoryAccount::max_batch(const RequestBytes& request) const noexcept {
  const std::uint64_t per_gpu = free_bytes_ / std::max<std::uint64_t>(request.gpu(), 1);
  // Bounded before it is multiplied: a request of few bytes fits very often.
  std::uint64_t batch = std::min(per_gpu, config_.max_batch) * request_gpus();
  if (most_host_bytes_ && request.host > 0) {
    batch = std::min(batch, *most_host_bytes_ / request.host);
  }
  return std::min(batch, config_.max_batch);
}

}  // namespace dsasim
