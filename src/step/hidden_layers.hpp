#pragma once

#include "dsasim/model/model.hpp"
#include "dsasim/trace/header.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// The model's layers that a trace's layers stand for: a trace of fewer layers than those that select is stretched over
/// all of them.
class HiddenLayers {
 public:
  /// Throws ConfigError for a trace with more layers than the model selects in, or of entries of other tokens.
  HiddenLayers(const Model& model, const TraceHeader& header);

  /// Whose attention reads selections; in a model without indexers, those that see the whole context: an indexer could
  /// be added to these.
  const std::vector<std::size_t>& selecting() const noexcept { return selecting_; }
  const std::vector<std::size_t>& others() const noexcept { return others_; }
  /// Of selecting(): what a layer of the trace stands for.
  std::span<const std::size_t> of(std::uint32_t layer) const noexcept {
    return std::span(selecting_).subspan(firsts_[layer], firsts_[layer + 1] - firsts_[layer]);
  }

 private:
  std::vector<std::size_t> selecting_;
  std::vector<std::size_t> others_;
  std::vector<std::size_t> firsts_;  ///< by layer of the trace, and the end: in selecting_
};

}  // namespace dsasim
