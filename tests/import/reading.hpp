#pragma once

#include "captures.hpp"
#include "dsasim/error.hpp"
#include "dsasim/import/import.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace captures {

inline std::unique_ptr<dsasim::CaptureSource> open(std::string_view format, const std::filesystem::path& path,
                                                   const dsasim::ImportOptions& options = {}) {
  for (const dsasim::ImportFormat& row : dsasim::import_formats()) {
    if (row.name == format) {
      return row.open(path, options);
    }
  }
  throw std::logic_error("no such format");
}

struct Contents {
  dsasim::CaptureShape shape;
  std::vector<std::int64_t> ids;
  std::vector<std::uint16_t> scores;
};

inline Contents read_all(std::string_view format, const std::filesystem::path& path,
                         const dsasim::ImportOptions& options = {}) {
  const auto source = open(format, path, options);
  Contents out{.shape = source->shape(), .ids = {}, .scores = {}};
  std::vector<std::int64_t> ids;
  std::vector<std::uint16_t> scores;
  for (std::uint64_t step = 0; step < out.shape.steps; ++step) {
    source->read_step(ids, scores);
    out.ids.insert(out.ids.end(), ids.begin(), ids.end());
    out.scores.insert(out.scores.end(), scores.begin(), scores.end());
  }
  return out;
}

/// The message of the Error that `action` throws, without the directory; "" if it throws none.
template <class Action>
std::string error_of(const TempDir& dir, Action action) {
  try {
    action();
  } catch (const dsasim::Error& error) {
    return dir.strip(error.what());
  }
  return "";
}

}  // namespace captures
