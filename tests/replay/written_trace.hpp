#pragma once

#include "dsasim/trace/reader.hpp"
#include "import/captures.hpp"
#include "replay/small_traces.hpp"

#include <filesystem>

namespace dsasim::test {

/// A trace in a file of its own.
struct Written {
  explicit Written(const PlainTrace& trace) : path((write_trace(folder / "t.dsat", trace), folder / "t.dsat")) {}
  captures::TempDir folder;
  std::filesystem::path path;
  TraceReader reader{path};
};

/// The file is gone with its folder at once, and the reader keeps it open.
inline TraceReader written(const PlainTrace& trace) {
  const captures::TempDir folder;
  write_trace(folder / "t.dsat", trace);
  return TraceReader(folder / "t.dsat");
}

}  // namespace dsasim::test
