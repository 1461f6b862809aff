#include "recognise.hpp"

#include "byte_source.hpp"
#include "dsasim/config/names.hpp"
#include "dsasim/error.hpp"
#include "json_fields.hpp"
#include "text_stream.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <string_view>
#include <vector>

namespace dsasim {
namespace {

namespace fs = std::filesystem;

std::vector<std::string_view> format_names() {
  std::vector<std::string_view> names;
  for (const ImportFormat& format : import_formats()) {
    names.push_back(format.name);
  }
  return names;
}

/// "choices[].meta_info" as a way through JSON.
JsonFields::Path path_of(std::string_view name) {
  const std::size_t list = name.find("[].");
  return list == std::string_view::npos ? JsonFields::Path{name}
                                        : JsonFields::Path{name.substr(0, list), "[]", name.substr(list + 3)};
}

/// Whether the first JSON object has one of these fields; of a stream of events, any of its objects.
bool has_one_of(const fs::path& path, std::span<const std::string_view> names) {
  std::vector<JsonFields::Path> paths;
  std::transform(names.begin(), names.end(), std::back_inserter(paths), path_of);
  JsonFields json(path, paths);
  const bool any = holds_events(path);
  auto event = json.next();
  while (any && event == JsonFields::Event::end_of_document) {
    event = json.next();
  }
  return event == JsonFields::Event::field;
}

/// The first key of the first JSON object that one of the formats is known by; "" if there is none.
std::string_view find_json_key(const fs::path& path) {
  std::vector<JsonFields::Path> keys;
  for (const ImportFormat& format : import_formats()) {
    if (!format.json_key.empty()) {
      keys.push_back({format.json_key});
    }
  }
  JsonFields json(path, keys);
  const std::string_view key = json.next() == JsonFields::Event::field ? keys[json.field()].front() : "";
  for (const ImportFormat& format : import_formats()) {
    if (!key.empty() && key != format.json_key && !format.inner_json_keys.empty() &&
        has_one_of(path, format.inner_json_keys)) {
      return format.json_key;
    }
  }
  return key;
}

const ImportFormat* find_format(const CaptureStart& start) {
  const std::span<const ImportFormat> formats = import_formats();
  const auto found =
      std::find_if(formats.begin(), formats.end(), [&](const auto& row) { return row.recognises(start); });
  return found == formats.end() ? nullptr : &*found;
}

bool may_be_json(std::span<const unsigned char> bytes) {
  const auto first = std::find_if(bytes.begin(), bytes.end(), [](unsigned char c) { return c > ' '; });
  return first != bytes.end() && (*first == '{' || *first == '[');
}

const ImportFormat& recognise(const fs::path& path) {
  const std::vector<unsigned char> bytes = read_first_text(path);
  const ImportFormat* const found =
      find_format({.bytes = bytes, .json_key = may_be_json(bytes) ? find_json_key(path) : ""});
  if (found == nullptr) {
    throw TraceError(path.string(), "{}, which no known format does; give `from`, one of {}",
                     bytes.empty() ? "is empty" : fmt::format("starts with {}", quoted_start(bytes)),
                     fmt::join(format_names(), ", "));
  }
  return *found;
}

}  // namespace

const ImportFormat& choose_format(const fs::path& path, const std::string& name) {
  if (name == "auto") {
    return recognise(path);
  }
  const std::span<const ImportFormat> formats = import_formats();
  const auto named = std::find_if(formats.begin(), formats.end(), [&](const auto& row) { return row.name == name; });
  if (named == formats.end()) {
    std::vector<std::string_view> known = format_names();
    known.insert(known.begin(), "auto");
    throw ConfigError("`from`", "unknown format {}", unknown_name(name, known));
  }
  return *named;
}

}  // namespace dsasim
