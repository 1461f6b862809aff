#include "layer_map.hpp"

#include "byte_source.hpp"
#include "dsasim/error.hpp"
#include "model/checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

namespace dsasim {
namespace {

using Json = Checkpoint::Json;
using Owner = std::optional<std::uint32_t>;

constexpr std::size_t most_layers = TraceHeader::max_layers;

/// What a map is of.
struct MapKind {
  std::string_view option;
  std::string_view noun;
};
constexpr MapKind index_map{.option = "`layer_map`", .noun = "index"};
constexpr MapKind store_map{.option = "`kv_map`", .noun = "KV store"};

Owner owner_from(const MapKind& kind, std::string_view where, std::int64_t number, std::size_t layer) {
  if (number < -1 || number > static_cast<std::int64_t>(layer)) {
    throw ConfigError(where, "layer {} has the {} of layer {}; expected itself, one before it, or -1 for none", layer,
                      kind.noun, number);
  }
  return number == -1 ? Owner{} : Owner{static_cast<std::uint32_t>(number)};
}

LayerMap parse_list(const MapKind& kind, const std::string& text) {
  LayerMap map{.option = kind.option, .owner_of = {}};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  while (true) {
    std::int64_t number = 0;
    const auto [stop, error] = std::from_chars(at, end, number);
    if (error != std::errc{} || (stop != end && *stop != ',')) {
      throw ConfigError(kind.option, "expected numbers of layers (0,1,2,2) or a JSON file, found \"{}\"",
                        printable(text));
    }
    map.owner_of.push_back(owner_from(kind, kind.option, number, map.owner_of.size()));
    if (stop == end) {
      return map;
    }
    at = stop + 1;
  }
}

Owner owner_from(const MapKind& kind, const std::string& where, const Json& item, const LayerMap& map) {
  const std::size_t layer = map.owner_of.size();
  if (item.is_number_integer()) {
    // A number that int64 does not hold wraps to what owner_from refuses or, at worst, -1 written oddly.
    return owner_from(kind, where,
                      item.is_number_unsigned() && item.get<std::uint64_t>() > most_layers ? std::int64_t{most_layers}
                                                                                           : item.get<std::int64_t>(),
                      layer);
  }
  if (item == "full") {
    return static_cast<std::uint32_t>(layer);
  }
  if (item == "shared" && layer > 0) {
    return map.owner_of.back();
  }
  throw ConfigError(where, "layer {} is {}, expected {}", layer, printable(item.dump()),
                    item == "shared" ? "\"full\" before the first \"shared\"" : "\"full\", \"shared\" or a number");
}

/// A map of indexes as one of KV stores.
LayerMap own_stores(LayerMap map) {
  for (std::uint32_t layer = 0; layer < map.owner_of.size(); ++layer) {
    if (map.owner_of[layer]) {
      map.owner_of[layer] = map.stores.empty() ? layer : map.stores[layer].value().owner;
    }
  }
  return map;
}

LayerMap read_map(const MapKind& kind, const std::string& path) {
  const Json document = Checkpoint::parse(path, read_text(path, max_config_bytes));
  if (document.is_object()) {
    LayerMap map = layer_map_of(selections_of(Checkpoint(path, document)), kind.option).value();
    return kind.option == index_map.option ? map : own_stores(std::move(map));
  }
  if (!document.is_array()) {
    throw ConfigError(kind.option, "{} holds neither a list of owners nor a checkpoint's configuration", path);
  }
  const std::string where = fmt::format("{}: {}", kind.option, path);
  LayerMap map{.option = kind.option, .owner_of = {}};
  for (const Json& item : document) {
    if (map.owner_of.size() == most_layers) {
      break;  // refused below
    }
    map.owner_of.push_back(owner_from(kind, where, item, map));
  }
  return map;
}

bool is_list(const std::string& text) {
  return text.find_first_not_of("0123456789,-") == std::string::npos;
}

/// Moves the rows of these layers to the front, and drops the others, of so many queries.
template <class T>
void keep_rows(std::vector<T>& rows, std::size_t queries, std::size_t top_k, std::span<const std::uint32_t> kept) {
  const std::size_t layers = queries == 0 ? 0 : rows.size() / top_k / queries;
  std::size_t to = 0;
  for (std::size_t query = 0; query < queries; ++query) {
    for (const std::uint32_t layer : kept) {
      const auto from = rows.begin() + static_cast<std::ptrdiff_t>((query * layers + layer) * top_k);
      std::copy_n(from, top_k, rows.begin() + static_cast<std::ptrdiff_t>(to++ * top_k));
    }
  }
  rows.resize(to * top_k);
}

/// What the layers that are kept read. A store whose owner is not kept belongs to the first layer that is and reads it.
std::vector<StoreInfo> kept_stores(const std::vector<StoreInfo>& stores, std::span<const std::uint32_t> kept) {
  std::vector<StoreInfo> out;
  for (std::size_t i = 0; i < kept.size() && !stores.empty(); ++i) {
    StoreInfo& store = out.emplace_back(stores[kept[i]]);
    const auto* const first = std::find_if(kept.data(), kept.data() + i, [&](std::uint32_t layer) {
      return stores[layer].kv_owner == stores[kept[i]].kv_owner;
    });
    store.kv_owner = static_cast<std::uint32_t>(first - kept.data());
  }
  return out;
}

class KeptSource final : public CaptureSource {
 public:
  KeptSource(std::unique_ptr<CaptureSource> inner, const std::vector<CaptureShape>& shapes,
             std::span<const std::uint32_t> kept)
      : inner_(std::move(inner)), shapes_(shapes), kept_(kept) {}

  void read_step(CaptureStep& step) override {
    inner_->read_step(step);
    const std::size_t top_k = shapes_[step.request].top_k;
    keep_rows(step.ids, step.queries, top_k, kept_);
    if (!step.scores.empty()) {
      keep_rows(step.scores, step.queries, top_k, kept_);
    }
  }

 private:
  std::unique_ptr<CaptureSource> inner_;
  const std::vector<CaptureShape>& shapes_;
  std::span<const std::uint32_t> kept_;
};

class KeptFile final : public CaptureFile {
 public:
  KeptFile(std::unique_ptr<CaptureFile> inner, std::vector<std::uint32_t> kept)
      : inner_(std::move(inner)), kept_(std::move(kept)), requests_(inner_->requests()) {
    for (CaptureShape& shape : requests_) {
      std::vector<LayerInfo> infos;
      for (const std::uint32_t layer : kept_) {
        infos.push_back(shape.layer_infos.empty() ? LayerInfo{.model_layer = layer, .group_size = 1}
                                                  : shape.layer_infos[layer]);
      }
      shape.layers = static_cast<std::uint32_t>(kept_.size());
      shape.layer_infos = std::move(infos);
      shape.stores = kept_stores(shape.stores, kept_);
    }
  }

  const std::vector<CaptureShape>& requests() const override { return requests_; }

  std::unique_ptr<CaptureSource> read() const override {
    return std::make_unique<KeptSource>(inner_->read(), requests_, kept_);
  }

 private:
  std::unique_ptr<CaptureFile> inner_;
  std::vector<std::uint32_t> kept_;
  std::vector<CaptureShape> requests_;
};

class CollapsedSource final : public CaptureSource {
 public:
  CollapsedSource(std::unique_ptr<CaptureSource> inner, const std::vector<CaptureShape>& shapes, std::string path,
                  const LayerMap& map)
      : inner_(std::move(inner)),
        shapes_(shapes),
        path_(std::move(path)),
        map_(map),
        owners_(map.owners()),
        steps_(shapes.size()) {}

  void read_step(CaptureStep& step) override {
    inner_->read_step(step);
    const CaptureShape& shape = shapes_[step.request];
    if (step.ids.size() == std::size_t{step.queries} * shape.layers * shape.top_k) {
      return;  // the owners alone, or a pause
    }
    for (std::uint32_t query = 0; query < step.queries; ++query) {
      for (std::uint32_t layer = 0; layer < map_.owner_of.size(); ++layer) {
        if (const Owner owner = map_.owner_of[layer]; owner && *owner != layer) {
          require_equal(step, query, layer, *owner);
        }
      }
    }
    keep_rows(step.ids, step.queries, shape.top_k, owners_);
    if (!step.scores.empty()) {
      keep_rows(step.scores, step.queries, shape.top_k, owners_);
    }
    ++steps_[step.request];
  }

 private:
  void require_equal(const CaptureStep& step, std::uint32_t query, std::uint32_t layer, std::uint32_t owner) const {
    const CaptureShape& shape = shapes_[step.request];
    const std::size_t query_ids = map_.owner_of.size() * shape.top_k;
    const std::span<const std::int64_t> ids = std::span(step.ids).subspan(query * query_ids, query_ids);
    const auto own = ids.subspan(std::size_t{layer} * shape.top_k, shape.top_k);
    const auto expected = ids.subspan(std::size_t{owner} * shape.top_k, shape.top_k);
    const auto [differs, other] = std::mismatch(own.begin(), own.end(), expected.begin());
    if (differs != own.end()) {
      throw TraceError(path_,
                       "request {}, row {} (step {}), layer {}, column {}: {}, but {} in layer {}, whose index it "
                       "shares",
                       step.request, shape.first_row + steps_[step.request], steps_[step.request], layer,
                       differs - own.begin(), *differs, *other, owner);
    }
  }

  std::unique_ptr<CaptureSource> inner_;
  const std::vector<CaptureShape>& shapes_;  ///< collapsed
  std::string path_;
  const LayerMap& map_;
  std::vector<std::uint32_t> owners_;
  std::vector<std::uint64_t> steps_;  ///< read so far, of each request
};

class CollapsedFile final : public CaptureFile {
 public:
  CollapsedFile(std::unique_ptr<CaptureFile> inner, const std::filesystem::path& path, const LayerMap& map)
      : inner_(std::move(inner)), path_(path.string()), map_(map), groups_(map.groups()) {
    for (const CaptureShape& shape : inner_->requests()) {
      requests_.push_back(collapsed(shape));
    }
  }

  const std::vector<CaptureShape>& requests() const override { return requests_; }

  std::unique_ptr<CaptureSource> read() const override {
    return std::make_unique<CollapsedSource>(inner_->read(), requests_, path_, map_);
  }

 private:
  CaptureShape collapsed(CaptureShape shape) const {
    if (shape.layers != map_.owner_of.size() && shape.layers != groups_.size()) {
      throw TraceError(path_, "has {} layers, {} has {}, of which {} own an index", shape.layers, map_.option,
                       map_.owner_of.size(), groups_.size());
    }
    for (std::size_t i = 0; i < shape.layer_infos.size(); ++i) {
      require_place(shape.layer_infos[i],
                    shape.layers == groups_.size() ? groups_[i] : LayerInfo{narrow(i) / map_.heads, 1});
    }
    if (!shape.stores.empty()) {
      throw TraceError(path_,
                       "says itself which KV store each layer reads, {} which index; give `kv_map` with it and a "
                       "capture without kv_owners",
                       map_.option);
    }
    shape.layers = static_cast<std::uint32_t>(groups_.size());
    shape.layer_infos = groups_;
    return shape;
  }

  static std::uint32_t narrow(std::size_t layer) { return static_cast<std::uint32_t>(layer); }

  /// What the capture says of a layer agrees with the map; a group of one says nothing.
  void require_place(const LayerInfo& found, const LayerInfo& expected) const {
    if (found.model_layer != expected.model_layer) {
      throw TraceError(path_, "has rows of layer {} where {} has layer {}, which owns an index", found.model_layer,
                       map_.option, expected.model_layer);
    }
    if (found.group_size != 1 && found.group_size != expected.group_size) {
      throw TraceError(path_, "says that {} layers use the index of layer {}, {} says {}", found.group_size,
                       found.model_layer, map_.option, expected.group_size);
    }
  }

  std::unique_ptr<CaptureFile> inner_;
  std::string path_;
  LayerMap map_;
  std::vector<LayerInfo> groups_;
  std::vector<CaptureShape> requests_;
};

}  // namespace

std::vector<std::uint32_t> LayerMap::owners() const {
  std::vector<std::uint32_t> out;
  for (std::uint32_t layer = 0; layer < owner_of.size(); ++layer) {
    if (owner_of[layer] == layer) {
      out.push_back(layer);
    }
  }
  return out;
}

std::vector<LayerInfo> LayerMap::groups() const {
  std::vector<LayerInfo> out;
  for (const std::uint32_t layer : owners()) {
    const auto size = std::count(owner_of.begin(), owner_of.end(), Owner{layer});
    out.push_back({.model_layer = layer / heads, .group_size = static_cast<std::uint32_t>(size)});
  }
  return out;
}

LayerMap LayerMap::with_heads(std::uint32_t count) const {
  LayerMap out = *this;
  out.heads = count;
  out.owner_of.clear();
  out.owner_of.reserve(owner_of.size() * count);
  for (const Owner& owner : owner_of) {
    for (std::uint32_t head = 0; head < count; ++head) {
      out.owner_of.push_back(owner ? Owner{*owner * count + head} : Owner{});
    }
  }
  return out;
}

namespace {

LayerMap parse_map(const MapKind& kind, const std::string& text) {
  LayerMap map = is_list(text) ? parse_list(kind, text) : read_map(kind, text);
  if (map.owner_of.empty() || map.owner_of.size() >= most_layers) {
    throw ConfigError(kind.option, "has {} layers, expected 1 to {}", map.owner_of.size(), most_layers - 1);
  }
  for (std::size_t layer = 0; layer < map.owner_of.size(); ++layer) {
    const Owner owner = map.owner_of[layer];
    if (owner && map.owner_of[*owner] != owner) {
      throw ConfigError(kind.option, "layer {} has the {} of layer {}, which has none of its own", layer, kind.noun,
                        *owner);
    }
  }
  if (map.groups().empty()) {
    throw ConfigError(kind.option, "no layer owns {} {}", kind.noun == index_map.noun ? "an" : "a", kind.noun);
  }
  return map;
}

/// Which stores the layers that a layer of the trace stands for read, ascending.
std::vector<std::uint32_t> stores_read(const LayerMap& stores, const LayerInfo& info, const LayerMap* indexes) {
  std::vector<std::uint32_t> members = {info.model_layer};
  if (indexes != nullptr) {
    members.clear();
    for (std::uint32_t layer = 0; layer < indexes->owner_of.size(); ++layer) {
      if (indexes->owner_of[layer] == info.model_layer) {
        members.push_back(layer);
      }
    }
  }
  if (members.size() != info.group_size) {
    throw ConfigError(stores.option,
                      "{} layers use the index of layer {}, and which these are is not known; give `layer_map`",
                      info.group_size, info.model_layer);
  }
  std::vector<std::uint32_t> read;
  for (const std::uint32_t layer : members) {
    const Owner owner = layer < stores.owner_of.size() ? stores.owner_of[layer] : Owner{};
    if (!owner) {
      throw ConfigError(stores.option, "says nothing of layer {}, which selects", layer);
    }
    read.push_back(*owner);
  }
  std::ranges::sort(read);
  read.erase(std::unique(read.begin(), read.end()), read.end());
  return read;
}

}  // namespace

LayerMap parse_layer_map(const std::string& text) {
  return parse_map(index_map, text);
}

LayerMap parse_kv_map(const std::string& text) {
  return parse_map(store_map, text);
}

std::optional<LayerMap> kv_map_of(const LayerMap& model) {
  return model.stores.empty() ? std::nullopt : std::optional(own_stores(model));
}

std::vector<StoreInfo> stores_by_map(const LayerMap& map, const std::vector<LayerInfo>& infos,
                                     const LayerMap* indexes) {
  std::vector<StoreInfo> stores;
  std::vector<std::vector<std::uint32_t>> read_by;
  for (std::uint32_t layer = 0; layer < infos.size(); ++layer) {
    const std::vector<std::uint32_t> read = stores_read(map, infos[layer], indexes);
    std::uint32_t owner = layer;
    for (std::uint32_t before = 0; before < layer && owner == layer; ++before) {
      std::vector<std::uint32_t> both;
      std::ranges::set_intersection(read_by[before], read, std::back_inserter(both));
      owner = both == read && read == read_by[before] ? before : owner;
      if (!both.empty() && owner == layer) {
        throw ConfigError(
            map.option,
            "the layers that use the index of layer {} and those of layer {} read some KV stores together "
            "and others apart; that is not supported",
            infos[before].model_layer, infos[layer].model_layer);
      }
    }
    const LayerStore said =
        map.stores.empty() ? LayerStore{.owner = owner, .unit_tokens = 0} : map.stores[read.front()].value();
    stores.push_back({.kv_owner = owner,
                      .kv_rows = static_cast<std::uint32_t>(read.size()),
                      .unit_tokens = said.unit_tokens,
                      .entry_bytes = said.entry_bytes});
    read_by.push_back(read);
  }
  return stores;
}

std::optional<LayerMap> layer_map_of(const Selections& selections, std::string_view named_by) {
  if (selections.owner_of.empty()) {
    return std::nullopt;
  }
  return LayerMap{.option = named_by,
                  .owner_of = selections.owner_of,
                  .top_k = selections.top_k,
                  .unit_tokens = selections.unit_tokens,
                  .heads = selections.heads,
                  .stores = selections.stores};
}

std::unique_ptr<CaptureFile> collapse_layers(std::unique_ptr<CaptureFile> file, const std::filesystem::path& path,
                                             const LayerMap& map) {
  return std::make_unique<CollapsedFile>(std::move(file), path, map);
}

std::unique_ptr<CaptureFile> keep_layers(std::unique_ptr<CaptureFile> file, std::vector<std::uint32_t> kept) {
  return std::make_unique<KeptFile>(std::move(file), std::move(kept));
}

}  // namespace dsasim
