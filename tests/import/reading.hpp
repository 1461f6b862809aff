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

inline std::unique_ptr<dsasim::CaptureFile> open(std::string_view format, const std::filesystem::path& path,
                                                 const dsasim::ImportOptions& options = {}) {
  for (const dsasim::ImportFormat& row : dsasim::import_formats()) {
    if (row.name == format) {
      return row.open(path, options);
    }
  }
  throw std::logic_error("no such format");
}

/// What a file says and holds of a request, all steps together.
struct Contents {
  dsasim::CaptureShape shape;
  std::vector<std::int64_t> ids;
  std::vector<std::uint16_t> scores;
};

inline std::vector<Contents> read_requests(const dsasim::CaptureFile& file) {
  std::vector<Contents> out;
  std::uint64_t steps = 0;
  for (const dsasim::CaptureShape& shape : file.requests()) {
    out.push_back({.shape = shape, .ids = {}, .scores = {}});
    steps += shape.steps;
  }
  const auto source = file.read();
  dsasim::CaptureStep step;
  for (std::uint64_t i = 0; i < steps; ++i) {
    source->read_step(step);
    Contents& request = out.at(step.request);
    request.ids.insert(request.ids.end(), step.ids.begin(), step.ids.end());
    request.scores.insert(request.scores.end(), step.scores.begin(), step.scores.end());
  }
  return out;
}

/// A file of one request.
inline Contents read_all(std::string_view format, const std::filesystem::path& path,
                         const dsasim::ImportOptions& options = {}) {
  return read_requests(*open(format, path, options)).at(0);
}

/// Whether a file is read, or refused with an Error that names it.
inline bool is_read_or_refused(std::string_view format, const std::filesystem::path& path) {
  try {
    return !read_requests(*open(format, path)).empty();
  } catch (const dsasim::Error& error) {
    return std::string_view(error.what()).starts_with(path.string() + ": ");
  }
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
