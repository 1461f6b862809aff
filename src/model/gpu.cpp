#include "dsasim/model/gpu.hpp"

#include "dsasim/config/config_object.hpp"

#include <string_view>

namespace dsasim {
namespace {

constexpr std::uint64_t max_memory_bytes = 1'000'000'000'000'000;
constexpr double max_gb_s = 1e9;
constexpr double max_tflop_s = 1e9;

std::optional<double> optional_number(ConfigObject& config, std::string_view key, double most) {
  return config.has(key) ? std::optional(config.number(key, 0.001, most)) : std::nullopt;
}

/// Parts that are missing are not known.
GpuEnergy read_energy(ConfigObject config) {
  const auto read = [&](std::string_view key) {
    return config.has(key) ? std::optional(read_energy_cost(config.object(key))) : std::nullopt;
  };
  GpuEnergy energy;
  energy.memory = read("memory");
  energy.llc = read("llc");
  energy.bf16 = read("bf16");
  energy.fp8 = read("fp8");
  energy.fp4 = read("fp4");
  config.refuse_unread();
  return energy;
}

}  // namespace

double Gpu::tflop_s(Arithmetic type) const noexcept {
  const double fp8 = fp8_tflop_s.value_or(bf16_tflop_s);
  switch (type) {
    case Arithmetic::fp4:
      return fp4_tflop_s.value_or(fp8);
    case Arithmetic::fp8:
      return fp8;
    case Arithmetic::bf16:
      break;
  }
  return bf16_tflop_s;
}

Gpu load_gpu(const std::string& name) {
  ConfigObject config = named_config("`gpu`", "gpus", name);
  Gpu gpu;
  gpu.name = config_title(name);
  gpu.description = config.text("description");
  gpu.source = config.text("source");
  gpu.assumed = config.has("assumed") ? config.text("assumed") : "";
  gpu.memory_bytes = config.integer("memory_bytes", 1, max_memory_bytes);
  gpu.memory_gb_s = config.number("memory_gb_s", 0.001, max_gb_s);
  gpu.bf16_tflop_s = config.number("bf16_tflop_s", 0.001, max_tflop_s);
  gpu.fp8_tflop_s = optional_number(config, "fp8_tflop_s", max_tflop_s);
  gpu.fp4_tflop_s = optional_number(config, "fp4_tflop_s", max_tflop_s);
  gpu.sms = static_cast<std::uint32_t>(config.integer("sms", 1, 100'000));
  gpu.llc = config.text("llc");
  gpu.llc_gb_s = optional_number(config, "llc_gb_s", max_gb_s);
  if (config.has("llc_set_aside_bytes")) {
    gpu.llc_set_aside_bytes = config.integer("llc_set_aside_bytes", 1, max_memory_bytes);
  }
  gpu.memory = config.text("memory");
  if (config.has("energy")) {
    gpu.energy = read_energy(config.object("energy"));
  }
  config.refuse_unread();
  return gpu;
}

}  // namespace dsasim
