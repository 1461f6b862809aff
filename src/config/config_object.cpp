#include "dsasim/config/config_object.hpp"

#include "config/config_value.hpp"
#include "config/json_document.hpp"
#include "dsasim/config/names.hpp"
#include "dsasim/error.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

/// Far beyond anything of ours: keys of an object are looked up one by one.
constexpr std::size_t most_keys = 4096;

const Json& member(const Json& object, std::string_view key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end()) {
    throw ConfigError(where, "expected a key \"{}\", found none", key);
  }
  return *found;
}

std::string as_text(const std::string& where, const Json& value) {
  if (value.is_string()) {
    return value.get<std::string>();
  }
  if (value.is_number() || value.is_boolean()) {
    return value.dump();
  }
  throw ConfigError(where, "expected a string, a number, true or false, found {}", value.dump());
}

std::uint64_t as_integer(const std::string& where, const Json& value, std::uint64_t least, std::uint64_t most) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() < least || value.get<std::uint64_t>() > most) {
    throw ConfigError(where, "expected an integer from {} to {}, found {}", least, most, value.dump());
  }
  return value.get<std::uint64_t>();
}

}  // namespace

std::string printable_message(std::string_view message) {
  constexpr std::size_t most = 300;
  std::string text;
  for (const char byte : message.substr(0, most)) {
    if (byte >= ' ' && byte <= '~') {
      text += byte;
    } else {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    }
  }
  return message.size() > most ? text + "..." : text;
}

ConfigObject ConfigObject::parse(std::string where, std::string_view text) {
  Json document = parse_document<Json>(where, text, most_keys);
  if (!document.is_object()) {
    throw ConfigError(where, "expected an object, found {}", document.type_name());
  }
  auto value = std::make_shared<Value>();
  value->json = std::move(document);
  return {std::move(where), std::move(value)};
}

std::string read_text(const std::string& path, std::uint64_t max_bytes) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    throw SystemError(path, "cannot be opened");
  }
  constexpr std::size_t piece_bytes = 1U << 16U;
  std::string text;
  while (in) {
    const std::size_t before = text.size();
    text.resize(before + piece_bytes);
    in.read(text.data() + before, piece_bytes);
    text.resize(before + static_cast<std::size_t>(in.gcount()));
    if (text.size() > max_bytes) {
      throw SystemError(path, "holds more than {} bytes", max_bytes);
    }
  }
  return text;
}

ConfigObject ConfigObject::read(const std::string& path) {
  return parse(path, read_text(path, max_config_bytes));
}

std::string ConfigObject::where_of(std::string_view key) const {
  return where_.find(": /") == std::string::npos ? fmt::format("{}: /{}", where_, key)
                                                 : fmt::format("{}/{}", where_, key);
}

std::vector<std::string> ConfigObject::keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : value_->json.items()) {
    keys.push_back(key);
  }
  return keys;
}

bool ConfigObject::has(std::string_view key) const {
  return value_->json.contains(key);
}

double ConfigObject::number(std::string_view key, double least, double most) {
  asked_.emplace_back(key);
  const Json& value = member(value_->json, key, where_);
  if (!value.is_number() || !(value.get<double>() >= least && value.get<double>() <= most)) {
    throw ConfigError(where_of(key), "expected a number from {} to {}, found {}", least, most, value.dump());
  }
  return value.get<double>();
}

std::uint64_t ConfigObject::integer(std::string_view key, std::uint64_t least, std::uint64_t most) {
  asked_.emplace_back(key);
  return as_integer(where_of(key), member(value_->json, key, where_), least, most);
}

bool ConfigObject::flag(std::string_view key) {
  asked_.emplace_back(key);
  const Json& value = member(value_->json, key, where_);
  if (!value.is_boolean()) {
    throw ConfigError(where_of(key), "expected true or false, found {}", value.dump());
  }
  return value.get<bool>();
}

std::string ConfigObject::text(std::string_view key) {
  asked_.emplace_back(key);
  const Json& value = member(value_->json, key, where_);
  if (!value.is_string()) {
    throw ConfigError(where_of(key), "expected a string, found {}", value.dump());
  }
  return value.get<std::string>();
}

std::vector<std::string> ConfigObject::texts(std::string_view key) {
  asked_.emplace_back(key);
  const Json& value = member(value_->json, key, where_);
  if (!value.is_array()) {
    return {as_text(where_of(key), value)};
  }
  if (value.empty()) {
    throw ConfigError(where_of(key), "expected at least one value, found []");
  }
  std::vector<std::string> texts;
  std::transform(value.begin(), value.end(), std::back_inserter(texts),
                 [&](const Json& item) { return as_text(where_of(key), item); });
  return texts;
}

std::vector<std::uint64_t> ConfigObject::integers(std::string_view key, std::uint64_t least, std::uint64_t most) {
  asked_.emplace_back(key);
  const Json& value = member(value_->json, key, where_);
  if (!value.is_array()) {
    throw ConfigError(where_of(key), "expected an array of integers, found {}", value.dump());
  }
  std::vector<std::uint64_t> integers;
  std::transform(value.begin(), value.end(), std::back_inserter(integers),
                 [&](const Json& item) { return as_integer(where_of(key), item, least, most); });
  return integers;
}

ConfigObject ConfigObject::object(std::string_view key) {
  asked_.emplace_back(key);
  const Json& value = member(value_->json, key, where_);
  if (!value.is_object()) {
    throw ConfigError(where_of(key), "expected an object, found {}", value.dump());
  }
  return {where_of(key), std::make_shared<Value>(Value{value})};
}

std::vector<ConfigObject> ConfigObject::objects(std::string_view key) {
  asked_.emplace_back(key);
  const Json& value = member(value_->json, key, where_);
  if (!value.is_array() || !std::all_of(value.begin(), value.end(), [](const Json& v) { return v.is_object(); })) {
    throw ConfigError(where_of(key), "expected an array of objects, found {}", value.dump());
  }
  std::vector<ConfigObject> objects;
  for (std::size_t i = 0; i < value.size(); ++i) {
    objects.push_back({fmt::format("{}/{}", where_of(key), i), std::make_shared<Value>(Value{value[i]})});
  }
  return objects;
}

void ConfigObject::set(std::string_view option, std::string_view key, std::string_view value) {
  const auto found = value_->json.find(key);
  if (found == value_->json.end()) {
    throw ConfigError(option, "{} has no parameter {}", where_, unknown_name(key, keys()));
  }
  const Json parsed = Json::parse(value, nullptr, /*allow_exceptions=*/false);
  *found = parsed.is_number() || parsed.is_boolean() ? parsed : Json(std::string(value));
}

void ConfigObject::refuse_unread() const {
  for (const std::string& key : keys()) {
    if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) {
      throw ConfigError(where_, "unknown key {}", unknown_name(key, asked_));
    }
  }
}

}  // namespace dsasim
