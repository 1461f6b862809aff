#include "dsasim/config/number_of.hpp"
#include "dsasim/diff/diff.hpp"
#include "dsasim/error.hpp"

#include <cmath>

namespace dsasim {

Tolerance parse_tolerance(std::string_view text) {
  Tolerance tolerance;
  const std::size_t equals = text.find('=');
  std::string_view number = text;
  if (equals != std::string_view::npos) {
    tolerance.field = text.substr(0, equals);
    number.remove_prefix(equals + 1);
  }
  const bool percent = number.ends_with('%');
  number.remove_suffix(percent ? 1 : 0);
  const auto value = number_of<double>(number);
  if (!value || !(*value >= 0) || std::isinf(*value) || equals == 0) {
    throw ConfigError("`tolerance`", "expected 0.01, 5%, FIELD=0.01 or FIELD=5%, found \"{}\"", text);
  }
  tolerance.absolute = percent ? 0 : *value;
  tolerance.relative = percent ? *value / 100 : *value < 1 ? *value : 0;
  return tolerance;
}

}  // namespace dsasim
