#include "dsasim/config/bytes.hpp"

#include "config/byte_units.hpp"
#include "dsasim/error.hpp"

#include <charconv>

namespace dsasim {

std::uint64_t parse_bytes(std::string_view option, std::string_view text, std::uint64_t most) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const std::string_view unit(stop, static_cast<std::size_t>(end - stop));
  const std::uint64_t multiplier = unit.empty() ? 1 : bytes_of_unit(unit);
  if (error != std::errc{} || multiplier == 0 || number > most / multiplier) {
    throw ConfigError(option, "expected bytes like 62914560, 60MB or 60MiB, at most {}, found \"{}\"", most, text);
  }
  return number * multiplier;
}

}  // namespace dsasim
