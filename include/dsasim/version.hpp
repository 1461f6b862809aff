#pragma once

#include <string_view>

namespace dsasim {

/// "0.1.0": the version of the library and of the tool, from project() in CMakeLists.txt.
std::string_view version() noexcept;

}  // namespace dsasim
