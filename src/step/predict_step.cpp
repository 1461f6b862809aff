#include "dsasim/step/predict_step.hpp"

#include "dsasim/checked.hpp"
#include "dsasim/error.hpp"
#include "step/kernels/attention_module.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace dsasim {
namespace {

constexpr std::uint64_t most_batch = 1'000'000;
constexpr std::uint64_t most_context = 100'000'000;
constexpr std::uint64_t most_gpus = 8;  // of a node: communication between nodes was not measured
constexpr double bf16_bytes = 2;

/// Kernels that do little more than start, by where a stack launches them. Two norms of a layer add the residual, too.
constexpr std::uint64_t norm_kernels = 1;
constexpr std::uint64_t router_kernels = 1;  // the choice of experts; the product is a GEMM
constexpr std::uint64_t ffn_kernels = 2;     // quantisation of what comes in; the activation, which quantises
constexpr std::uint64_t embedding_kernels = 1;
constexpr std::uint64_t head_kernels = 1;      // the last norm
constexpr std::uint64_t sampling_kernels = 5;  // temperature, softmax, choice, and the copies to the next step's input

void check(const Model& model, const StepWorkload& workload) {
  const auto in_range = [](std::string_view option, std::uint64_t value, std::uint64_t most) {
    if (value == 0 || value > most) {
      throw ConfigError(option, "expected 1 to {}, found {}", most, value);
    }
  };
  in_range("--batch", workload.batch, most_batch);
  in_range("--context", workload.context_tokens, most_context);
  const std::uint64_t gpus = workload.tensor_parallel;
  if (gpus == 0 || gpus > most_gpus || (gpus & (gpus - 1)) != 0) {
    throw ConfigError("--tp", "expected 1, 2, 4 or 8 GPUs of one node, found {}", gpus);
  }
  if (workload.expert_parallel == 0 || gpus % workload.expert_parallel != 0) {
    throw ConfigError("--ep", "expected a divisor of --tp {}, found {}", gpus, workload.expert_parallel);
  }
  if (workload.dp_attention && gpus == 1) {
    throw ConfigError("--dp-attention", "needs --tp of 2 or more GPUs, found 1");
  }
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const ModelLayer& layer = model.layers[i];
    if (!layer.latent || layer.window_tokens != 0 || layer.unit_tokens != 1) {
      throw ConfigError("--model",
                        "expected latent attention (MLA) in every layer of {}; layer {} has none, and no kernels "
                        "of other attention were measured",
                        model.name, i);
    }
    if (layer.latent->heads % gpus != 0) {
      throw ConfigError("--tp", "expected a divisor of the {} heads of {}, found {}", layer.latent->heads, model.name,
                        gpus);
    }
  }
}

/// Of gate, up and down between `hidden` and this many values; 0 if the parameters are not those of three such
/// matrices.
std::uint64_t inner_of(std::uint64_t parameters, std::uint64_t hidden) {
  return parameters % (3 * hidden) == 0 ? parameters / (3 * hidden) : 0;
}

Arithmetic type_of(double weight_bytes) {
  return weight_bytes >= bf16_bytes ? Arithmetic::bf16 : Arithmetic::fp8;
}

class Predictor {
 public:
  Predictor(const Model& model, const Gpu& gpu, const KernelTable& table, const StepWorkload& workload)
      : model_(model), gpu_(gpu), table_(table), workload_(workload), gpus_(workload.tensor_parallel) {
    const ModelLayer& first = model.layers.front();
    const bool has_fp8 = first.entry_bytes < first.latent->bf16_entry_bytes();
    kv_ = workload.kv.value_or(has_fp8 ? KvType::fp8 : KvType::bf16);
    attention_batch_ = workload.dp_attention ? (workload.batch + gpus_ - 1) / gpus_ : workload.batch;
  }

  KvType kv() const noexcept { return kv_; }
  std::uint32_t heads(const ModelLayer& layer) const noexcept {
    return static_cast<std::uint32_t>(workload_.dp_attention ? layer.latent->heads : layer.latent->heads / gpus_);
  }
  std::uint64_t all_reduce_ns(std::uint64_t hidden) const {
    return gpus_ == 1 ? 0 : ns(all_reduce(gpus_, tensor_bytes(workload_.batch, hidden)));
  }

  StepParts layer(const ModelLayer& layer) const {
    StepParts parts;
    add_attention(parts, layer);
    const std::uint64_t hidden = layer.latent->hidden;
    // A norm reads and writes the residual, and writes what goes on.
    parts[StepPart::norms] = 2 * ns(small_kernels(norm_kernels, 3 * tensor_bytes(attention_batch_, hidden)));
    parts[StepPart::communication] = communication_ns(hidden);
    layer.experts == 0 ? add_dense(parts, layer) : add_experts(parts, layer);
    return parts;
  }

  StepParts outside() const {
    StepParts parts;
    const std::uint64_t hidden = model_.layers.front().latent->hidden;
    const std::uint64_t vocabulary = model_.head_parameters / hidden;
    const double activations = tensor_bytes(workload_.batch, hidden);
    parts[StepPart::embedding] = ns(small_kernels(embedding_kernels, 2 * activations)) + all_reduce_ns(hidden);
    const Gemm head = {.tokens = workload_.batch,
                       .inputs = hidden,
                       .outputs = vocabulary / gpus_,
                       .type = type_of(model_.weight_bytes.head)};
    parts[StepPart::head] = ns(small_kernels(head_kernels, 3 * activations)) + ns(gemm(head, gpu_));
    if (gpus_ > 1) {
      parts[StepPart::head] += ns(all_gather(gpus_, tensor_bytes(workload_.batch, vocabulary)));
    }
    const double logits = 2 * tensor_bytes(workload_.batch, vocabulary);  // float32
    parts[StepPart::sampling] = ns(small_kernels(sampling_kernels, 3 * logits));
    return parts;
  }

 private:
  std::uint64_t ns(const Kernel& kernel) const { return rounded(table_.ns(kernel), "the time of a kernel"); }
  static double tensor_bytes(std::uint64_t tokens, std::uint64_t values) {
    return static_cast<double>(tokens) * static_cast<double>(values) * bf16_bytes;
  }

  void add_attention(StepParts& parts, const ModelLayer& layer) const {
    const AttentionModule module = attention_module({.batch = attention_batch_,
                                                     .context = workload_.context_tokens,
                                                     .heads = heads(layer),
                                                     .kv = kv_,
                                                     .linear = type_of(model_.weight_bytes.attention)},
                                                    layer, model_.indexer, gpu_, table_);
    parts[StepPart::projections] = ns(module.rest);
    parts[StepPart::attention] = ns(module.attention);
    if (module.indexer) {
      parts[StepPart::indexer_rest] = ns(*module.indexer_rest);
      parts[StepPart::indexer] = ns(*module.indexer);
      parts[StepPart::topk] = ns(*module.topk);
    }
  }

  /// After attention and after the FFN. With requests of its own, a GPU gathers those of the others before the FFN and
  /// adds up its own after it.
  std::uint64_t communication_ns(std::uint64_t hidden) const {
    if (!workload_.dp_attention) {
      return 2 * all_reduce_ns(hidden);
    }
    const double bytes = tensor_bytes(attention_batch_ * gpus_, hidden);
    return ns(all_gather(gpus_, bytes)) + ns(reduce_scatter(gpus_, bytes));
  }

  /// gate and up as one product, an activation, down; `inner` is already divided.
  std::uint64_t ffn_ns(std::uint64_t hidden, std::uint64_t inner) const {
    const Arithmetic type = type_of(model_.weight_bytes.ffn);
    const std::uint64_t tokens = workload_.batch;
    return ns(gemm({.tokens = tokens, .inputs = hidden, .outputs = 2 * inner, .type = type}, gpu_)) +
           ns(gemm({.tokens = tokens, .inputs = inner, .outputs = hidden, .type = type}, gpu_)) +
           ns(small_kernels(ffn_kernels, tensor_bytes(tokens, 2 * hidden + 3 * inner)));
  }

  void add_dense(StepParts& parts, const ModelLayer& layer) const {
    const std::uint64_t hidden = layer.latent->hidden;
    const std::uint64_t inner = inner_of(layer.ffn_parameters, hidden);
    if (inner == 0) {
      refuse_ffn();
    }
    parts[StepPart::dense_ffn] = ffn_ns(hidden, (inner + gpus_ - 1) / gpus_);
  }

  void add_experts(StepParts& parts, const ModelLayer& layer) const {
    const std::uint64_t hidden = layer.latent->hidden;
    const std::uint64_t inner = inner_of(layer.expert_parameters, hidden);
    const std::uint64_t router = hidden * layer.experts;
    if (inner == 0 || layer.ffn_parameters < router || (layer.ffn_parameters - router) % (3 * hidden) != 0) {
      refuse_ffn();
    }
    const std::uint64_t shared = (layer.ffn_parameters - router) / (3 * hidden);
    Experts shape = {.tokens = workload_.batch,
                     .hidden = hidden,
                     .inner = inner,
                     .experts = layer.experts,
                     .active = layer.active_experts,
                     .always = 0,
                     .tensor_parallel = gpus_ / workload_.expert_parallel,
                     .expert_parallel = workload_.expert_parallel,
                     .spread = workload_.spread};
    parts[StepPart::experts] = ns(routed_experts(shape));
    const Gemm product = {
        .tokens = workload_.batch, .inputs = hidden, .outputs = layer.experts, .type = Arithmetic::bf16};
    parts[StepPart::router] =
        ns(gemm(product, gpu_)) +
        ns(small_kernels(router_kernels, tensor_bytes(workload_.batch, std::uint64_t{2} * layer.experts)));
    if (shared == 0) {
      return;
    }
    // Without expert parallelism, stacks put a shared expert of the routed ones' shape among them, in the same kernel.
    if (workload_.expert_parallel == 1 && shared % inner == 0) {
      shape.always = static_cast<std::uint32_t>(shared / inner);
      parts[StepPart::shared_expert] = ns(routed_experts(shape)) - parts[StepPart::experts];
    } else {
      parts[StepPart::shared_expert] = ffn_ns(hidden, (shared + gpus_ - 1) / gpus_);
    }
  }

  [[noreturn]] void refuse_ffn() const {
    throw ConfigError("--model", "expected FFNs of {} to have a gate, an up and a down matrix of one size each",
                      model_.name);
  }

  const Model& model_;
  const Gpu& gpu_;
  const KernelTable& table_;
  const StepWorkload& workload_;
  std::uint64_t gpus_;
  KvType kv_ = KvType::fp8;
  std::uint64_t attention_batch_ = 0;
};

/// Whether their kernels are the same.
bool alike(const ModelLayer& a, const ModelLayer& b) {
  return a.attention_parameters == b.attention_parameters && a.latent->heads == b.latent->heads &&
         a.entry_bytes == b.entry_bytes && a.top_k == b.top_k && a.owns_indexer == b.owns_indexer &&
         a.ffn_parameters == b.ffn_parameters && a.experts == b.experts && a.active_experts == b.active_experts &&
         a.expert_parameters == b.expert_parameters;
}

template <class Predicate>
const LayerTime* first_of(const std::vector<LayerTime>& types, Predicate is_one) noexcept {
  const auto found = std::find_if(types.begin(), types.end(), is_one);
  return found == types.end() ? nullptr : &*found;
}

}  // namespace

std::uint64_t StepParts::total_ns() const {
  std::uint64_t sum = 0;
  for (const std::uint64_t ns : ns_) {
    sum = checked_sum(sum, ns, "the time of a step");
  }
  return sum;
}

void StepParts::add(const StepParts& more, std::uint64_t times) {
  for (std::size_t i = 0; i < ns_.size(); ++i) {
    ns_[i] = checked_sum(ns_[i], checked_product(times, more.ns_[i], "the time of a step"), "the time of a step");
  }
}

std::uint64_t LayerTime::module_ns() const noexcept {
  return parts[StepPart::projections] + parts[StepPart::indexer_rest] + parts[StepPart::indexer] +
         parts[StepPart::topk] + parts[StepPart::attention];
}

const LayerTime* StepPrediction::owner() const noexcept {
  return first_of(layer_types, [](const LayerTime& type) { return type.layer.owns_indexer; });
}

const LayerTime* StepPrediction::sharer() const noexcept {
  return first_of(layer_types, [](const LayerTime& type) { return type.layer.top_k != 0 && !type.layer.owns_indexer; });
}

const LayerTime* StepPrediction::mixture() const noexcept {
  return first_of(layer_types, [](const LayerTime& type) { return type.layer.experts != 0; });
}

StepPrediction predict_step(const Model& model, const Gpu& gpu, const KernelTable& table,
                            const StepWorkload& workload) {
  check(model, workload);
  const Predictor predictor(model, gpu, table, workload);
  StepPrediction out = {.workload = workload,
                        .kv = predictor.kv(),
                        .heads_per_gpu = predictor.heads(model.layers.front()),
                        .layer_types = {},
                        .type_of = {},
                        .outside = predictor.outside(),
                        .parts = {},
                        .all_reduce_ns = predictor.all_reduce_ns(model.layers.front().latent->hidden)};
  for (const ModelLayer& layer : model.layers) {
    auto known = std::find_if(out.layer_types.begin(), out.layer_types.end(),
                              [&](const LayerTime& type) { return alike(type.layer, layer); });
    if (known == out.layer_types.end()) {
      out.layer_types.push_back({.layers = 0, .layer = layer, .parts = predictor.layer(layer)});
      known = std::prev(out.layer_types.end());
    }
    ++known->layers;
    out.type_of.push_back(static_cast<std::size_t>(known - out.layer_types.begin()));
  }
  out.parts.add(out.outside, 1);
  for (const LayerTime& type : out.layer_types) {
    out.parts.add(type.parts, type.layers);
  }
  return out;
}

}  // namespace dsasim
