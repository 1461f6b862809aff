#include "dsasim/step/predict_step.hpp"

#include "dsasim/error.hpp"
#include "step/energy_meter.hpp"
#include "step/step_kernels.hpp"

#include <algorithm>

namespace dsasim {
namespace {

constexpr std::uint64_t most_batch = 1'000'000;
constexpr std::uint64_t most_context = 100'000'000;

template <class Predicate>
const LayerTime* first_of(const std::vector<LayerTime>& types, Predicate is_one) noexcept {
  const auto found = std::find_if(types.begin(), types.end(), is_one);
  return found == types.end() ? nullptr : &*found;
}

void check(const StepWorkload& workload) {
  const auto in_range = [](std::string_view option, std::uint64_t value, std::uint64_t most) {
    if (value == 0 || value > most) {
      throw ConfigError(option, "expected 1 to {}, found {}", most, value);
    }
  };
  in_range("`batch`", workload.batch, most_batch);
  in_range("`context`", workload.context_tokens, most_context);
}

}  // namespace

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
  check(workload);
  const StepKernels kernels(model, gpu, table, workload.deployment);
  const StepQueries queries = {.batch = workload.batch,
                               .longest_tokens = workload.context_tokens,
                               .context_tokens = workload.batch * workload.context_tokens};
  StepPrediction out = {.workload = workload,
                        .kv = kernels.kv(),
                        .heads_per_gpu = kernels.heads_per_gpu(model.layers.front()),
                        .layer_types = {},
                        .type_of = kernels.type_of(),
                        .outside = kernels.outside(workload.batch),
                        .parts = {},
                        .all_reduce_ns = kernels.all_reduce_ns(workload.batch),
                        .energy = {}};
  for (const ModelLayer& type : kernels.types()) {
    const SelectedRows selected = {.rows = type.top_k,
                                   .filled = std::min<std::uint64_t>(type.top_k, workload.context_tokens)};
    out.layer_types.push_back({.layers = 0, .layer = type, .parts = kernels.layer(type, queries, selected)});
  }
  for (const std::size_t type : out.type_of) {
    ++out.layer_types[type].layers;
  }
  out.parts.add(out.outside, 1);
  for (const LayerTime& type : out.layer_types) {
    out.parts.add(type.parts, type.layers);
  }
  return out;
}

TokenEnergy predict_energy(const Model& model, const Gpu& gpu, const KernelTable& table, const StepWorkload& workload) {
  check(workload);
  const StepKernels kernels(model, gpu, table, workload.deployment);
  EnergyMeter meter(model, workload.deployment);
  meter.add_weights(workload.batch, workload.batch);
  const Attention attention = model.has_indexer() ? Attention::sparse : Attention::dense;
  for (std::size_t layer = 0; layer < model.layers.size(); ++layer) {
    meter.add_queries(layer, {.tokens = workload.batch,
                              .context_tokens = workload.context_tokens,
                              .entries = workload.batch * model.read_entries(layer, workload.context_tokens, attention),
                              .entry_bytes = kernels.entry_bytes(model.layers[layer])});
  }
  return meter.of_token(gpu, std::nullopt);
}

}  // namespace dsasim
