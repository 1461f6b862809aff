#pragma once

#include "dsasim/import/source.hpp"
#include "model/selections.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// Which layer of a model owns the index that each layer uses: itself, one before it, or nobody's. Where each KV head
/// of a layer selects for itself, a layer here is a head, those of a layer side by side.
struct LayerMap {
  std::string_view option;  ///< that it comes from, for messages
  std::vector<std::optional<std::uint32_t>> owner_of;
  std::optional<std::uint32_t> top_k = {};        ///< of the indexers, if it is known
  std::optional<std::uint32_t> unit_tokens = {};  ///< that an id stands for, if it is known

  std::uint32_t heads = 1;                             ///< that each select for themselves, of a layer of the model
  std::vector<std::optional<LayerStore>> stores = {};  ///< of the model's layers, if they are not each their own

  /// Those that own an index, ascending.
  std::vector<std::uint32_t> owners() const;
  /// The layers of the model that these are, with the sizes of their groups.
  std::vector<LayerInfo> groups() const;
  /// The same map where each head of a layer selects as its owner's does. Only of one without heads.
  LayerMap with_heads(std::uint32_t count) const;
};

/// What --layer-map says: "0,1,2,2,2,2,6", -1 where a layer has no index, or a JSON file that holds such a list, a list
/// of "full" and "shared" (the layer before), or a checkpoint's config.json. Throws ConfigError.
LayerMap parse_layer_map(const std::string& text);

/// What a model says; nothing if it has no indexer.
std::optional<LayerMap> layer_map_of(const Selections& selections, std::string_view named_by);

/// What --kv-map says in the same forms: which layer of the model owns the KV store that each reads; with the units and
/// bytes of entries, if it is a config.json.
LayerMap parse_kv_map(const std::string& text);

/// What a model says of its KV stores; nothing if each layer has its own, with entries that are alike.
std::optional<LayerMap> kv_map_of(const LayerMap& model);

/// Which KV store each layer of a trace reads, by a map of the model's layers: `infos` are the trace's layers, and
/// `indexes` says which layers of the model use the index of each, or is null where each has its own. Throws
/// ConfigError for a layer of the model that the map does not have, and for layers of the trace that read some stores
/// together and others apart. The unit and the bytes of the stores are left at 0 where the map does not say them.
std::vector<StoreInfo> stores_by_map(const LayerMap& map, const std::vector<LayerInfo>& infos, const LayerMap* indexes);

/// The same file with the layers that own an index alone. A file that has all layers repeats the owner's rows, which is
/// verified while they are read; a file may have the owners only. Throws TraceError if it has neither number of layers,
/// or if a row differs from its owner's.
std::unique_ptr<CaptureFile> collapse_layers(std::unique_ptr<CaptureFile> file, const std::filesystem::path& path,
                                             const LayerMap& map);

/// The same file with these layers alone, each the number of one that it has, ascending.
std::unique_ptr<CaptureFile> keep_layers(std::unique_ptr<CaptureFile> file, std::vector<std::uint32_t> kept);

}  // namespace dsasim
