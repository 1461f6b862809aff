#pragma once

#include "dsasim/error.hpp"
#include "dsasim/trace/header.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

// Values as people write them, in options, configuration files and grids. Exact: "010" is 10 and "4e3" is an error.
// `where` is what errors begin with.

namespace dsasim {

/// Throws ConfigError for what is no number, or none from `least` to `most`.
template <class T>
T parse_number(std::string_view where, std::string_view text, T least, T most) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= least && value <= most)) {
    throw ConfigError(where, "expected a number from {} to {}, found \"{}\"", least, most, text);
  }
  return value;
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
  const auto found = std::find_if(names.begin(), names.end(), [&](const auto& name) { return name.first == text; });
  if (found == names.end()) {
    throw ConfigError(where, "expected one of {}, found \"{}\"", choices_text(names, ", "), text);
  }
  return found->second;
}

/// true or false.
bool parse_flag(std::string_view where, std::string_view text);

/// A number of bytes: 62914560, 60MB or 37.5MiB. Throws ConfigError for another form, and above `most`.
std::uint64_t parse_bytes(std::string_view where, std::string_view text, std::uint64_t most);

/// A:B. Throws ConfigError for another form.
StepRange parse_steps(std::string_view where, std::string_view text);

/// The items of a list that commas or newlines divide.
std::vector<std::string_view> list_items(std::string_view text);

}  // namespace dsasim
