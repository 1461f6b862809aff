#include "byte_source.hpp"

#include "dsasim/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

namespace dsasim {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t first_bytes_size = 4096;
constexpr std::size_t longest_printed = 64;

struct CloseFile {
  void operator()(std::FILE* file) const noexcept {
    static_cast<void>(std::fclose(file));  // opened for reading: nothing can be lost
  }
};
using FileHandle = std::unique_ptr<std::FILE, CloseFile>;

std::string reason(int error_number) {
  return std::generic_category().message(error_number);
}

/// Without stdio's own buffer: all reads are of a reader's buffer, 1 MiB at a time.
FileHandle open_handle(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    throw SystemError(path.string(), "not a regular file");
  }
  errno = 0;
  FileHandle file(std::fopen(path.c_str(), "rb"));
  if (!file) {
    throw SystemError(path.string(), "cannot open: {}", reason(errno));
  }
  static_cast<void>(std::setvbuf(file.get(), nullptr, _IONBF, 0));
  return file;
}

std::size_t read_some(std::FILE* file, const std::string& name, void* out, std::size_t size) {
  errno = 0;
  const std::size_t done = std::fread(out, 1, size, file);
  if (done < size && std::ferror(file) != 0) {
    throw SystemError(name, "cannot read: {}", reason(errno));
  }
  return done;
}

class FileBytes final : public ByteSource {
 public:
  explicit FileBytes(const fs::path& path) : file_(open_handle(path)), name_(path.string()) {
    std::error_code error;
    size_ = fs::file_size(path, error);
    if (error) {
      throw SystemError(name_, "cannot read its size: {}", error.message());
    }
  }

  FileBytes(const fs::path& path, std::uint64_t begin, std::uint64_t size, std::string name)
      : file_(open_handle(path)), name_(std::move(name)), size_(size) {
    errno = 0;
    if (::fseeko(file_.get(), static_cast<off_t>(begin), SEEK_SET) != 0) {
      throw SystemError(name_, "cannot go to byte {}: {}", begin, reason(errno));
    }
  }

  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return size_; }

  void read(std::span<std::byte> out) override {
    const std::size_t done = read_some(file_.get(), name_, out.data(), out.size());
    position_ += done;
    if (done < out.size()) {
      throw TraceError(name_, "ends after {} bytes, {} are expected", position_, size_);
    }
  }

  void finish() override {}

 private:
  FileHandle file_;
  std::string name_;
  std::uint64_t size_ = 0;
  std::uint64_t position_ = 0;
};

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code >= 0x7f) {
      out += fmt::format("\\x{:02x}", code);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::unique_ptr<ByteSource> open_file(const fs::path& path) {
  return std::make_unique<FileBytes>(path);
}

std::unique_ptr<ByteSource> open_part(const fs::path& path, std::uint64_t begin, std::uint64_t size, std::string name) {
  return std::make_unique<FileBytes>(path, begin, size, std::move(name));
}

std::vector<unsigned char> read_first_bytes(const fs::path& path) {
  const FileHandle file = open_handle(path);
  std::vector<unsigned char> bytes(first_bytes_size);
  bytes.resize(read_some(file.get(), path.string(), bytes.data(), bytes.size()));
  return bytes;
}

bool starts_with(std::span<const unsigned char> bytes, std::string_view magic) noexcept {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

void require_start(const fs::path& path, bool (*recognised)(std::span<const unsigned char>),
                   std::string_view expected) {
  const std::vector<unsigned char> bytes = read_first_bytes(path);
  if (bytes.empty()) {
    throw TraceError(path.string(), "is empty, expected {}", expected);
  }
  if (!recognised(bytes)) {
    throw TraceError(path.string(), "starts with {}, expected {}", quoted_start(bytes), expected);
  }
}

std::string quoted_start(std::span<const unsigned char> bytes) {
  std::string text;
  for (const unsigned char c : bytes.first(std::min<std::size_t>(bytes.size(), 8))) {
    text += static_cast<char>(c);
  }
  return fmt::format("\"{}\"", escaped(text));
}

std::string printable(std::string_view text) {
  return text.size() <= longest_printed ? escaped(text) : escaped(text.substr(0, longest_printed)) + "...";
}

}  // namespace dsasim
