#include "step/energy_meter.hpp"

#include <algorithm>
#include <utility>

namespace dsasim {
namespace {

/// Where the GPU computes a type in wider units, the cost is theirs, as the peak is.
const std::optional<EnergyCost>& cost_of_flop(const Gpu& gpu, Arithmetic type) {
  if (type == Arithmetic::fp4 && gpu.fp4_tflop_s) {
    return gpu.energy.fp4;
  }
  return type != Arithmetic::bf16 && gpu.fp8_tflop_s ? gpu.energy.fp8 : gpu.energy.bf16;
}

}  // namespace

void EnergyMeter::add_weights(std::uint64_t tokens, std::uint64_t decoded) {
  dsasim::add_weights(work_, model_, tokens, ExpertReads::expected);
  decoded_ += static_cast<double>(decoded);
  if (!deployment_.dp_attention) {
    return;
  }
  const auto copies = static_cast<double>(deployment_.tensor_parallel - 1);  // every GPU has all of attention
  for (const ModelLayer& layer : model_.layers) {
    const std::uint64_t parameters = layer.attention_parameters + (layer.owns_indexer ? model_.indexer.parameters : 0);
    work_.read.weights += copies * static_cast<double>(parameters) * model_.weight_bytes.attention;
  }
}

void EnergyMeter::add_queries(std::size_t layer, const MeteredQueries& queries) {
  const auto entries = static_cast<double>(queries.entries);
  const double entry_bytes = holders() * static_cast<double>(queries.entry_bytes);
  add_attention(work_, model_, layer,
                {.tokens = static_cast<double>(queries.tokens),
                 .context_tokens = queries.context_tokens,
                 .entries = entries,
                 .entry_bytes = entry_bytes * queries.cold,
                 .key_copies = holders()});
  llc_bytes_ += entries * entry_bytes * (1 - queries.cold);
}

void EnergyMeter::add_fetched(double bytes, bool into_memory) {
  fetched_bytes_ += bytes * holders();
  written_bytes_ += into_memory ? bytes * holders() : 0;
}

TokenEnergy EnergyMeter::of_token(const Gpu& gpu, const std::optional<EnergyCost>& fetched) const {
  TokenEnergy out;
  const auto add = [&](EnergyPart part) {
    if (decoded_ > 0 && part.amount > 0) {
      part.amount /= decoded_;
      out.parts.push_back(std::move(part));
    }
  };
  const auto bytes = [&](std::string_view name, double amount, std::string_view from,
                         const std::optional<EnergyCost>& cost) {
    add({.name = name, .from = from, .amount = amount, .cost = cost});
  };
  const auto flops = [&](std::string_view name, double amount, Arithmetic type) {
    add({.name = name,
         .from = arithmetic_names[static_cast<std::size_t>(type)].first,
         .is_flops = true,
         .amount = amount,
         .cost = cost_of_flop(gpu, type)});
  };
  bytes("weights", work_.read.weights, "memory", gpu.energy.memory);
  bytes("routed experts", work_.read.experts, "memory", gpu.energy.memory);
  bytes("KV entries", work_.read.entries, "memory", gpu.energy.memory);
  bytes("indexer keys", work_.read.keys, "memory", gpu.energy.memory);
  bytes("hits", llc_bytes_, "llc", gpu.energy.llc);
  bytes("fetched entries", fetched_bytes_, "link", fetched);
  bytes("written entries", written_bytes_, "memory", gpu.energy.memory);
  flops("linear", work_.flops.linear, model_.arithmetic.linear);
  flops("attention", work_.flops.attention, model_.arithmetic.attention);
  flops("indexer", work_.flops.indexer, model_.arithmetic.indexer);
  return out;
}

std::optional<double> EnergyPart::joules() const {
  constexpr double joules_per_picojoule = 1e-12;
  constexpr double bits_per_byte = 8;
  if (!cost) {
    return std::nullopt;
  }
  return amount * (is_flops ? 1 : bits_per_byte) * cost->picojoules * joules_per_picojoule;
}

double TokenEnergy::known_joules() const {
  double sum = 0;
  for (const EnergyPart& part : parts) {
    sum += part.joules().value_or(0);
  }
  return sum;
}

bool TokenEnergy::is_complete() const {
  return std::all_of(parts.begin(), parts.end(), [](const EnergyPart& part) { return part.cost.has_value(); });
}

}  // namespace dsasim
