#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// Bytes that are read once, from front to back: a file, or a member of a zip archive.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// For messages: "req_0.npy", or "req_0.npz: topk_indices".
  virtual const std::string& name() const = 0;
  /// Bytes in all, counted from the first.
  virtual std::uint64_t size() const = 0;
  /// Fills `out`. Throws TraceError if the source is damaged or ends before.
  virtual void read(std::span<std::byte> out) = 0;
  /// Called after the last byte; throws TraceError if a checksum does not hold or if more bytes follow.
  virtual void finish() = 0;
};

std::unique_ptr<ByteSource> open_file(const std::filesystem::path& path);

/// So many bytes of a file from `begin` on, which it has to have; `name` is for messages.
std::unique_ptr<ByteSource> open_part(const std::filesystem::path& path, std::uint64_t begin, std::uint64_t size,
                                      std::string name);

/// Up to 4096 of them, as they stand in the file. Throws SystemError for what is no readable regular file.
std::vector<unsigned char> read_first_bytes(const std::filesystem::path& path);

bool starts_with(std::span<const unsigned char> bytes, std::string_view magic) noexcept;

/// Throws TraceError, saying what the file starts with, unless `recognised`. `expected`: "a zip file (...)".
void require_start(const std::filesystem::path& path, bool (*recognised)(std::span<const unsigned char>),
                   std::string_view expected);

/// The start of the bytes, quoted for a message: "\x93NUMPY\x01\x00".
std::string quoted_start(std::span<const unsigned char> bytes);

/// Text out of a foreign file, fit for a message of one line: control characters escaped, long text cut.
std::string printable(std::string_view text);

}  // namespace dsasim
