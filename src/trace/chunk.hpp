#pragma once

#include "trace/file_layout.hpp"
#include "trace/lane.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

// A .dsat file opened for reading: where its chunks lie, and one chunk read, checked and unpacked.

namespace dsasim::trace {

/// A file read at any offset, from any thread.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::uint64_t size() const noexcept { return size_; }
  const std::string& name() const noexcept { return name_; }
  /// Throws SystemError if the bytes cannot be read; they lie within size().
  void read(std::uint64_t offset, std::span<std::uint8_t> bytes) const;

 private:
  std::string name_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

struct ChunkPlace {
  std::uint64_t offset = 0;  ///< of its head
  ChunkHead head;
};

/// What a reader's planes and selections, and apart from them the streams of all lanes, may come to
/// (docs/trace-format.md, "Limits").
std::uint64_t memory_limit(const ChunkHead& head) noexcept;

/// Throws TraceError if the head cannot be that of a chunk of this trace. `steps_before` are the request's steps in the
/// chunks before it.
void check_chunk_head(const ChunkHead& head, const TraceHeader& header, std::uint64_t steps_before,
                      const std::string& where);

/// Reads the chunk, compares its checksum and unpacks its lanes, one decoder a layer.
std::vector<LaneDecoder> load_chunk(const InputFile& file, const TraceHeader& header, const ChunkPlace& place);

/// "FILE: request 3, steps 0-1023": how errors name a chunk.
std::string chunk_name(const InputFile& file, const ChunkHead& head);

}  // namespace dsasim::trace
