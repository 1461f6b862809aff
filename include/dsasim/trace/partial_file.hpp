#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>

namespace dsasim {

/// Where a chain of links ends, be there a file or not; the path itself if it is no link.
std::filesystem::path end_of_links(std::filesystem::path path);

/// A name that is to be gone if a signal ends the program while this object lives: a file, or a folder that is empty.
/// To be made before the file is.
class UnfinishedName {
 public:
  explicit UnfinishedName(const std::filesystem::path& path) noexcept;
  ~UnfinishedName();
  UnfinishedName(const UnfinishedName&) = delete;
  UnfinishedName& operator=(const UnfinishedName&) = delete;

 private:
  std::size_t slot_ = 0;
};

/// Removes what UnfinishedName objects name, in any thread, and says whether there was something. For the handler of a
/// signal that ends the program: it is async-signal-safe, and threads that come to make or end such an object wait
/// for ever.
bool remove_unfinished() noexcept;

/// The file that takes the name of an output once it is whole: what stood there before still stands until then, and an
/// interrupted run leaves no half of a result under the name. A signal that ends the program removes it, if the program
/// calls remove_unfinished(). It lies beside the output, so that taking the name is one
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
  std::optional<UnfinishedName> unfinished_;
};

}  // namespace dsasim
