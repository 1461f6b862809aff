#include "dsasim/config/named_parameters.hpp"

#include "dsasim/error.hpp"

#include <algorithm>

namespace dsasim {

NamedParameters parse_named_parameters(std::string_view option, std::string_view text) {
  NamedParameters out{.name = std::string(text.substr(0, text.find(','))), .parameters = {}};
  while (text.find(',') != std::string_view::npos) {
    text.remove_prefix(text.find(',') + 1);
    const std::string_view part = text.substr(0, text.find(','));
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      throw ConfigError(option, "{}: expected key=value, found \"{}\"", out.name, part);
    }
    const std::string_view key = part.substr(0, equals);
    if (std::ranges::any_of(out.parameters, [key](const auto& given) { return given.first == key; })) {
      throw ConfigError(option, "{}: {}: given twice", out.name, key);
    }
    out.parameters.emplace_back(key, part.substr(equals + 1));
  }
  return out;
}

}  // namespace dsasim
