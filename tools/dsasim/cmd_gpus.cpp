#include "command.hpp"

#include "dsasim/config/config_object.hpp"
#include "dsasim/model/gpu.hpp"

#include <fmt/core.h>

#include <string>

namespace dsasim::tool {

std::function<int()> add_gpus(CLI::App& /*app*/) {
  return [] {
    for (const std::string_view name : config_names("gpus")) {
      const Gpu gpu = load_gpu(std::string(name));
      std::string peaks = fmt::format("bf16 {}", gpu.bf16_tflop_s);
      peaks += gpu.fp8_tflop_s ? fmt::format(", fp8 {}", *gpu.fp8_tflop_s) : "";
      peaks += gpu.fp4_tflop_s ? fmt::format(", fp4 {}", *gpu.fp4_tflop_s) : "";
      fmt::print("{:<8} {}: {:.0f} GB at {} GB/s; {} TFLOP/s\n", name, gpu.description,
                 static_cast<double>(gpu.memory_bytes) / 1e9, gpu.memory_gb_s, peaks);
      fmt::print("{:<8}   {}\n", "", gpu.source);
      if (!gpu.assumed.empty()) {
        fmt::print("{:<8}   assumed: {}\n", "", gpu.assumed);
      }
    }
    return exit_done;
  };
}

}  // namespace dsasim::tool
