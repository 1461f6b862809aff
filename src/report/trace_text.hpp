#pragma once

#include "dsasim/replay/replay.hpp"
#include "dsasim/trace/reader.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <string>

// What the tables have in common.

namespace dsasim {

/// 8388608 as 8,388,608, whatever the locale.
inline std::string grouped(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t at = text.size(); at > 3; at -= 3) {
    text.insert(at - 3, 1, ',');  // as a character: the string form trips GCC bug 105651
  }
  return text;
}

inline std::string ratio_text(std::uint64_t misses, std::uint64_t accesses) {
  return accesses == 0 ? "-"
                       : fmt::format("{:.2f}%", 100.0 * static_cast<double>(misses) / static_cast<double>(accesses));
}

inline std::string scope_text(Scope scope) {
  switch (scope) {
    case Scope::shared:
      return "one cache shared by all";
    case Scope::layer:
      return "a cache for each layer";
    case Scope::request:
      return "a cache for each request";
    case Scope::stream:
      break;
  }
  return "a cache for each request and layer";
}

/// A table's first line.
inline std::string trace_text(const TraceReader& trace) {
  return fmt::format("{}: requests {}, layers {}, steps {}, top-k {}",
                     std::filesystem::path(trace.name()).filename().string(), trace.request_count(),
                     trace.layer_count(), trace.longest_request_steps(), trace.longest_selection());
}

}  // namespace dsasim
