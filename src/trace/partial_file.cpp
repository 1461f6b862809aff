#include "dsasim/trace/partial_file.hpp"

#include "dsasim/error.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <system_error>

namespace dsasim {
namespace {

namespace fs = std::filesystem;

/// Where a link leads whose end does not exist, which fs::canonical refuses; the path itself if it is none.
fs::path follow_dangling(fs::path path) {
  constexpr int most_links = 40;  // as the kernel follows
  std::error_code error;
  for (int i = 0; i < most_links && fs::is_symlink(path, error); ++i) {
    path = path.parent_path() / fs::read_symlink(path, error);  // an absolute one replaces the folder
  }
  return path;
}

}  // namespace

PartialFile::PartialFile(const fs::path& output) {
  std::error_code error;
  const fs::file_status found = fs::status(output, error);
  in_place_ = fs::exists(found) && !fs::is_regular_file(found);
  output_ = fs::is_regular_file(found) ? fs::canonical(output) : fs::exists(found) ? output : follow_dangling(output);
  path_ = output_;
  if (!in_place_) {
    path_ += fmt::format(".partial-{}", ::getpid());
  }
}

PartialFile::~PartialFile() {
  if (!in_place_) {
    std::error_code ignored;  // there is nothing left to be done about it
    fs::remove(path_, ignored);
  }
}

void PartialFile::keep() {
  if (in_place_) {
    return;
  }
  std::error_code error;
  const fs::file_status replaced = fs::status(output_, error);
  if (fs::is_regular_file(replaced)) {
    fs::permissions(path_, replaced.permissions(), error);  // who may read it is not ours to change
  }
  fs::rename(path_, output_, error);
  if (error) {
    throw SystemError(output_.string(), "the finished file cannot take its name: {}", error.message());
  }
}

}  // namespace dsasim
