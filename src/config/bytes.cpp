#include "dsasim/config/bytes.hpp"

#include "config/byte_units.hpp"
#include "config/whole_number.hpp"
#include "dsasim/error.hpp"

#include <algorithm>
#include <optional>

namespace dsasim {

std::uint64_t parse_bytes(std::string_view option, std::string_view text, std::uint64_t most) {
  const std::size_t number_end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view number = text.substr(0, number_end);
  const std::string_view unit = text.substr(number_end);
  const std::uint64_t multiplier = unit.empty() ? 1 : bytes_of_unit(unit);
  const std::size_t point = std::min(number.find('.'), number.size());
  const std::optional<std::uint64_t> whole = whole_number(number.substr(0, point));
  std::optional<std::uint64_t> part = 0;  // of a unit, in bytes
  if (point < number.size()) {
    const std::string_view digits = number.substr(point + 1);
    constexpr std::size_t most_digits = 9;  // with 1 GiB they fit 64 bits
    part = digits.size() <= most_digits && multiplier > 1 ? whole_number(digits) : std::nullopt;
    std::uint64_t divisor = 1;
    for (std::size_t i = 0; i < digits.size(); ++i) {
      divisor *= 10;
    }
    part = part ? std::optional(*part * multiplier / divisor) : std::nullopt;
  }
  if (!whole || !part || multiplier == 0 || *whole > most / multiplier || *part > most - *whole * multiplier) {
    throw ConfigError(option, "expected bytes like 62914560, 60MB or 37.5MiB, at most {}, found \"{}\"", most, text);
  }
  return *whole * multiplier + *part;
}

}  // namespace dsasim
