#pragma once

#include "dsasim/import/source.hpp"
#include "dsasim/model/model.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// Which layer of a model owns the index that each layer uses: itself, one before it, or nobody's.
struct LayerMap {
  std::string_view option;  ///< that it comes from, for messages
  std::vector<std::optional<std::uint32_t>> owner_of;
  std::optional<std::uint32_t> top_k = {};  ///< of the indexers, if it is known

  /// The owners, with the sizes of their groups.
  std::vector<LayerInfo> groups() const;
};

/// What --layer-map says: "0,1,2,2,2,2,6", -1 where a layer has no index, or a JSON file that holds such a list, a list
/// of "full" and "shared" (the layer before), or an object that has the latter as indexer_types, as a model's
/// config.json does; its index_topk is the top-k. A deepseek_v32 has no such list: each of its num_hidden_layers owns
/// an index. Throws ConfigError.
LayerMap parse_layer_map(const std::string& text);

/// What --model says; nothing if the model has no indexer.
std::optional<LayerMap> layer_map_of(const Model& model);

/// The same file with the layers that own an index alone. A file that has all layers repeats the owner's rows, which is
/// verified while they are read; a file may have the owners only. Throws TraceError if it has neither number of layers,
/// or if a row differs from its owner's.
std::unique_ptr<CaptureFile> collapse_layers(std::unique_ptr<CaptureFile> file, const std::filesystem::path& path,
                                             const LayerMap& map);

}  // namespace dsasim
