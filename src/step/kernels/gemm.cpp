#include "step/kernels/shapes.hpp"

#include <algorithm>

namespace dsasim {
namespace {

/// Of a tile of the output that a multiprocessor computes at once.
constexpr std::uint64_t tile_outputs = 128;
constexpr std::uint64_t tile_tokens = 64;
/// Inputs up to which one multiprocessor adds up alone; more are split, as far as there are idle ones.
constexpr std::uint64_t unsplit_inputs = 2048;

constexpr double mega = 1e6;
constexpr double kilo = 1e3;

constexpr std::uint64_t parts_of(std::uint64_t whole, std::uint64_t part) {
  return (whole + part - 1) / part;
}

}  // namespace

Kernel gemm(const Gemm& shape, const Gpu& gpu) {
  const auto inputs = static_cast<double>(shape.inputs);
  const auto tokens = static_cast<double>(shape.tokens);
  const double weights = inputs * static_cast<double>(shape.outputs);
  const double width = shape.type == Arithmetic::bf16 ? 2 : 1;
  const double values = tokens * static_cast<double>(shape.inputs + shape.outputs);
  const std::uint64_t tiles = parts_of(shape.outputs, tile_outputs) * parts_of(shape.tokens, tile_tokens);
  return {.kernel_class = shape.type == Arithmetic::bf16 ? "gemm_bf16" : "gemm_fp8",
          .terms = {{"start_ns", 1},
                    {"unsplit_k_input_ns", static_cast<double>(std::min(shape.inputs, unsplit_inputs)) / kilo},
                    {"k_input_ns", inputs / kilo},
                    {"wave_k_input_ns", static_cast<double>(parts_of(tiles, gpu.sms)) * inputs / kilo},
                    {"weight_mb_ns", weights * width / mega},
                    {"token_mega_weight_ns", tokens * weights / mega},
                    {"k_value_ns", values / kilo}},
          .bytes = weights * width + 2 * values,
          .flops = 2 * tokens * weights,
          .arithmetic = shape.type};
}

Kernel small_kernels(std::uint64_t count, double bytes) {
  return {.kernel_class = "small",
          .terms = {{"start_ns", static_cast<double>(count)}, {"mb_ns", bytes / mega}},
          .bytes = bytes,
          .flops = 0,
          .arithmetic = Arithmetic::bf16};
}

}  // namespace dsasim
