#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

// What every fuzzer does.

namespace dsasim {

/// clang 14 has no std::source_location.
inline void require(bool holds, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (!holds) {
    std::fprintf(stderr, "%s:%d does not hold\n", file, line);
    std::abort();
  }
}

/// Of a file that holds these bytes, until the next call. It never reaches a disk.
inline std::string path_of(const std::uint8_t* data, std::size_t size) {
  static const int file = ::memfd_create("input", 0);
  require(file >= 0 && ::ftruncate(file, 0) == 0 && ::pwrite(file, data, size, 0) == static_cast<ssize_t>(size));
  return "/proc/self/fd/" + std::to_string(file);
}

/// An error is one line that begins with the file's name.
inline void require_names(std::string_view error, const std::string& path) {
  require(error.starts_with(path + ": "));
  require(error.find('\n') == std::string_view::npos);
}

}  // namespace dsasim
