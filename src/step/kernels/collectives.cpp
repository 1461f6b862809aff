#include "step/kernels/shapes.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace dsasim {
namespace {

constexpr double mega = 1e6;

/// The class of an operation among so many GPUs. Between the sizes that are measured, the next larger one.
std::string_view class_of(const std::array<std::string_view, 3>& names, std::uint64_t gpus) {
  return gpus <= 2 ? names[0] : gpus <= 4 ? names[1] : names[2];
}

Kernel communication(std::string_view kernel_class, std::vector<KernelTerm> terms) {
  return {
      .kernel_class = kernel_class, .terms = std::move(terms), .bytes = 0, .flops = 0, .arithmetic = Arithmetic::bf16};
}

/// NCCL: a start, packets below its large messages, and bytes.
Kernel nccl(std::string_view kernel_class, double bytes) {
  constexpr double packet_bytes = 65536;
  constexpr double simple_bytes = 262144;
  return communication(kernel_class, {{"start_ns", 1},
                                      {"packet_mb_ns", std::min(bytes, packet_bytes) / mega},
                                      {"simple_ns", bytes > simple_bytes ? 1.0 : 0.0},
                                      {"mb_ns", bytes / mega}});
}

}  // namespace

Kernel all_reduce(std::uint64_t gpus, double bytes) {
  // The stack's own kernel: every GPU reads all of the others' tensors at once, or, beyond these sizes, reduces its
  // part and then reads the parts of the others. Two GPUs always do the former.
  constexpr double one_shot_bytes_4 = 524288;
  constexpr double one_shot_bytes_8 = 262144;
  const bool one_shot = gpus <= 2 || bytes <= (gpus <= 4 ? one_shot_bytes_4 : one_shot_bytes_8);
  return communication(class_of({"all_reduce_2", "all_reduce_4", "all_reduce_8"}, gpus),
                       {{"start_ns", 1},
                        {"one_shot_mb_ns", one_shot ? bytes / mega : 0},
                        {"two_shot_ns", one_shot ? 0.0 : 1.0},
                        {"two_shot_mb_ns", one_shot ? 0 : bytes / mega}});
}

Kernel all_gather(std::uint64_t gpus, double bytes) {
  return nccl(class_of({"all_gather_2", "all_gather_4", "all_gather_8"}, gpus), bytes);
}

Kernel reduce_scatter(std::uint64_t gpus, double bytes) {
  return nccl(class_of({"reduce_scatter_2", "reduce_scatter_4", "reduce_scatter_8"}, gpus), bytes);
}

}  // namespace dsasim
