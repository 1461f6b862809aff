#pragma once

#include "dsasim/config/names.hpp"
#include "dsasim/config/number_of.hpp"
#include "dsasim/error.hpp"
#include "dsasim/trace/header.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

// Values as people write them, in options, configuration files and grids. "010" is 10, "4e3" is 4000, and "50%" is 0.5
// where a share is asked for. `where` is what errors begin with.

namespace dsasim {

/// "1500" for "1.5e3"; the text itself if it is no whole number with an exponent.
std::string without_exponent(std::string_view text);

/// Throws ConfigError for what is no number, or none from `least` to `most`.
template <class T>
T parse_number(std::string_view where, std::string_view text, T least, T most) {
  const bool is_percentage = std::is_floating_point_v<T> && most == T{1} && text.ends_with('%');
  std::string digits(text.substr(0, text.size() - (is_percentage ? 1 : 0)));
  if constexpr (std::is_integral_v<T>) {
    digits = without_exponent(digits);
  }
  auto value = number_of<T>(digits);
  if (value && is_percentage) {
    *value /= T{100};
  }
  if (!value || !(*value >= least && *value <= most)) {
    throw ConfigError(where, "expected a number from {} to {}, found \"{}\"", least, most, text);
  }
  return *value;
}

/// The choices as an option shows them: none|first|prompt-tail.
template <class Names>
std::string choices_text(const Names& names, std::string_view between = "|") {
  std::vector<std::string_view> known;
  std::transform(names.begin(), names.end(), std::back_inserter(known), [](const auto& name) { return name.first; });
  return fmt::format("{}", fmt::join(known, between));
}

/// `names` are ChoiceName<E>. Throws ConfigError, naming them.
template <class Names>
auto parse_choice(std::string_view where, std::string_view text, const Names& names) {
  const auto found =
      std::find_if(names.begin(), names.end(), [&](const auto& name) { return is_name(text, name.first); });
  if (found == names.end()) {
    throw ConfigError(where, "expected one of {}, found \"{}\"", choices_text(names, ", "), text);
  }
  return found->second;
}

/// true or false.
bool parse_flag(std::string_view where, std::string_view text);

/// A number of bytes: 62914560, 60MB, 60mb or 37.5MiB. Throws ConfigError for another form, and above `most`.
std::uint64_t parse_bytes(std::string_view where, std::string_view text, std::uint64_t most);

/// A:B. Throws ConfigError for another form.
StepRange parse_steps(std::string_view where, std::string_view text);

/// The items of a list that commas or newlines divide.
std::vector<std::string_view> list_items(std::string_view text);

}  // namespace dsasim
