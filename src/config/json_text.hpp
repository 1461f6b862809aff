#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace dsasim {

/// A document as it is written. Text that is no UTF-8 (names of files may be anything) has its bad bytes replaced.
template <class Json>
std::string json_text(const Json& document) {
  return document.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

}  // namespace dsasim
