#include "layer_map.hpp"

#include "byte_source.hpp"
#include "dsasim/error.hpp"
#include "model/checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace dsasim {
namespace {

using Json = Checkpoint::Json;
using Owner = std::optional<std::uint32_t>;

constexpr std::string_view option = "`layer_map`";
constexpr std::size_t most_layers = TraceHeader::max_layers;

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
  const Json document = Checkpoint::parse(path, read_text(path, max_config_bytes));
  if (document.is_object()) {
    return layer_map_of(selections_of(Checkpoint(path, document)), option).value();
  }
  if (!document.is_array()) {
    throw ConfigError(option, "{} holds neither a list of owners nor a checkpoint's configuration", path);
  }
  const std::string where = fmt::format("{}: {}", option, path);
  LayerMap map{.option = option, .owner_of = {}};
  for (const Json& item : document) {
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

/// Moves the rows of these layers to the front, and drops the others.
template <class T>
void keep_rows(std::vector<T>& rows, std::size_t top_k, std::span<const std::uint32_t> kept) {
  std::size_t to = 0;
  for (const std::uint32_t layer : kept) {
    const auto from = rows.begin() + static_cast<std::ptrdiff_t>(layer * top_k);
    std::copy_n(from, top_k, rows.begin() + static_cast<std::ptrdiff_t>(to++ * top_k));
  }
  rows.resize(to * top_k);
}

class KeptSource final : public CaptureSource {
 public:
  KeptSource(std::unique_ptr<CaptureSource> inner, const std::vector<CaptureShape>& shapes,
             std::span<const std::uint32_t> kept)
      : inner_(std::move(inner)), shapes_(shapes), kept_(kept) {}

  void read_step(CaptureStep& step) override {
    inner_->read_step(step);
    const std::size_t top_k = shapes_[step.request].top_k;
    keep_rows(step.ids, top_k, kept_);
    if (!step.scores.empty()) {
      keep_rows(step.scores, top_k, kept_);
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
      : inner_(std::move(inner)), shapes_(shapes), path_(std::move(path)), map_(map), steps_(shapes.size()) {
    for (const LayerInfo& owner : map.groups()) {
      owners_.push_back(owner.model_layer);
    }
  }

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
    keep_rows(step.ids, shape.top_k, owners_);
    if (!step.scores.empty()) {
      keep_rows(step.scores, shape.top_k, owners_);
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

std::optional<LayerMap> layer_map_of(const Selections& selections, std::string_view named_by) {
  if (selections.owner_of.empty()) {
    return std::nullopt;
  }
  return LayerMap{.option = named_by,
                  .owner_of = selections.owner_of,
                  .top_k = selections.top_k,
                  .unit_tokens = selections.unit_tokens};
}

std::unique_ptr<CaptureFile> collapse_layers(std::unique_ptr<CaptureFile> file, const std::filesystem::path& path,
                                             const LayerMap& map) {
  return std::make_unique<CollapsedFile>(std::move(file), path, map);
}

std::unique_ptr<CaptureFile> keep_layers(std::unique_ptr<CaptureFile> file, std::vector<std::uint32_t> kept) {
  return std::make_unique<KeptFile>(std::move(file), std::move(kept));
}

}  // namespace dsasim
