#pragma once

#include "dsasim/model/latent_attention.hpp"
#include "dsasim/step/expert_spread.hpp"
#include "dsasim/types.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace dsasim {

/// How a serving stack runs a model on the GPUs of one node.
struct Deployment {
  std::uint64_t tensor_parallel = 1;  ///< GPUs
  std::uint64_t expert_parallel = 1;  ///< of these GPUs, groups that hold whole experts; the rest divides each expert
  bool dp_attention = false;          ///< each GPU has all heads of its share of the requests
  std::optional<KvType> kv = {};      ///< none: fp8 where the model has it
  ExpertSpread spread = ExpertSpread::power_law;
  std::uint64_t host_ns = 0;  ///< of each step, in which the GPUs wait for the host

  friend bool operator==(const Deployment&, const Deployment&) = default;
};

/// What a gather from another memory than the GPU's own shares its time with.
enum class Overlap : std::uint8_t {
  none,       ///< rows are there before the attention kernel starts, as serving stacks fetch them
  attention,  ///< the kernel computes with the rows that are there: the longer of the two counts
};
inline constexpr std::array overlap_names = {ChoiceName<Overlap>{"none", Overlap::none},
                                             ChoiceName<Overlap>{"attention", Overlap::attention}};

/// What a reservation costs the attention kernel, besides what it gains.
enum class ReservationCost : std::uint8_t {
  set_aside,  ///< that of the GPU's own set-aside, as far as it was measured and the reservation fits it
  none,       ///< a last-level cache that could be built
};
inline constexpr std::array reservation_cost_names = {
    ChoiceName<ReservationCost>{"set-aside", ReservationCost::set_aside},
    ChoiceName<ReservationCost>{"none", ReservationCost::none}};

/// `--model`, `--gpu` and what goes with them.
struct StepSpec {
  std::string model;         ///< in configs/models/, or a file; empty: steps are not timed
  std::string gpu;           ///< in configs/gpus/, or a file; goes with a model
  std::string kernels = {};  ///< in configs/kernels/, a file, or "roofline"; empty: the GPU's
  Deployment deployment = {};
  Overlap overlap = Overlap::none;
  ReservationCost reservation_cost = ReservationCost::set_aside;
  bool energy = false;  ///< what a token takes is counted as well

  bool times_steps() const noexcept { return !model.empty(); }
};

}  // namespace dsasim
