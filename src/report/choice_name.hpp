#pragma once

#include "dsasim/replay/replay.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

namespace dsasim {

/// How a choice is written: in options, configuration files and reports.
template <class E, std::size_t N>
std::string name_of(const std::array<ChoiceName<E>, N>& names, E choice) {
  const auto* found = std::find_if(names.begin(), names.end(), [&](const auto& name) { return name.second == choice; });
  return std::string(found->first);
}

}  // namespace dsasim
