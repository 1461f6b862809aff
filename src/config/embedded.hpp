#pragma once

#include <span>
#include <string_view>

namespace dsasim {

/// A file of configs/, as it was when the library was built: cmake/EmbedConfigs.cmake.
struct EmbeddedConfig {
  std::string_view folder;
  std::string_view name;
  std::string_view text;
};
std::span<const EmbeddedConfig> embedded_configs();

}  // namespace dsasim
