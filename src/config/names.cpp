#include "dsasim/config/names.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace dsasim {
namespace {

constexpr std::size_t longest_name = 64;  // whoever types more did not mean a name

char small(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Edits that make one name of the other: letters inserted, deleted, replaced, or exchanged with the next.
std::size_t edits(std::string_view from, std::string_view to) {
  using Row = std::array<std::size_t, longest_name + 1>;
  Row two_before{};
  Row before{};
  Row now{};
  for (std::size_t j = 0; j <= to.size(); ++j) {
    now[j] = j;
  }
  for (std::size_t i = 1; i <= from.size(); ++i) {
    two_before = before;
    before = now;
    now[0] = i;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const bool same = small(from[i - 1]) == small(to[j - 1]);
      now[j] = std::min({before[j] + 1, now[j - 1] + 1, before[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && small(from[i - 1]) == small(to[j - 2]) && small(from[i - 2]) == small(to[j - 1])) {
        now[j] = std::min(now[j], two_before[j - 2] + 1);
      }
    }
  }
  return now[to.size()];
}

}  // namespace

bool is_name(std::string_view typed, std::string_view known) noexcept {
  return std::ranges::equal(typed, known, {}, small, small);
}

std::string did_you_mean(std::string_view typed, std::span<const std::string_view> known) {
  std::string_view nearest;
  std::size_t least = longest_name;
  for (const std::string_view name : known) {
    if (name.size() > longest_name || typed.size() > longest_name) {
      continue;
    }
    const std::size_t distance = edits(typed, name);
    if (distance < least && distance <= std::max<std::size_t>(1, name.size() / 3) && distance < name.size()) {
      least = distance;
      nearest = name;
    }
  }
  return nearest.empty() ? std::string() : fmt::format(" (did you mean \"{}\"?)", nearest);
}

std::string unknown_name(std::string_view typed, std::span<const std::string_view> known) {
  return fmt::format("\"{}\"{}; known: {}", typed, did_you_mean(typed, known), fmt::join(known, ", "));
}

std::string unknown_name(std::string_view typed, const std::vector<std::string>& known) {
  return unknown_name(typed, std::vector<std::string_view>(known.begin(), known.end()));
}

}  // namespace dsasim
