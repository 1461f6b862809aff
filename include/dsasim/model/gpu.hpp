#pragma once

#include "dsasim/model/energy.hpp"
#include "dsasim/types.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace dsasim {

/// The type that tensor cores multiply.
enum class Arithmetic : std::uint8_t { bf16, fp8, fp4 };
inline constexpr std::array arithmetic_names = {ChoiceName<Arithmetic>{"bf16", Arithmetic::bf16},
                                                ChoiceName<Arithmetic>{"fp8", Arithmetic::fp8},
                                                ChoiceName<Arithmetic>{"fp4", Arithmetic::fp4}};

/// What its parts take; none where no source is known.
struct GpuEnergy {
  std::optional<EnergyCost> memory;  ///< of a bit
  std::optional<EnergyCost> llc;     ///< likewise
  std::optional<EnergyCost> bf16;    ///< of a flop
  std::optional<EnergyCost> fp8;
  std::optional<EnergyCost> fp4;
};

/// A GPU as configs/gpus/ describes it: peaks of its data sheet, dense (without structured sparsity).
struct Gpu {
  std::string name;
  std::string description;
  std::string source;
  std::string assumed;  ///< what the source does not say; empty if nothing
  std::uint64_t memory_bytes = 0;
  double memory_gb_s = 0;
  double bf16_tflop_s = 0;
  std::optional<double> fp8_tflop_s;  ///< none: it has no such units
  std::optional<double> fp4_tflop_s;
  std::uint32_t sms = 0;           ///< streaming multiprocessors, or compute units
  std::string llc;                 ///< the last-level cache: BYTES,ways=N,line_bytes=N,sector_bytes=N,policy=NAME
  std::optional<double> llc_gb_s;  ///< where a source gives it
  /// The largest part of the last-level cache that can be set aside, where a source gives it.
  std::optional<std::uint64_t> llc_set_aside_bytes;
  std::string memory;  ///< prices its gathers: a configuration in configs/memory/
  GpuEnergy energy;

  /// The peak for `type`; where it has no units for it, that of the next wider type, in which it then computes.
  double tflop_s(Arithmetic type) const noexcept;
};

/// One of configs/gpus/, or a file of the user's (named_config). Throws ConfigError.
Gpu load_gpu(const std::string& name);

}  // namespace dsasim
