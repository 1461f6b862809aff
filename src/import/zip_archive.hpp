#pragma once

#include "byte_source.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

struct zip;

namespace dsasim {

/// A zip archive, open for reading. Its members can be read side by side, from one thread.
class ZipArchive {
 public:
  struct Member {
    std::string name;
    std::uint64_t index = 0;
  };

  /// Reads the directory. Throws TraceError if the file is no intact zip archive or has two members of one name.
  explicit ZipArchive(const std::filesystem::path& path);

  const std::string& name() const noexcept { return name_; }
  const std::vector<Member>& members() const noexcept { return members_; }

  /// Opens a member; `key` names it in messages. Throws TraceError if it is encrypted, compressed by another method
  /// than deflate, or claims a size that its compressed bytes cannot have.
  std::unique_ptr<ByteSource> open(const Member& member, const std::string& key) const;

 private:
  std::string name_;
  std::uint64_t file_bytes_ = 0;
  std::shared_ptr<::zip> handle_;  ///< shared with the open members
  std::vector<Member> members_;
};

}  // namespace dsasim
