#pragma once

#include <filesystem>

namespace dsasim {

/// The file that takes the name of an output once it is whole: what stood there before still stands until then, and an
/// interrupted run leaves no half of a result under the name. It lies beside the output, so that taking the name is one
/// step. Links are followed: what they lead to is replaced, not the link. What is no regular file, as /dev/null or a
/// pipe, is written in place.
class PartialFile {
 public:
  explicit PartialFile(const std::filesystem::path& output);
  /// Removes what was not kept.
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  /// Where to write.
  const std::filesystem::path& path() const noexcept { return path_; }
  /// No regular file: there is nothing to rename, and path() is the output.
  bool in_place() const noexcept { return in_place_; }

  /// It is whole and closed. Throws SystemError if the name cannot be taken.
  void keep();

 private:
  std::filesystem::path output_;
  std::filesystem::path path_;
  bool in_place_ = false;
};

}  // namespace dsasim
