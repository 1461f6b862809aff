#include "model/checkpoint.hpp"

#include "config/json_document.hpp"
#include "dsasim/error.hpp"

#include <algorithm>

namespace dsasim {
namespace {

using Json = Checkpoint::Json;

constexpr std::uint64_t most_layers = 10'000;

const Json* find_in(const Json& object, std::string_view key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

/// The part that describes the language model, where there are others.
const Json* text_config(const Json& document) {
  const Json* const text = find_in(document, "text_config");
  return text != nullptr && text->is_object() ? text : nullptr;
}

/// What a message quotes of a value.
std::string shown(const Json& value) {
  constexpr std::size_t most = 60;
  const std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true);
  return text.size() > most ? text.substr(0, most) + "..." : text;
}

}  // namespace

Json Checkpoint::parse(const std::string& path, std::string_view text) {
  constexpr std::size_t most_keys = std::size_t{1} << 20U;  // some say how each matrix of each expert is quantised
  return parse_document<Json>(path, text, most_keys);
}

bool Checkpoint::recognises(const Json& document) {
  return document.is_object() && (document.contains("model_type") || document.contains("architectures"));
}

Checkpoint::Checkpoint(std::string path, Json document) : path_(std::move(path)), document_(std::move(document)) {}

const Json* Checkpoint::find(std::string_view key) const {
  const Json* const text = text_config(document_);
  const Json* const inside = text == nullptr ? nullptr : find_in(*text, key);
  const Json* const outside = find_in(document_, key);
  if (inside != nullptr && outside != nullptr && *inside != *outside) {
    throw ConfigError(path_, "\"{}\" is {} in text_config and {} outside of it", key, shown(*inside), shown(*outside));
  }
  return inside != nullptr ? inside : outside;
}

std::string Checkpoint::model_type() const {
  const Json* const text = text_config(document_);
  for (const Json* const object : {text, &document_}) {
    const Json* const type = object == nullptr ? nullptr : find_in(*object, "model_type");
    if (type != nullptr && type->is_string()) {
      return type->get<std::string>();
    }
  }
  return "";
}

std::optional<std::uint64_t> Checkpoint::number(std::string_view key, std::uint64_t least, std::uint64_t most) const {
  const Json* const value = find(key);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!value->is_number_unsigned() || value->get<std::uint64_t>() < least || value->get<std::uint64_t>() > most) {
    throw ConfigError(path_, "\"{}\": expected an integer from {} to {}, found {}", key, least, most, shown(*value));
  }
  return value->get<std::uint64_t>();
}

std::uint64_t Checkpoint::need(std::string_view key, std::uint64_t least, std::string_view purpose) const {
  constexpr std::uint64_t most = 100'000'000;
  const std::optional<std::uint64_t> value = number(key, least, most);
  if (!value) {
    throw ConfigError(path_, "has no \"{}\"; {} follow from it", key, purpose);
  }
  return *value;
}

const Json& Checkpoint::list(std::string_view key, std::size_t layers) const {
  const Json& value = *find(key);
  if (!value.is_array()) {
    throw ConfigError(path_, "\"{}\": expected an array, found {}", key, shown(value));
  }
  if (value.size() < layers) {
    throw ConfigError(path_, "\"{}\" has {} entries for {} layers", key, value.size(), layers);
  }
  return value;
}

std::vector<std::uint64_t> Checkpoint::numbers(std::string_view key, std::size_t layers) const {
  const Json& values = list(key, layers);
  std::vector<std::uint64_t> out;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    if (!values[layer].is_number_unsigned()) {
      throw ConfigError(path_, "\"{}\": expected integers, found {} for layer {}", key, shown(values[layer]), layer);
    }
    out.push_back(values[layer].get<std::uint64_t>());
  }
  return out;
}

std::vector<std::string> Checkpoint::words(std::string_view key, std::size_t layers) const {
  const Json& values = list(key, layers);
  std::vector<std::string> out;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    if (!values[layer].is_string()) {
      throw ConfigError(path_, "\"{}\": expected words, found {} for layer {}", key, shown(values[layer]), layer);
    }
    out.push_back(values[layer].get<std::string>());
  }
  return out;
}

std::optional<Checkpoint> Checkpoint::object(std::string_view key) const {
  const Json* const value = find(key);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!value->is_object()) {
    throw ConfigError(path_, "\"{}\": expected an object, found {}", key, shown(*value));
  }
  return Checkpoint(path_, *value);
}

std::size_t Checkpoint::layer_count() const {
  if (const std::optional<std::uint64_t> layers = number("num_hidden_layers", 1, most_layers)) {
    return *layers;
  }
  const Json* const types = find("indexer_types");
  if (types == nullptr || !types->is_array() || types->empty() || types->size() > most_layers) {
    throw ConfigError(path_, "has no \"num_hidden_layers\"");
  }
  return types->size();
}

}  // namespace dsasim
