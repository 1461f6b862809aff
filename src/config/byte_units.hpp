#pragma once

#include "dsasim/config/names.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

namespace dsasim {

/// The units in which options take bytes: 1'000'000 for "MB" and "mb". 0 for what is none.
inline std::uint64_t bytes_of_unit(std::string_view unit) noexcept {
  constexpr std::array<std::pair<std::string_view, std::uint64_t>, 7> units{{{"B", 1},
                                                                             {"kB", 1'000},
                                                                             {"MB", 1'000'000},
                                                                             {"GB", 1'000'000'000},
                                                                             {"KiB", 1ULL << 10U},
                                                                             {"MiB", 1ULL << 20U},
                                                                             {"GiB", 1ULL << 30U}}};
  const auto* found =
      std::find_if(units.begin(), units.end(), [&](const auto& known) { return is_name(unit, known.first); });
  return found == units.end() ? 0 : found->second;
}

}  // namespace dsasim
