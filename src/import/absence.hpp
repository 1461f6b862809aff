#pragma once

#include "capture.hpp"
#include "layer_map.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace dsasim {

/// What the captures of a batch have no ids of. A row of padding is a selection that was not made, or not recorded: a
/// layer that never selects has no others, and some stacks leave out whole steps.
class Absence {
 public:
  explicit Absence(std::span<const Capture> captures);

  /// Each step of each request, in order.
  void add(const Capture& capture, std::uint32_t request, std::uint64_t step_number, const CaptureStep& step);

  /// Layers of the batch that have ids; all of them where a capture says itself which layers own an index.
  std::vector<std::uint32_t> selecting_layers() const;
  /// Throws TraceError if there are none.
  void require_selections() const;
  /// Sentences for the user about what is missing.
  std::vector<std::string> warnings() const;

 private:
  struct Steps {
    std::uint64_t first = 0;
    std::uint64_t last = 0;  ///< included
  };
  /// Of one request.
  struct Missing {
    std::uint64_t steps = 0;       ///< without any id
    std::vector<Steps> ranges;     ///< the first of these
    std::uint64_t selections = 0;  ///< without ids, in other steps
    std::string first;             ///< of those
  };

  std::string steps_text(const Capture& capture, std::uint32_t request, const Missing& missing) const;

  std::span<const Capture> captures_;
  bool layers_are_said_ = false;
  std::vector<bool> selects_;     ///< by layer
  std::vector<bool> has_ids_;     ///< by layer, in the step at hand
  std::vector<Missing> missing_;  ///< by request of the batch
};

/// The sentence about layers that never select, which are left out: `before` are the batch's layers, `kept` those of
/// them that select.
std::string left_out_layers(std::span<const Capture> captures, std::span<const std::uint32_t> kept,
                            const LayerMap* layers);

}  // namespace dsasim
