#pragma once

#include "dsasim/replay/replay.hpp"
#include "dsasim/trace/reader.hpp"

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

/// What figures of several traces are of; `counts` are what was added up.
inline std::string traces_text(const std::vector<std::string>& names, std::string_view counts) {
  const std::string first = std::filesystem::path(names.front()).filename().string();
  return names.size() == 1 ? first : fmt::format("{} and {} more, {} added up", first, names.size() - 1, counts);
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

/// Whose a cache is, and what it holds if not entries.
inline std::string caches_text(const ReplayConfig& config) {
  const Granularity& granularity = config.granularity;
  return scope_text(config.scope) +
         (granularity.is_entry() ? std::string()
          : granularity.tokens   ? std::string(", by token")
                                 : fmt::format(", in blocks of {} entries", grouped(granularity.block_entries)));
}

/// The time of a token, in digits that show what a cache does to it: a per cent, or a part of one.
inline std::string token_text(double ns) {
  return fmt::format("{:.4f} ms", ns / 1e6);
}

/// Whose kernels a token's time is of.
inline std::string kernels_text(const EffectiveConfig& config) {
  return config.lower_bound ? "from the data sheet alone, a lower bound"
                            : fmt::format("kernels of {}, docs/step-time.md", config.kernels_name);
}

/// A gain as a part of a token of `whole_ns`, with its error.
inline std::string gain_text(double ns, std::optional<double> error_ns, double whole_ns) {
  const auto percent = [&](double part) { return 100 * part / whole_ns; };
  return error_ns ? fmt::format("{:.2f}% +- {:.2f}%", percent(ns), percent(*error_ns))
                  : fmt::format("{:.2f}%", percent(ns));
}

/// What was changed of the configuration that a memory is named by.
inline std::string overrides_text(const MemorySpec& memory) {
  std::string text;
  for (const auto& [key, value] : memory.parameters) {
    text += fmt::format("{}{}={}", text.empty() ? " with " : ", ", key, value);
  }
  return text;
}

inline std::string memory_text(const EffectiveConfig& config) {
  if (!config.memory_config) {
    return fmt::format("{} memory, {} ns a missed page", config.memory_model, config.asked.memory.serial_miss_ns());
  }
  const std::string text =
      fmt::format("{} memory, {}{}", config.memory_model, config.memory_config->where(), overrides_text(config.memory));
  return config.gpu_name.empty() || config.asked.memory.name.empty() ? text : text + ", instead of the GPU's";
}

/// What the caches hold together: a capacity is of each.
inline std::string reservation_text(const Reservation& reservation) {
  return fmt::format("{} cache{}: {} entries{}", grouped(reservation.caches), reservation.caches == 1 ? "" : "s",
                     grouped(reservation.entries),
                     reservation.bytes ? ", " + bytes_text(static_cast<double>(*reservation.bytes)) : "");
}

/// Layers of the trace and of the model, where there is one and they are not as many; otherwise empty.
inline std::string layers_text(const TraceReader& trace, const EffectiveConfig& config, std::uint64_t hidden_layers) {
  if (config.model_name.empty() || hidden_layers == trace.layer_count()) {
    return "";
  }
  return fmt::format(
      "trace: {} layers; {}: {} that select, each of the trace's stands for {:.2f}. Bytes and times are of the model's "
      "layers, counts of the trace's.\n",
      trace.layer_count(), config.model_name, hidden_layers,
      static_cast<double>(hidden_layers) / static_cast<double>(trace.layer_count()));
}

/// A table's first line.
inline std::string trace_text(const TraceReader& trace) {
  return fmt::format("{}: requests {}, layers {}, steps {}, top-k {}",
                     std::filesystem::path(trace.name()).filename().string(), trace.request_count(),
                     trace.layer_count(), trace.longest_request_steps(), trace.longest_selection());
}

}  // namespace dsasim
