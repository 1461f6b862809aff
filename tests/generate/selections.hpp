#pragma once

#include "dsasim/trace/reader.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

namespace dsasim::testing {

/// Of a request: by step and layer.
inline std::vector<std::vector<std::set<std::uint32_t>>> selections_of(const TraceReader& trace,
                                                                       std::uint32_t request) {
  std::vector<std::vector<std::set<std::uint32_t>>> by_step;
  RequestCursor cursor(trace, request, 0, trace.extent(request).steps);
  while (cursor.next()) {
    by_step.emplace_back();
    for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
      const SelectionView view = cursor.selection(layer);
      std::set<std::uint32_t>& ids = by_step.back().emplace_back();
      for (std::uint32_t i = 0; i < view.size; ++i) {
        ids.insert(ids.end(), value(view.ids[i]));
      }
    }
  }
  return by_step;
}

inline std::size_t common(const std::set<std::uint32_t>& a, const std::set<std::uint32_t>& b) {
  return static_cast<std::size_t>(std::count_if(a.begin(), a.end(), [&](auto id) { return b.count(id) != 0; }));
}

}  // namespace dsasim::testing
