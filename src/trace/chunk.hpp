#pragma once

#include "trace/file_layout.hpp"
#include "trace/lane.hpp"
#include "trace/lane_frame.hpp"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

// One chunk of a .dsat file, read, checked and unpacked.

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
  std::uint64_t offset = 0;   ///< of its head
  std::uint64_t payload = 0;  ///< its offset
  ChunkHead head;
  std::uint64_t rows = 0;  ///< of each lane: queries of its steps
};

/// What the steps of a chunk come to.
struct ChunkSteps {
  std::uint64_t before = 0;       ///< the request's steps in the chunks before it
  std::uint64_t rows = 0;         ///< of each lane: their queries
  std::uint64_t most_tokens = 0;  ///< that any query sees, its own included
};

/// Of a chunk whose steps have one query each, which is accepted.
inline ChunkSteps plain_steps(const ChunkHead& head, std::uint64_t prompt_tokens, std::uint64_t steps_before) noexcept {
  return {.before = steps_before, .rows = head.steps, .most_tokens = prompt_tokens + head.first_step + head.steps};
}
/// Of a chunk with these.
ChunkSteps sum_of(std::span<const DecodeStep> steps, std::uint64_t steps_before) noexcept;

/// What a reader's planes and selections, and apart from them the streams of all lanes, may come to
/// (docs/trace-format.md, "Limits").
std::uint64_t memory_limit(const ChunkHead& head) noexcept;

/// Throws TraceError if the head cannot be that of a chunk of this trace.
void check_chunk_head(const ChunkHead& head, const TraceHeader& header, const ChunkSteps& steps,
                      const std::string& where);

/// A chunk in memory, compressed, with its checksum compared. Its lanes are unpacked one by one, from any thread.
class ChunkPayload {
 public:
  /// Replaces what was loaded before; memory is kept.
  void load(const InputFile& file, const TraceHeader& header, const ChunkPlace& place);

  /// The lane's streams, in the memory of `unpacker`. A lane is unpacked once: all of them together may come to the
  /// chunk's memory_limit().
  StreamViews unpack(std::size_t layer, LaneUnpacker& unpacker);

  /// "FILE: request 3, steps 0-1023, layer 2": how errors name a lane.
  std::string lane_name(std::size_t layer) const;

 private:
  struct Frame {
    std::span<const std::uint8_t> compressed;
    std::uint32_t plain_bytes = 0;
  };

  std::string name_;
  std::uint64_t id_limit_ = 0;
  std::vector<std::uint8_t> bytes_;
  std::vector<Frame> frames_;                       ///< by layer
  std::atomic<std::int64_t> stream_bytes_left_{0};  ///< of what all streams may come to; below 0: too much
};

/// "FILE: request 3, steps 0-1023": how errors name a chunk.
std::string chunk_name(const InputFile& file, const ChunkHead& head);

}  // namespace dsasim::trace
