#include "plan/step_timeline.hpp"

#include "dsasim/checked.hpp"
#include "plan/memory_account.hpp"

#include <algorithm>
#include <cmath>

namespace dsasim {
namespace {

constexpr std::string_view step_ns = "the time of a step";  // to name what overflows
constexpr std::string_view nvme_bytes = "the bytes of a step from drives";
constexpr std::string_view link_bytes = "the bytes of a step over the link";

/// From the start of a layer to the selection of its rows; norms stand twice in a layer.
std::uint64_t before_attention_ns(const StepParts& parts) {
  return parts[StepPart::norms] / 2 + parts[StepPart::projections] + parts[StepPart::indexer_rest] +
         parts[StepPart::indexer] + parts[StepPart::topk];
}

std::uint64_t looked_up_rows(const ModelLayer& layer, const HotBuffer& buffer) {
  return static_cast<std::uint64_t>(std::ceil(layer.top_k * buffer.looked_up));
}

/// The kernel that copies what the owner of an index lacked: a few blocks of warps take the rows of all requests in
/// turn (SGLang's copy_cache_planned_kernel, whose grid is 4 blocks whatever the batch: sgl-project/sglang#34847).
SwapIn copies_of_plan(std::uint64_t rows) {
  constexpr std::uint64_t blocks = 4;
  return {.requests = blocks, .most_missed_rows = (rows + blocks - 1) / blocks, .selected_rows = 0, .slots = 0};
}

}  // namespace

StepTimeline::StepTimeline(const Model& model, const StepKernels& kernels, const HiddenLayers& hidden,
                           std::size_t trace_layers, MemoryModel& host, const PlanConfig& config, const Drives& drives)
    : model_(model), kernels_(kernels), host_(host), config_(config), drives_(drives), trace_layers_(trace_layers) {
  index_.resize(model.layers.size(), Index::none);
  traced_as_.resize(model.layers.size());
  for (std::size_t traced = 0; traced < trace_layers; ++traced) {
    for (const std::size_t layer : hidden.of(static_cast<std::uint32_t>(traced))) {
      traced_as_[layer] = traced;
    }
  }
  // A layer that shares an index lacks what the layer lacks that owns it, wherever the trace's layers are divided.
  std::size_t owner = hidden.selecting().front();
  for (const std::size_t layer : hidden.selecting()) {
    owner = model.layers[layer].owns_indexer ? layer : owner;
    index_[layer] = owner == layer ? Index::owned : Index::shared;
    traced_as_[layer] = traced_as_[owner];
  }
}

void StepTimeline::price(const StepQueries& queries) {
  if (queries == priced_) {
    return;
  }
  priced_ = queries;
  types_.clear();
  for (const ModelLayer& type : kernels_.types()) {
    const SelectedRows selected = {
        .rows = type.top_k, .filled = std::min<std::uint64_t>(type.top_k, queries.context_tokens / queries.batch)};
    const StepParts parts = kernels_.layer(type, queries, selected);
    const std::uint64_t before = before_attention_ns(parts);
    types_.push_back({.before = before, .after = parts.total_ns() - before});
  }
  outside_ns_ = kernels_.outside(queries.batch).total_ns();
}

std::uint64_t StepTimeline::compute_ns(const StepQueries& queries) {
  price(queries);
  std::uint64_t ns = outside_ns_;
  for (const std::size_t type : kernels_.type_of()) {
    ns = checked_sum(ns, checked_sum(types_[type].before, types_[type].after, step_ns), step_ns);
  }
  return ns;
}

/// Of one GPU's requests; those of other GPUs on the same link copy as much at the same time.
std::uint64_t StepTimeline::copy_ns(const ModelLayer& layer, std::uint64_t rows, const SwapIn& swap_in) {
  const Gather gather{.row_bytes = kernels_.entry_bytes(layer),
                      .missed_rows = checked_product(rows, config_.ranks_per_link, "the rows of a step"),
                      .swap_in = swap_in};
  return rounded(host_.gather_ns(gather), "the time of a swap-in");
}

std::uint64_t StepTimeline::blocks(std::span<const LayerMisses> misses, std::size_t traced_layer) const {
  std::uint64_t blocks = 0;
  for (std::size_t place = traced_layer; place < misses.size(); place += trace_layers_) {
    blocks = checked_sum(blocks, misses[place].blocks, "the blocks of a step");
  }
  return checked_product(blocks, host_copies(config_), "the blocks of a step");
}

bool StepTimeline::is_ahead(std::size_t layer) const noexcept {
  return index_[layer] == Index::shared && config_.prefetch == Prefetch::anchor;
}

StepTimeline::Copies StepTimeline::copies(std::size_t i, std::uint64_t local_batch, const HotBuffer& buffer,
                                          std::span<const LayerMisses> misses) {
  Copies copies;
  if (index_[i] == Index::none) {
    return copies;
  }
  const ModelLayer& layer = model_.layers[i];
  for (std::size_t place = traced_as_[i]; place < misses.size(); place += trace_layers_) {
    const LayerMisses& missed = misses[place];
    const SwapIn lookup{.requests = local_batch,
                        .most_missed_rows = missed.most_rows,
                        .selected_rows = buffer.context_fits ? 0 : looked_up_rows(layer, buffer),
                        .slots = buffer.context_fits ? 0 : buffer.slots};
    const SwapIn call = is_ahead(i) ? copies_of_plan(missed.rows) : lookup;
    copies.ns = std::max(copies.ns, copy_ns(layer, missed.rows, call));
    copies.rows = std::max(copies.rows, missed.rows);
  }
  if (drives_.model != nullptr) {
    copies.blocks = blocks(misses, traced_as_[i]);
    const Gather reads{.row_bytes = drives_.block_bytes, .missed_rows = copies.blocks};
    copies.ns = checked_sum(copies.ns, rounded(drives_.model->gather_ns(reads), "the time of drives"), step_ns);
  }
  return copies;
}

StepTimeline::Step StepTimeline::step(const StepQueries& queries, const HotBuffer& buffer,
                                      std::span<const LayerMisses> misses) {
  price(queries);
  const std::size_t gpus = misses.size() / trace_layers_;
  const std::uint64_t local_batch = (queries.batch + gpus - 1) / gpus;
  Step step{.ns = outside_ns_};
  std::uint64_t link_free_ns = 0;
  for (std::size_t i = 0; i < model_.layers.size(); ++i) {
    const LayerNs& ns = types_[kernels_.type_of()[i]];
    step.ns = checked_sum(step.ns, ns.before, step_ns);
    const Copies copies = this->copies(i, local_batch, buffer, misses);
    std::uint64_t wait_ns = copies.ns;
    if (is_ahead(i)) {
      link_free_ns = checked_sum(link_free_ns, copies.ns, step_ns);
      wait_ns = link_free_ns - std::min(link_free_ns, step.ns);
    }
    step.exposed_ns += wait_ns;
    step.hidden_ns += copies.ns - wait_ns;
    const std::uint64_t row_bytes = kernels_.entry_bytes(model_.layers[i]);
    step.link_bytes = checked_sum(
        step.link_bytes, checked_product(copies.rows * config_.ranks_per_link, row_bytes, link_bytes), link_bytes);
    step.nvme_bytes =
        checked_sum(step.nvme_bytes, checked_product(copies.blocks, drives_.block_bytes, nvme_bytes), nvme_bytes);
    step.ns = checked_sum(checked_sum(step.ns, wait_ns, step_ns), ns.after, step_ns);
    if (index_[i] == Index::owned) {
      link_free_ns = step.ns - ns.after;
    }
  }
  return step;
}

}  // namespace dsasim
