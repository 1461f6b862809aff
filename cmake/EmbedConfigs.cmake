# Makes ${PROJECT_BINARY_DIR}/embedded_configs.cpp of configs/*.json and configs/*/*.json, so that the tool finds them wherever it is installed.
# A change of a file configures again.
function(dsasim_embed_configs target)
  file(GLOB files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/configs/*.json ${PROJECT_SOURCE_DIR}/configs/*/*.json)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${files})
  set(rows "")
  foreach(file IN LISTS files)
    cmake_path(GET file STEM LAST_ONLY name)
    cmake_path(GET file PARENT_PATH folder)
    cmake_path(GET folder FILENAME folder)
    file(READ ${file} text)
    string(APPEND rows "    EmbeddedConfig{\"${folder}\", \"${name}\", R\"json(${text})json\"},\n")
  endforeach()
  set(output ${PROJECT_BINARY_DIR}/embedded_configs.cpp)
  file(CONFIGURE OUTPUT ${output} @ONLY CONTENT [[
#include "config/embedded.hpp"

#include <array>

namespace dsasim {

std::span<const EmbeddedConfig> embedded_configs() {
  static constexpr auto configs = std::to_array<EmbeddedConfig>({
@rows@  });
  return configs;
}

}  // namespace dsasim
]])
  target_sources(${target} PRIVATE ${output})
endfunction()
