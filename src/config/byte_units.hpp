#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

namespace dsasim {

/// The units in which options take bytes, as they are written: 1'000'000 for "MB". 0 for what is none.
inline std::uint64_t bytes_of_unit(std::string_view unit) noexcept {
  constexpr std::array<std::pair<std::string_view, std::uint64_t>, 8> units{{{"B", 1},
                                                                             {"kB", 1'000},
                                                                             {"KB", 1'000},
                                                                             {"MB", 1'000'000},
                                                                             {"GB", 1'000'000'000},
                                                                             {"KiB", 1ULL << 10U},
                                                                             {"MiB", 1ULL << 20U},
                                                                             {"GiB", 1ULL << 30U}}};
  const auto* found = std::find_if(units.begin(), units.end(), [&](const auto& known) { return known.first == unit; });
  return found == units.end() ? 0 : found->second;
}

}  // namespace dsasim
