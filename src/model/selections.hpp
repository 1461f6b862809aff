#pragma once

#include "dsasim/model/model.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dsasim {

/// What a model says of the selections that its captures hold.
struct Selections {
  std::string model;  ///< its name
  /// For each hidden layer the one whose index it uses: itself, one before it, or nobody's. Empty if the model has no
  /// indexer.
  std::vector<std::optional<std::uint32_t>> owner_of;
  std::optional<std::uint32_t> top_k;  ///< of the indexers
  std::uint32_t unit_tokens = 1;       ///< tokens that an id stands for
  std::uint64_t entry_bytes = 0;       ///< of an entry in one layer that selects; 0 if unknown
};

Selections selections_of(const Model& model);

/// Of what load_model loads, and of a checkpoint's config.json that lacks the shapes which load_model needs. Throws
/// ConfigError.
Selections load_selections(const std::string& name);

}  // namespace dsasim
