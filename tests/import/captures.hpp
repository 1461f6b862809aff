#pragma once

// Writes captures the way numpy and hostile strangers do: every part of a .npy and of an .npz is a test's to choose.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace captures {

/// A directory that is gone after the test.
class TempDir {
 public:
  explicit TempDir(const std::filesystem::path& parent = std::filesystem::temp_directory_path());
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  const std::filesystem::path& path() const noexcept { return path_; }
  /// The message without the directory's name in it.
  std::string strip(std::string message) const;

 private:
  std::filesystem::path path_;
};

void write_file(const std::filesystem::path& path, std::string_view bytes);
std::string read_file(const std::filesystem::path& path);

/// The values as little-endian integers of `size` bytes (or the other way round).
std::string integers(const std::vector<std::int64_t>& values, std::size_t size, bool big_endian = false);

/// A .npy file around any dictionary text.
std::string npy_around(std::string_view dictionary, std::string_view data, int major = 1);

/// "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }"
std::string dictionary(std::string_view descr, std::string_view shape, bool fortran = false);

/// An int32 array, for the many tests that are not about types.
std::string npy(std::string_view shape, const std::vector<std::int64_t>& values);
/// A float16 array from raw bits.
std::string halves(std::string_view shape, const std::vector<std::int64_t>& bits);
/// An int64 without dimensions, as numpy.savez writes a Python int.
std::string scalar(std::int64_t value);

std::vector<std::int64_t> iota(std::size_t count);

/// Standard base64, with padding.
std::string base64(std::string_view bytes);
/// A gzip member, a zstd frame.
std::string gzip(std::string_view text);
std::string zstd(std::string_view text);

/// SGLang's response to a request: `meta` holds further members of meta_info, each with a comma before it.
std::string sglang_response(const std::vector<std::int64_t>& ids, std::string_view meta);
/// vLLM's, of a request with these choices.
std::string vllm_choice(std::string_view npy_bytes, std::string_view more = "");
std::string vllm_response(const std::vector<std::string>& choices, std::string_view usage);

enum class Zip { stored, deflated };
using Members = std::vector<std::pair<std::string, std::string>>;
/// Members are named as given: arrays need their ".npy".
void write_zip(const std::filesystem::path& path, const Members& members, Zip method = Zip::deflated,
               const char* password = nullptr);

}  // namespace captures
