#pragma once

#include "dsasim/error.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// What the library says of a mistake quotes what it read, which may be anything, and any length.
std::string printable_message(std::string_view message);

/// Parses JSON with comments into a nlohmann document. The library keeps the last of two equal keys; in a configuration
/// both together are a mistake. Whoever reads a document may descend into it by recursion: it is not deeper than 64
/// levels. Throws ConfigError, which begins with `where`.
template <class Document>
Document parse_document(const std::string& where, std::string_view text, std::size_t most_keys) {
  constexpr int most_levels = 64;
  std::vector<std::set<std::string>> open;
  const auto check = [&](int depth, typename Document::parse_event_t event, Document& parsed) {
    if (depth > most_levels) {
      throw ConfigError(where, "nests deeper than {} levels", most_levels);
    }
    if (event == Document::parse_event_t::object_start) {
      open.emplace_back();
    } else if (event == Document::parse_event_t::object_end) {
      open.pop_back();
    } else if (event == Document::parse_event_t::key &&
               !open.back().insert(parsed.template get<std::string>()).second) {
      throw ConfigError(where, "duplicate key {}", parsed.dump());
    } else if (event == Document::parse_event_t::key && open.back().size() > most_keys) {
      throw ConfigError(where, "an object has more than {} keys", most_keys);
    }
    return true;
  };
  try {
    return Document::parse(text, check, /*allow_exceptions=*/true, /*ignore_comments=*/true);
  } catch (const nlohmann::json::exception& error) {
    // Behind the library's own number: "[json.exception.parse_error.101] parse error at line 1, ...".
    const std::string_view message = error.what();
    const std::size_t number_end = message.find("] ");
    const std::size_t begin = number_end == std::string_view::npos ? 0 : number_end + 2;
    throw ConfigError(where, "{}", printable_message(message.substr(begin)));
  }
}

}  // namespace dsasim
