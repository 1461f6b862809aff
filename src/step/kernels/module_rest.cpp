#include "step/kernels/shapes.hpp"

namespace dsasim {
namespace {

constexpr double mega = 1e6;
constexpr double kilo = 1e3;

/// Projections that are stored in `linear`: their weights and the values that go in and come out, together.
struct Projections {
  double weights = 0;
  double values = 0;  ///< of a token

  void add(std::uint64_t inputs, std::uint64_t outputs) {
    weights += static_cast<double>(inputs) * static_cast<double>(outputs);
    values += static_cast<double>(inputs + outputs);
  }
};

Kernel rest(const ModuleRest& shape, std::string_view fp8_class, std::string_view bf16_class,
            const Projections& projections) {
  const bool wide = shape.linear == Arithmetic::bf16;
  const double bytes = projections.weights * (wide ? 2 : 1);
  const auto batch = static_cast<double>(shape.batch);
  return {.kernel_class = shape.kv == KvType::fp8 ? fp8_class : bf16_class,
          .terms = {{"start_ns", 1},
                    {"quantise_ns", wide ? 0.0 : 1.0},
                    {wide ? "weight_bf16_mb_ns" : "weight_fp8_mb_ns", bytes / mega},
                    {"k_value_ns", batch * projections.values / kilo}},
          .bytes = bytes + 2 * batch * projections.values,
          .flops = 2 * batch * projections.weights,
          .arithmetic = shape.linear};
}

}  // namespace

Kernel attention_rest(const ModuleRest& shape, const LatentAttention& latent) {
  Projections projections;
  projections.add(latent.hidden, latent.query_rank + latent.rank + latent.rope);
  projections.add(latent.query_rank, shape.heads * (latent.nope + latent.rope));
  projections.add(shape.heads * latent.value, latent.hidden);
  Kernel kernel = rest(shape, "attention_rest_kv_fp8", "attention_rest_kv_bf16", projections);
  // The projections from and to latent rows are absorbed: products by head, always in bf16.
  const auto absorbed = static_cast<double>(shape.heads * latent.rank * (latent.nope + latent.value));
  kernel.terms.push_back({"absorbed_mb_ns", 2 * absorbed / mega});
  kernel.terms.push_back({"several_ns", shape.batch > 1 ? 1.0 : 0.0});
  kernel.bytes += 2 * absorbed;
  kernel.flops += 2 * static_cast<double>(shape.batch) * absorbed;
  return kernel;
}

Kernel indexer_rest(const ModuleRest& shape, const LatentAttention& latent, std::uint64_t indexer_heads,
                    std::uint64_t indexer_dim, bool selects) {
  Projections projections;
  projections.add(latent.query_rank, indexer_heads * indexer_dim);
  projections.add(latent.hidden, indexer_dim);
  projections.add(latent.hidden, indexer_heads);
  Kernel kernel = rest(shape, "indexer_rest_kv_fp8", "indexer_rest_kv_bf16", projections);
  kernel.terms.push_back({"selects_ns", selects ? 1.0 : 0.0});
  return kernel;
}

}  // namespace dsasim
