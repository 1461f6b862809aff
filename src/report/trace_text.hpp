#pragma once

#include "dsasim/replay/replay.hpp"
#include "dsasim/trace/reader.hpp"

#include <fmt/format.h>

#include <array>
#include <cstddef>
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

/// A quantity with three digits or more: 1.34 MB, 12.5 ms.
template <std::size_t N>
std::string scaled(double value, const std::array<const char*, N>& units) {
  std::size_t unit = 0;
  for (; value >= 1000 && unit + 1 < N; ++unit) {
    value /= 1000;
  }
  return fmt::format("{:.{}f} {}", value, unit == 0 ? 0 : (value < 100 ? 2 : 1), units[unit]);
}

inline std::string bytes_text(double bytes) {
  return scaled(bytes, std::array{"B", "kB", "MB", "GB", "TB"});
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

/// The time of a token, in digits that show what a cache does to it: a per cent, or a part of one.
inline std::string token_text(double ns) {
  return fmt::format("{:.4f} ms", ns / 1e6);
}

inline std::string memory_text(const EffectiveConfig& config) {
  return config.memory_config
             ? fmt::format("{} memory, {}", config.memory_model, config.memory_config->where())
             : fmt::format("{} memory, {} ns a missed page", config.memory_model, config.asked.memory.miss_ns);
}

/// A table's first line.
inline std::string trace_text(const TraceReader& trace) {
  return fmt::format("{}: requests {}, layers {}, steps {}, top-k {}",
                     std::filesystem::path(trace.name()).filename().string(), trace.request_count(),
                     trace.layer_count(), trace.longest_request_steps(), trace.longest_selection());
}

}  // namespace dsasim
