#pragma once

#include "dsasim/model/model.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dsasim {

/// The KV store that a layer reads.
struct LayerStore {
  std::uint32_t owner = 0;  ///< the layer that keeps it: itself, or one before it
  std::uint32_t unit_tokens = 1;
  std::uint64_t entry_bytes = 0;  ///< 0 if unknown

  bool operator==(const LayerStore&) const = default;
};

/// What a model says of the selections that its captures hold.
struct Selections {
  std::string model;  ///< its name
  /// For each hidden layer the one whose index it uses: itself, one before it, or nobody's. Empty if the model has no
  /// indexer.
  std::vector<std::optional<std::uint32_t>> owner_of;
  std::optional<std::uint32_t> top_k;  ///< of the indexers
  std::uint32_t unit_tokens = 1;       ///< tokens that an id stands for, in the first layer that selects
  std::uint64_t entry_bytes = 0;       ///< of an entry there, of one of the heads; 0 if unknown
  std::uint32_t heads = 1;             ///< KV heads of a layer that each select for themselves
  /// Of each hidden layer that selects, where layers share KV or their entries differ; empty otherwise.
  std::vector<std::optional<LayerStore>> stores = {};
};

Selections selections_of(const Model& model);

/// Drops stores that say nothing: each layer its own, with entries as everywhere.
void drop_plain_stores(Selections& selections);

/// Of what load_model loads, and of a checkpoint's config.json that lacks the shapes which load_model needs. Throws
/// ConfigError.
Selections load_selections(const std::string& name);

}  // namespace dsasim
