#pragma once

#include "dsasim/types.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace dsasim {

/// Where the time of a step goes, each on the critical path of one GPU.
enum class StepPart : std::uint8_t {
  projections,   ///< of attention, with its norms, RoPE, quantisation and the write of the KV entry
  indexer_rest,  ///< likewise of the indexer
  indexer,       ///< scores of all keys
  topk,
  attention,      ///< to the selected rows, or to all, and their gather
  communication,  ///< between GPUs, in the layers
  norms,
  dense_ffn,
  router,
  experts,  ///< routed
  shared_expert,
  embedding,
  head,
  sampling,
  host,  ///< GPUs wait: Deployment::host_ns
};
inline constexpr std::array step_part_names = {ChoiceName<StepPart>{"projections", StepPart::projections},
                                               ChoiceName<StepPart>{"indexer_rest", StepPart::indexer_rest},
                                               ChoiceName<StepPart>{"indexer", StepPart::indexer},
                                               ChoiceName<StepPart>{"topk", StepPart::topk},
                                               ChoiceName<StepPart>{"attention", StepPart::attention},
                                               ChoiceName<StepPart>{"communication", StepPart::communication},
                                               ChoiceName<StepPart>{"norms", StepPart::norms},
                                               ChoiceName<StepPart>{"dense_ffn", StepPart::dense_ffn},
                                               ChoiceName<StepPart>{"router", StepPart::router},
                                               ChoiceName<StepPart>{"experts", StepPart::experts},
                                               ChoiceName<StepPart>{"shared_expert", StepPart::shared_expert},
                                               ChoiceName<StepPart>{"embedding", StepPart::embedding},
                                               ChoiceName<StepPart>{"head", StepPart::head},
                                               ChoiceName<StepPart>{"sampling", StepPart::sampling},
                                               ChoiceName<StepPart>{"host", StepPart::host}};

/// Nanoseconds by part. Sums of 2^64 or more throw Error.
class StepParts {
 public:
  std::uint64_t& operator[](StepPart part) noexcept { return ns_[static_cast<std::size_t>(part)]; }
  std::uint64_t operator[](StepPart part) const noexcept { return ns_[static_cast<std::size_t>(part)]; }
  std::uint64_t total_ns() const;
  /// All but the indexer's scan, the selection and attention: what does not depend on selections.
  std::uint64_t rest_ns() const;
  void add(const StepParts& more, std::uint64_t times);
  friend bool operator==(const StepParts&, const StepParts&) = default;

 private:
  std::array<std::uint64_t, step_part_names.size()> ns_{};
};

}  // namespace dsasim
