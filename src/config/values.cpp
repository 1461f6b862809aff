#include "dsasim/config/values.hpp"

#include "config/byte_units.hpp"
#include "dsasim/config/number_of.hpp"
#include "dsasim/error.hpp"

#include <algorithm>
#include <limits>
#include <optional>

namespace dsasim {

std::string without_exponent(std::string_view text) {
  const std::size_t mark = text.find_first_of("eE");
  const std::optional<std::uint64_t> exponent =
      mark == std::string_view::npos ? std::nullopt : number_of<std::uint64_t>(text.substr(mark + 1));
  constexpr std::uint64_t most_exponent = 19;  // of what fits 64 bits
  if (!exponent || *exponent > most_exponent) {
    return std::string(text);
  }
  const std::string_view number = text.substr(0, mark);
  const std::size_t point = std::min(number.find('.'), number.size());
  const std::string_view part = number.substr(std::min(point + 1, number.size()));
  if (point == 0 || part.size() > *exponent || (point + 1 == number.size())) {
    return std::string(text);  // no whole number
  }
  return std::string(number.substr(0, point)).append(part).append(*exponent - part.size(), '0');
}

std::uint64_t parse_bytes(std::string_view where, std::string_view text, std::uint64_t most) {
  const std::size_t number_end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view number = text.substr(0, number_end);
  const std::string_view unit = text.substr(number_end);
  const std::uint64_t multiplier = unit.empty() ? 1 : bytes_of_unit(unit);
  const std::size_t point = std::min(number.find('.'), number.size());
  const std::optional<std::uint64_t> whole = number_of<std::uint64_t>(number.substr(0, point));
  std::uint64_t part = 0;  // of a unit, in bytes; no optional: g++ 13 and 14 warn that it may be uninitialized
  bool part_is_good = true;
  if (point < number.size()) {
    constexpr std::size_t most_digits = 9;  // with 1 GiB they fit 64 bits
    const std::string_view digits = number.substr(point + 1);
    const std::string_view leading = digits.substr(0, most_digits);
    const std::optional<std::uint64_t> units = number_of<std::uint64_t>(leading);
    part_is_good = units && leading == digits && multiplier > 1;
    std::uint64_t divisor = 1;
    for (std::size_t i = 0; i < leading.size(); ++i) {
      divisor *= 10;
    }
    part = units.value_or(0) * multiplier / divisor;
  }
  if (!whole || !part_is_good || multiplier == 0 || *whole > most / multiplier || part > most - *whole * multiplier) {
    throw ConfigError(where, "expected bytes like 62914560, 60MB or 37.5MiB, at most {}, found \"{}\"", most, text);
  }
  return *whole * multiplier + part;
}

bool parse_flag(std::string_view where, std::string_view text) {
  if (text != "true" && text != "false") {
    throw ConfigError(where, "expected true or false, found \"{}\"", text);
  }
  return text == "true";
}

StepRange parse_steps(std::string_view where, std::string_view text) {
  const std::size_t colon = text.find(':');
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  if (colon == std::string_view::npos) {
    throw ConfigError(where, "expected A:B (from step A up to, not including, step B), found \"{}\"", text);
  }
  return {.first = parse_number<std::uint64_t>(where, text.substr(0, colon), 0, most),
          .last = parse_number<std::uint64_t>(where, text.substr(colon + 1), 0, most)};
}

std::vector<std::string_view> list_items(std::string_view text) {
  std::vector<std::string_view> items;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find_first_of(",\n", at), text.size());
    items.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return items;
}

}  // namespace dsasim
