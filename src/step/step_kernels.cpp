#include "step/step_kernels.hpp"

#include "dsasim/checked.hpp"
#include "dsasim/error.hpp"

#include <algorithm>
#include <limits>

namespace dsasim {
namespace {

constexpr std::uint64_t most_gpus = 8;  // of a node: communication between nodes was not measured
constexpr double bf16_bytes = 2;

/// Kernels that do little more than start, by where a stack launches them. Two norms of a layer add the residual, too.
constexpr std::uint64_t norm_kernels = 1;
constexpr std::uint64_t router_kernels = 1;  // the choice of experts; the product is a GEMM
constexpr std::uint64_t ffn_kernels = 2;     // quantisation of what comes in; the activation, which quantises
constexpr std::uint64_t embedding_kernels = 1;
constexpr std::uint64_t head_kernels = 1;      // the last norm
constexpr std::uint64_t sampling_kernels = 5;  // temperature, softmax, choice, and the copies to the next step's input

void check(const Model& model, const Deployment& deployment) {
  const std::uint64_t gpus = deployment.tensor_parallel;
  if (gpus == 0 || gpus > most_gpus || (gpus & (gpus - 1)) != 0) {
    throw ConfigError("`tp`", "expected 1, 2, 4 or 8 GPUs of one node, found {}", gpus);
  }
  if (deployment.expert_parallel == 0 || gpus % deployment.expert_parallel != 0) {
    throw ConfigError("`ep`", "expected a divisor of `tp` {}, found {}", gpus, deployment.expert_parallel);
  }
  if (deployment.dp_attention && gpus == 1) {
    throw ConfigError("`dp_attention`", "needs `tp` of 2 or more GPUs, found 1");
  }
  for (const ModelLayer& layer : model.layers) {
    if (layer.latent && layer.latent->heads % gpus != 0) {
      throw ConfigError("`tp`", "expected a divisor of the {} heads of {}, found {}", layer.latent->heads, model.name,
                        gpus);
    }
  }
}

/// Throws for what kernels were not measured of: a roofline alone has a time of it, by bytes and flops.
void check_bounds(const Model& model, std::size_t layer, const KernelTable& table, const Deployment& deployment) {
  if (!table.lower_bound()) {
    throw ConfigError("`model`",
                      "expected latent attention (MLA) in every layer of {}; layer {} has none, and no kernels of "
                      "other attention were measured: `kernels` roofline has a lower bound",
                      model.name, layer);
  }
  const Deployment plain = {.tensor_parallel = deployment.tensor_parallel, .host_ns = deployment.host_ns};
  if (deployment != plain) {
    throw ConfigError(deployment.expert_parallel != plain.expert_parallel ? "`ep`"
                      : deployment.dp_attention                           ? "`dp_attention`"
                      : deployment.kv                                     ? "`kv_dtype`"
                                                                          : "`expert_spread`",
                      "has no effect on {}; expected a model with latent attention (MLA) in every layer", model.name);
  }
}

/// Of gate, up and down between `hidden` and this many values; 0 if the parameters are not those of three such
/// matrices.
std::uint64_t inner_of(std::uint64_t parameters, std::uint64_t hidden) {
  return parameters % (3 * hidden) == 0 ? parameters / (3 * hidden) : 0;
}

Arithmetic type_of_weights(double weight_bytes) {
  return weight_bytes >= bf16_bytes ? Arithmetic::bf16 : Arithmetic::fp8;
}

double tensor_bytes(std::uint64_t tokens, std::uint64_t values) {
  return static_cast<double>(tokens) * static_cast<double>(values) * bf16_bytes;
}

/// Whether their kernels are the same.
bool alike(const ModelLayer& a, const ModelLayer& b) {
  return a.attention_parameters == b.attention_parameters && a.entry_bytes == b.entry_bytes &&
         a.entry_flops == b.entry_flops && a.window_tokens == b.window_tokens && a.unit_tokens == b.unit_tokens &&
         (!a.latent || a.latent->heads == b.latent->heads) && a.top_k == b.top_k && a.owns_indexer == b.owns_indexer &&
         a.most_keys == b.most_keys && a.is_recurrent == b.is_recurrent && a.ffn_parameters == b.ffn_parameters &&
         a.experts == b.experts && a.active_experts == b.active_experts && a.expert_parameters == b.expert_parameters;
}

}  // namespace

StepKernels::StepKernels(const Model& model, const Gpu& gpu, const KernelTable& table, const Deployment& deployment)
    : model_(model), gpu_(gpu), table_(table), deployment_(deployment), gpus_(deployment.tensor_parallel) {
  check(model, deployment);
  for (std::size_t i = 0; i < model.layers.size() && latent_; ++i) {
    const ModelLayer& layer = model.layers[i];
    if (!layer.latent || layer.window_tokens != 0 || layer.unit_tokens != 1 || layer.most_keys != 0 ||
        model.indexer.unit_tokens > 1) {
      check_bounds(model, i, table, deployment);
      latent_ = false;
    }
  }
  if (latent_) {
    const ModelLayer& first = model.layers.front();
    const bool has_fp8 = first.entry_bytes < first.latent->bf16_entry_bytes();
    kv_ = deployment.kv.value_or(has_fp8 ? KvType::fp8 : KvType::bf16);
    const LayerQueries any = {.batch = 1, .longest = 1, .contexts = 1, .rows = 1, .filled = 1};
    const Kernel kernel = latent_decode(module_attention(module_shape(first, any), first), gpu, table);
    const FittedClass* const fitted = table.fitted(kernel.kernel_class);
    difference_errors_ = fitted == nullptr || !fitted->errors ? std::nullopt : fitted->errors->differences;
  }
  for (const ModelLayer& layer : model.layers) {
    const auto known =
        std::find_if(types_.begin(), types_.end(), [&](const ModelLayer& type) { return alike(type, layer); });
    type_of_.push_back(static_cast<std::size_t>(known - types_.begin()));
    if (known == types_.end()) {
      types_.push_back(layer);
    }
  }
}

std::uint32_t StepKernels::heads_per_gpu(const ModelLayer& layer) const noexcept {
  const std::uint64_t heads = latent_ ? layer.latent->heads : 0;
  return static_cast<std::uint32_t>(deployment_.dp_attention ? heads : heads / gpus_);
}

std::uint64_t StepKernels::entry_bytes(const ModelLayer& layer) const noexcept {
  return latent_ ? dsasim::entry_bytes(layer, kv_)
                 : layer.entry_bytes / std::min<std::uint64_t>(gpus_, std::max<std::uint32_t>(layer.kv_heads, 1));
}

StepParts StepKernels::layer(const ModelLayer& layer, const StepQueries& queries, const SelectedRows& selected) const {
  const LayerQueries local = on_one_gpu(layer, queries, selected);
  if (!latent_) {
    return bounds(layer, local);
  }
  StepParts parts;
  add_attention(parts, layer, local);
  // A norm reads and writes the residual, and writes what goes on.
  parts[StepPart::norms] = 2 * ns(small_kernels(norm_kernels, 3 * tensor_bytes(local.batch, hidden())));
  parts[StepPart::communication] = communication_ns(queries.batch);
  layer.experts == 0 ? add_dense(parts, layer, queries.batch) : add_experts(parts, layer, queries.batch);
  return parts;
}

double StepKernels::attention_ns(const ModelLayer& layer, const StepQueries& queries, const SelectedRows& selected,
                                 double cold, bool set_aside) const {
  const LayerQueries local = on_one_gpu(layer, queries, selected);
  if (!latent_) {
    return table_.ns(bounded_attention(layer, local, cold));
  }
  LatentDecode shape = module_attention(module_shape(layer, local), layer);
  shape.cold = cold;
  shape.set_aside = set_aside;
  return table_.ns(latent_decode(shape, gpu_, table_));
}

StepParts StepKernels::outside(std::uint64_t batch) const {
  StepParts parts;
  parts[StepPart::host] = deployment_.host_ns;
  if (!latent_) {
    parts[StepPart::head] = product_ns(model_.head_parameters, model_.weight_bytes.head, static_cast<double>(batch));
    return parts;
  }
  const std::uint64_t vocabulary = model_.head_parameters / hidden();
  const double activations = tensor_bytes(batch, hidden());
  parts[StepPart::embedding] = ns(small_kernels(embedding_kernels, 2 * activations)) + all_reduce_ns(batch);
  const Gemm head = {.tokens = batch,
                     .inputs = hidden(),
                     .outputs = vocabulary / gpus_,
                     .type = type_of_weights(model_.weight_bytes.head)};
  parts[StepPart::head] = ns(small_kernels(head_kernels, 3 * activations)) + ns(gemm(head, gpu_));
  if (gpus_ > 1) {
    parts[StepPart::head] += ns(all_gather(gpus_, tensor_bytes(batch, vocabulary)));
  }
  const double logits = 2 * tensor_bytes(batch, vocabulary);  // float32
  parts[StepPart::sampling] = ns(small_kernels(sampling_kernels, 3 * logits));
  return parts;
}

std::uint64_t StepKernels::all_reduce_ns(std::uint64_t batch) const {
  return gpus_ == 1 || !latent_ ? 0 : ns(all_reduce(gpus_, tensor_bytes(batch, hidden())));
}

std::uint64_t StepKernels::ns(const Kernel& kernel) const {
  return rounded(table_.ns(kernel), "the time of a kernel");
}

std::uint64_t StepKernels::attention_batch(std::uint64_t batch) const noexcept {
  return deployment_.dp_attention ? (batch + gpus_ - 1) / gpus_ : batch;
}

/// With requests of its own, a GPU has the mean share of the contexts.
LayerQueries StepKernels::on_one_gpu(const ModelLayer& layer, const StepQueries& queries,
                                     const SelectedRows& selected) const {
  __extension__ using Wide = unsigned __int128;
  const std::uint64_t batch = attention_batch(queries.batch);
  const std::uint64_t unit = std::max<std::uint32_t>(layer.unit_tokens, 1);
  const Wide tokens = (Wide{queries.context_tokens} * batch + queries.batch - 1) / queries.batch;
  return {.batch = batch,
          .longest = queries.longest_tokens / unit,
          .contexts = checked_narrow(tokens / unit, "the entries of all contexts"),
          .rows = selected.rows,
          .filled = selected.filled};
}

ModuleShape StepKernels::module_shape(const ModelLayer& layer, const LayerQueries& queries) const {
  return {.queries = queries,
          .heads = heads_per_gpu(layer),
          .kv = kv_,
          .linear = type_of_weights(model_.weight_bytes.attention)};
}

void StepKernels::add_attention(StepParts& parts, const ModelLayer& layer, const LayerQueries& queries) const {
  const ModuleShape shape = module_shape(layer, queries);
  const AttentionModule module = attention_module(shape, layer, model_.indexer);
  parts[StepPart::projections] = ns(module.rest);
  parts[StepPart::attention] = ns(latent_decode(module_attention(shape, layer), gpu_, table_));
  if (module.indexer) {
    parts[StepPart::indexer_rest] = ns(*module.indexer_rest);
    parts[StepPart::indexer] = ns(*module.indexer);
    parts[StepPart::topk] = ns(*module.topk);
  }
}

/// After attention and after the FFN. With requests of its own, a GPU gathers those of the others before the FFN and
/// adds up its own after it.
std::uint64_t StepKernels::communication_ns(std::uint64_t batch) const {
  if (!deployment_.dp_attention) {
    return 2 * all_reduce_ns(batch);
  }
  const double bytes = tensor_bytes(attention_batch(batch) * gpus_, hidden());
  return ns(all_gather(gpus_, bytes)) + ns(reduce_scatter(gpus_, bytes));
}

/// gate and up as one product, an activation, down; `inner` is already divided.
std::uint64_t StepKernels::ffn_ns(std::uint64_t batch, std::uint64_t inner) const {
  const Arithmetic type = type_of_weights(model_.weight_bytes.ffn);
  return ns(gemm({.tokens = batch, .inputs = hidden(), .outputs = 2 * inner, .type = type}, gpu_)) +
         ns(gemm({.tokens = batch, .inputs = inner, .outputs = hidden(), .type = type}, gpu_)) +
         ns(small_kernels(ffn_kernels, tensor_bytes(batch, 2 * hidden() + 3 * inner)));
}

void StepKernels::add_dense(StepParts& parts, const ModelLayer& layer, std::uint64_t batch) const {
  const std::uint64_t inner = inner_of(layer.ffn_parameters, hidden());
  if (inner == 0) {
    refuse_ffn();
  }
  parts[StepPart::dense_ffn] = ffn_ns(batch, (inner + gpus_ - 1) / gpus_);
}

void StepKernels::add_experts(StepParts& parts, const ModelLayer& layer, std::uint64_t batch) const {
  const std::uint64_t inner = inner_of(layer.expert_parameters, hidden());
  const std::uint64_t router = hidden() * layer.experts;
  if (inner == 0 || layer.ffn_parameters < router || (layer.ffn_parameters - router) % (3 * hidden()) != 0) {
    refuse_ffn();
  }
  const std::uint64_t shared = (layer.ffn_parameters - router) / (3 * hidden());
  Experts shape = {.tokens = batch,
                   .hidden = hidden(),
                   .inner = inner,
                   .experts = layer.experts,
                   .active = layer.active_experts,
                   .always = 0,
                   .tensor_parallel = gpus_ / deployment_.expert_parallel,
                   .expert_parallel = deployment_.expert_parallel,
                   .spread = deployment_.spread};
  parts[StepPart::experts] = ns(routed_experts(shape));
  const Gemm product = {.tokens = batch, .inputs = hidden(), .outputs = layer.experts, .type = Arithmetic::bf16};
  parts[StepPart::router] = ns(gemm(product, gpu_)) +
                            ns(small_kernels(router_kernels, tensor_bytes(batch, std::uint64_t{2} * layer.experts)));
  if (shared == 0) {
    return;
  }
  // Without expert parallelism, stacks put a shared expert of the routed ones' shape among them, in the same kernel.
  if (deployment_.expert_parallel == 1 && shared % inner == 0) {
    shape.always = static_cast<std::uint32_t>(shared / inner);
    parts[StepPart::shared_expert] = ns(routed_experts(shape)) - parts[StepPart::experts];
  } else {
    parts[StepPart::shared_expert] = ffn_ns(batch, (shared + gpus_ - 1) / gpus_);
  }
}

void StepKernels::refuse_ffn() const {
  throw ConfigError("`model`", "expected FFNs of {} to have a gate, an up and a down matrix of one size each",
                    model_.name);
}

// Layers without latent attention, for a roofline: bytes and flops that the model gives, and nothing else.

std::uint64_t StepKernels::product_ns(std::uint64_t parameters, double weight_bytes, double tokens) const {
  const double share = static_cast<double>(parameters) / static_cast<double>(gpus_);
  return ns({.kernel_class = "",
             .terms = {},
             .bytes = share * weight_bytes,
             .flops = 2 * share * tokens,
             .arithmetic = model_.arithmetic.linear});
}

Kernel StepKernels::bounded_attention(const ModelLayer& layer, const LayerQueries& queries, double cold) const {
  const auto batch = static_cast<double>(queries.batch);
  const double whole = layer.unit_tokens == 0 ? 0 : static_cast<double>(queries.contexts);
  const double entries = queries.rows != 0 ? batch * static_cast<double>(queries.filled) : whole;
  const double window = std::min(batch * layer.window_tokens, static_cast<double>(queries.contexts));
  return {.kernel_class = "",
          .terms = {},
          .bytes = (entries * cold + window) * static_cast<double>(entry_bytes(layer)),
          .flops = (entries + window) * static_cast<double>(layer.entry_flops) / static_cast<double>(gpus_),
          .arithmetic = model_.arithmetic.attention};
}

std::uint64_t StepKernels::scored_keys(const ModelLayer& layer, const LayerQueries& queries) const noexcept {
  __extension__ using Wide = unsigned __int128;
  const std::uint64_t unit = model_.indexer.unit_tokens;
  const Wide keys = unit == 0 ? Wide{queries.contexts} : Wide{queries.contexts} * layer.unit_tokens / unit;
  const Wide most = layer.most_keys == 0 ? keys : Wide{queries.batch} * layer.most_keys;
  return static_cast<std::uint64_t>(std::min<Wide>({keys, most, std::numeric_limits<std::uint64_t>::max()}));
}

StepParts StepKernels::bounds(const ModelLayer& layer, const LayerQueries& queries) const {
  const auto batch = static_cast<double>(queries.batch);
  StepParts parts;
  parts[StepPart::projections] = product_ns(layer.attention_parameters, model_.weight_bytes.attention, batch);
  parts[StepPart::attention] = ns(bounded_attention(layer, queries, 1));
  if (layer.owns_indexer) {
    const Indexer& indexer = model_.indexer;
    parts[StepPart::indexer_rest] = product_ns(indexer.parameters, model_.weight_bytes.attention, batch);
    Kernel scan = indexer_scan(scored_keys(layer, queries), indexer.heads, indexer.dim, indexer.key_bytes);
    scan.arithmetic = model_.arithmetic.indexer;
    parts[StepPart::indexer] = ns(scan);
    parts[StepPart::topk] = ns(select_top_k(queries.contexts, queries.longest, queries.rows));
  }
  const StepPart ffn = layer.experts == 0 ? StepPart::dense_ffn : StepPart::shared_expert;  // and the router
  parts[ffn] = product_ns(layer.ffn_parameters, model_.weight_bytes.ffn, batch);
  if (layer.experts != 0) {
    const double named = expected_experts(layer.experts, layer.active_experts, queries.batch);
    parts[StepPart::experts] =
        product_ns(layer.expert_parameters, model_.weight_bytes.experts * named, batch * layer.active_experts);
  }
  return parts;
}

}  // namespace dsasim
