#include "layer_map.hpp"

#include "byte_source.hpp"
#include "dsasim/error.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>

namespace dsasim {
namespace {

using Json = nlohmann::json;
using Owner = std::optional<std::uint32_t>;

constexpr std::string_view option = "--layer-map";
constexpr std::size_t most_layers = TraceHeader::max_layers;
constexpr std::uint64_t most_top_k = std::uint64_t{1} << 30U;
constexpr std::uint64_t largest_file = std::uint64_t{1} << 24U;

Owner owner_from(std::string_view where, std::int64_t number, std::size_t layer) {
  if (number < -1 || number > static_cast<std::int64_t>(layer)) {
    throw ConfigError(where, "layer {} has the index of layer {}; expected itself, one before it, or -1 for none",
                      layer, number);
  }
  return number == -1 ? Owner{} : Owner{static_cast<std::uint32_t>(number)};
}

LayerMap parse_list(const std::string& text) {
  LayerMap map{.option = option, .owner_of = {}};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  while (true) {
    std::int64_t number = 0;
    const auto [stop, error] = std::from_chars(at, end, number);
    if (error != std::errc{} || (stop != end && *stop != ',')) {
      throw ConfigError(option, "expected numbers of layers (0,1,2,2) or a JSON file, found \"{}\"", printable(text));
    }
    map.owner_of.push_back(owner_from(option, number, map.owner_of.size()));
    if (stop == end) {
      return map;
    }
    at = stop + 1;
  }
}

Json read_json(const std::string& path) {
  const std::unique_ptr<ByteSource> file = open_file(path);
  if (file->size() > largest_file) {
    throw ConfigError(option, "{} holds {} bytes, expected a model's configuration of at most {}", path, file->size(),
                      largest_file);
  }
  std::string text(static_cast<std::size_t>(file->size()), '\0');
  file->read(std::as_writable_bytes(std::span(text)));
  constexpr int most_levels = 64;  // whoever prints or destroys a value descends into it
  const auto check = [&](int depth, Json::parse_event_t /*event*/, Json& /*parsed*/) {
    if (depth > most_levels) {
      throw ConfigError(option, "{} nests deeper than {} levels", path, most_levels);
    }
    return true;
  };
  try {
    return Json::parse(text, check);
  } catch (const Json::parse_error& error) {
    throw ConfigError(option, "{} is no JSON: {}", path, error.what());
  }
}

/// The part of a model's config.json that describes the language model; null if the document is none.
const Json* find_config(const Json& document) {
  if (document.is_object() && document.contains("text_config") && document.at("text_config").is_object() &&
      !document.contains("indexer_types")) {
    return &document.at("text_config");
  }
  return document.is_object() ? &document : nullptr;
}

std::optional<std::uint32_t> find_number(const Json& config, const char* key, std::uint64_t most) {
  const auto found = config.find(key);
  if (found == config.end() || !found->is_number_unsigned() || found->get<std::uint64_t>() == 0 ||
      found->get<std::uint64_t>() > most) {
    return std::nullopt;
  }
  return found->get<std::uint32_t>();
}

/// The list itself, or the one that a model's configuration has or stands for.
Json find_list(const Json& document, const std::string& path) {
  if (document.is_array()) {
    return document;
  }
  if (const Json* const config = find_config(document)) {
    if (const auto list = config->find("indexer_types"); list != config->end() && list->is_array()) {
      return *list;
    }
    const auto type = config->find("model_type");
    const auto layers = find_number(*config, "num_hidden_layers", most_layers);
    if (layers && type != config->end() && *type == "deepseek_v32") {
      Json::array_t all(*layers, "full");
      return all;
    }
  }
  throw ConfigError(option, "{} has no list, nor one named indexer_types; --model takes a model by name", path);
}

Owner owner_from(const std::string& where, const Json& item, const LayerMap& map) {
  const std::size_t layer = map.owner_of.size();
  if (item.is_number_integer()) {
    // A number that int64 does not hold wraps to what owner_from refuses or, at worst, -1 written oddly.
    return owner_from(where,
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

LayerMap read_map(const std::string& path) {
  const Json document = read_json(path);
  const std::string where = fmt::format("{}: {}", option, path);
  LayerMap map{.option = option, .owner_of = {}};
  if (const Json* const config = find_config(document)) {
    map.top_k = find_number(*config, "index_topk", most_top_k);
  }
  for (const Json& item : find_list(document, path)) {
    if (map.owner_of.size() == most_layers) {
      break;  // refused below
    }
    map.owner_of.push_back(owner_from(where, item, map));
  }
  return map;
}

bool is_list(const std::string& text) {
  return text.find_first_not_of("0123456789,-") == std::string::npos;
}

class CollapsedSource final : public CaptureSource {
 public:
  CollapsedSource(std::unique_ptr<CaptureSource> inner, const std::vector<CaptureShape>& shapes, std::string path,
                  const LayerMap& map)
      : inner_(std::move(inner)), shapes_(shapes), path_(std::move(path)), map_(map), steps_(shapes.size()) {}

  void read_step(CaptureStep& step) override {
    inner_->read_step(step);
    const CaptureShape& shape = shapes_[step.request];
    if (step.ids.size() == std::size_t{shape.layers} * shape.top_k) {
      return;  // the owners alone
    }
    for (std::uint32_t layer = 0; layer < map_.owner_of.size(); ++layer) {
      if (const Owner owner = map_.owner_of[layer]; owner && *owner != layer) {
        require_equal(step, layer, *owner);
      }
    }
    keep_owners(step.ids, shape.top_k);
    if (!step.scores.empty()) {
      keep_owners(step.scores, shape.top_k);
    }
    ++steps_[step.request];
  }

 private:
  void require_equal(const CaptureStep& step, std::uint32_t layer, std::uint32_t owner) const {
    const CaptureShape& shape = shapes_[step.request];
    const std::span<const std::int64_t> ids(step.ids);
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

  template <class T>
  void keep_owners(std::vector<T>& rows, std::size_t top_k) const {
    std::size_t kept = 0;
    for (std::size_t layer = 0; layer < map_.owner_of.size(); ++layer) {
      if (map_.owner_of[layer] == layer) {
        const auto from = rows.begin() + static_cast<std::ptrdiff_t>(layer * top_k);
        std::copy_n(from, top_k, rows.begin() + static_cast<std::ptrdiff_t>(kept++ * top_k));
      }
    }
    rows.resize(kept * top_k);
  }

  std::unique_ptr<CaptureSource> inner_;
  const std::vector<CaptureShape>& shapes_;  ///< collapsed
  std::string path_;
  const LayerMap& map_;
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
      require_place(shape.layer_infos[i], shape.layers == groups_.size() ? groups_[i] : LayerInfo{narrow(i), 1});
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

std::vector<LayerInfo> LayerMap::groups() const {
  std::vector<LayerInfo> out;
  for (std::uint32_t layer = 0; layer < owner_of.size(); ++layer) {
    if (owner_of[layer] == layer) {
      const auto size = std::count(owner_of.begin(), owner_of.end(), Owner{layer});
      out.push_back({.model_layer = layer, .group_size = static_cast<std::uint32_t>(size)});
    }
  }
  return out;
}

LayerMap parse_layer_map(const std::string& text) {
  LayerMap map = is_list(text) ? parse_list(text) : read_map(text);
  if (map.owner_of.empty() || map.owner_of.size() >= most_layers) {
    throw ConfigError(option, "has {} layers, expected 1 to {}", map.owner_of.size(), most_layers - 1);
  }
  for (std::size_t layer = 0; layer < map.owner_of.size(); ++layer) {
    const Owner owner = map.owner_of[layer];
    if (owner && map.owner_of[*owner] != owner) {
      throw ConfigError(option, "layer {} has the index of layer {}, which has none of its own", layer, *owner);
    }
  }
  if (map.groups().empty()) {
    throw ConfigError(option, "no layer owns an index");
  }
  return map;
}

std::optional<LayerMap> layer_map_of(const Model& model) {
  if (!model.has_indexer()) {
    return std::nullopt;
  }
  LayerMap map{.option = "--model", .owner_of = {}};
  Owner owner;
  for (std::uint32_t layer = 0; layer < model.layers.size(); ++layer) {
    if (model.layers[layer].owns_indexer) {
      owner = layer;
      map.top_k = model.layers[layer].top_k;
    }
    map.owner_of.push_back(model.layers[layer].top_k == 0 ? std::nullopt : owner);
  }
  return map;
}

std::unique_ptr<CaptureFile> collapse_layers(std::unique_ptr<CaptureFile> file, const std::filesystem::path& path,
                                             const LayerMap& map) {
  return std::make_unique<CollapsedFile>(std::move(file), path, map);
}

}  // namespace dsasim
