#pragma once

#include <cstdint>
#include <string_view>

namespace dsasim {

/// "0.2.0": the version of the library and of the tool, from project() in CMakeLists.txt.
std::string_view version() noexcept;

/// "af6c805d1c2e": the commit that was configured, "" if the source is no checkout.
std::string_view commit() noexcept;

/// The newest version of the format of traces that is read: docs/trace-format.md.
std::uint32_t trace_format() noexcept;

}  // namespace dsasim
