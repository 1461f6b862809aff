#include "step/kernels/shapes.hpp"

#include <algorithm>

namespace dsasim {
namespace {

constexpr double mega = 1e6;
constexpr double kilo = 1e3;
constexpr double score_bytes = 4;

/// Scores of a request that the shared memory of its multiprocessor holds between the passes of a radix selection.
constexpr std::uint64_t near_scores = 49152;

}  // namespace

Kernel indexer_scan(std::uint64_t keys, std::uint64_t heads, std::uint64_t dim, std::uint64_t key_bytes) {
  const auto scores = static_cast<double>(keys);
  return {.kernel_class = "indexer",
          .terms = {{"start_ns", 1}, {"key_mb_ns", scores * static_cast<double>(key_bytes) / mega}},
          .bytes = scores * static_cast<double>(key_bytes),
          .flops = 2 * scores * static_cast<double>(heads * dim),
          .arithmetic = Arithmetic::fp8};
}

Kernel select_top_k(std::uint64_t scores, std::uint64_t longest, std::uint64_t top_k) {
  Kernel kernel = {.kernel_class = "topk", .terms = {}, .bytes = 0, .flops = 0, .arithmetic = Arithmetic::bf16};
  if (longest <= top_k) {
    return kernel;
  }
  kernel.terms = {{"start_ns", 1},
                  {"near_k_score_ns", static_cast<double>(std::min(longest, near_scores)) / kilo},
                  {"far_k_score_ns", static_cast<double>(longest - std::min(longest, near_scores)) / kilo},
                  {"mega_score_ns", static_cast<double>(scores) / mega}};
  kernel.bytes = static_cast<double>(scores) * score_bytes;
  return kernel;
}

}  // namespace dsasim
