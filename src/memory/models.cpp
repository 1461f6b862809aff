#include "dsasim/memory/memory_model.hpp"

#include "dsasim/error.hpp"
#include "memory/serial.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

namespace dsasim {
namespace {

constexpr std::array models = {
    MemoryDescription{.name = "serial",
                      .sentence = "Every missed page costs --miss-ns, one after the other: an upper bound.",
                      .parameters = "--miss-ns NS (200)",
                      .source = "N. Levy, arXiv 2603.13430, Table 4",
                      .make = [](const MemorySpec& spec) -> std::unique_ptr<const MemoryModel> {
                        return std::make_unique<SerialMemory>(spec.miss_ns);
                      }},
};

/// Keeps the time of any gather within what an integer of nanoseconds holds.
constexpr double max_miss_ns = 1e9;

}  // namespace

std::span<const MemoryDescription> memory_models() {
  return models;
}

std::unique_ptr<const MemoryModel> make_memory_model(const MemorySpec& spec) {
  if (!(spec.miss_ns >= 0 && spec.miss_ns <= max_miss_ns)) {
    throw ConfigError("--miss-ns", "expected 0 to {:.0f} nanoseconds, found {}", max_miss_ns, spec.miss_ns);
  }
  const auto* found = std::find_if(models.begin(), models.end(), [&](const auto& m) { return m.name == spec.name; });
  if (found == models.end()) {
    std::vector<std::string_view> names;
    std::transform(models.begin(), models.end(), std::back_inserter(names), [](const auto& m) { return m.name; });
    throw ConfigError("--memory", "unknown memory model \"{}\"; known: {}", spec.name, fmt::join(names, ", "));
  }
  return found->make(spec);
}

}  // namespace dsasim
