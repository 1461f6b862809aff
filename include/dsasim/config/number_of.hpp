#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace dsasim {

/// The number, where it is the whole text and fits: decimal, without a blank or '+'. A floating T reads "inf" and "nan"
/// too (std::from_chars), which a caller's range refuses.
template <class T>
std::optional<T> number_of(std::string_view text) noexcept {
  T number{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc{} && stop == end ? std::optional(number) : std::nullopt;
}

}  // namespace dsasim
