#pragma once

#include <nlohmann/json.hpp>

#include <optional>
#include <string>

namespace dsasim {

template <class T>
nlohmann::ordered_json or_null(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

/// A document as it is written. Text that is no UTF-8 (names of files may be anything) has its bad bytes replaced.
template <class Json>
std::string json_text(const Json& document) {
  return document.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

}  // namespace dsasim
