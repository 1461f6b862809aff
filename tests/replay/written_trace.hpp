#pragma once

#include "dsasim/trace/reader.hpp"
#include "import/captures.hpp"
#include "replay/small_traces.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <filesystem>

namespace dsasim::test {

/// A trace in a file of its own.
struct Written {
  explicit Written(const PlainTrace& trace) : path((write_trace(folder / "t.dsat", trace), folder / "t.dsat")) {}
  captures::TempDir folder;
  std::filesystem::path path;
  TraceReader reader{path};
};

/// The file is gone from its folder at once, and the reader keeps it open: tests run side by side.
inline TraceReader written(const PlainTrace& trace) {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("dsasim_written_{}.dsat", ::getpid());
  write_trace(path, trace);
  TraceReader reader(path);
  std::filesystem::remove(path);
  return reader;
}

}  // namespace dsasim::test
