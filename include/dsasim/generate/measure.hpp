#pragma once

#include "dsasim/generate/model.hpp"
#include "dsasim/trace/reader.hpp"

#include <functional>
#include <vector>

namespace dsasim {

/// Measures a trace's statistics, all requests together: a model that generates more of the kind, of the trace's own
/// shape. Reads the trace twice; the time is in proportion to context x layers x steps, not to the ids alone.
/// Throws TraceError for a trace with physical ids, whose positions are unknown.
SelectionModel measure(const TraceReader& trace,
                       const std::function<void(std::uint64_t steps_done, std::uint64_t steps_total)>& progress = {});

/// Another shape for the same statistics. What is 0 or empty stays as it is.
struct Shape {
  std::uint32_t layers = 0;
  std::uint32_t top_k = 0;
  std::uint64_t steps = 0;
  std::uint64_t prompt_tokens = 0;
  std::uint32_t requests = 0;
  std::vector<std::uint32_t> unit_tokens = {};  ///< of all layers, or of each; of a preset
  std::vector<std::uint32_t> kv_owners = {};    ///< by layer: the one whose KV store it reads
};

/// The stores of layers, given those that each would have by itself, with what `shape` says of them. A store that
/// several layers read has one row of an entry. Throws ConfigError for units or owners that do not fit the layers.
std::vector<StoreInfo> shaped_stores(std::vector<StoreInfo> stores, const Shape& shape);

/// Layers are stretched or thinned out evenly. A longer prompt spreads first selections beyond the nearest 256 entries
/// over it, in proportion; a wider selection raises them by the ratio.
SelectionModel reshaped(SelectionModel model, const Shape& shape);

}  // namespace dsasim
