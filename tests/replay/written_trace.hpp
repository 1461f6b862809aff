#pragma once

#include "dsasim/trace/reader.hpp"
#include "replay/small_traces.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <filesystem>

namespace dsasim::test {

/// The file is gone from its folder at once, and the reader keeps it open: tests run side by side.
inline TraceReader written(const PlainTrace& trace) {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("dsasim_written_{}.dsat", ::getpid());
  write_trace(path, trace);
  TraceReader reader(path);
  std::filesystem::remove(path);
  return reader;
}

}  // namespace dsasim::test
