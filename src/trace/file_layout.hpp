#pragma once

#include "dsasim/trace/header.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

// The fixed parts of a .dsat file (docs/trace-format.md): the header, the head of each chunk, and the end record.

namespace dsasim::trace {

inline constexpr std::array<std::uint8_t, 8> file_magic = {0x89, 'D', 'S', 'A', 'T', '\r', '\n', 0x1A};
inline constexpr std::uint32_t format_version = 1;

/// Limits of the format, so that no field of a damaged file can ask for more than they allow.
inline constexpr std::uint32_t max_header_bytes = 1U << 26U;
inline constexpr std::uint32_t max_requests = 1U << 20U;
/// Layers times requests: the number of a stream has 32 bits everywhere.
inline constexpr std::uint64_t max_streams = std::uint64_t{1} << 28U;
inline constexpr std::uint64_t max_chunk_bytes = std::uint64_t{1} << 32U;

/// A reader's working memory for one chunk may be this much, plus so many times the chunk's size in the file.
inline constexpr std::uint64_t chunk_memory_bytes = std::uint64_t{1} << 28U;
inline constexpr std::uint64_t chunk_memory_ratio = 1024;

/// The words of all planes that decoding one chunk passes over, steps x layers x words of a plane, may be this many,
/// plus so many times the chunk's size in the file: a few bytes that claim many steps over many ids must not take
/// hours.
inline constexpr std::uint64_t chunk_work_words = std::uint64_t{1} << 28U;
inline constexpr std::uint64_t chunk_work_ratio = 1U << 16U;

/// Ids of a whole trace, and steps of one request: sums and products of counts stay below 2^64 (counters_test.cpp).
inline constexpr std::uint64_t max_trace_ids = std::uint64_t{1} << 46U;
inline constexpr std::uint64_t max_request_steps = std::uint64_t{1} << 40U;

/// What the planes of one request's open chunk may come to in the writer.
inline constexpr std::uint64_t max_writer_plane_bytes = std::uint64_t{1} << 32U;

inline constexpr std::size_t record_bytes = 64;  ///< of a chunk's head and of the end record
using RecordBytes = std::array<std::uint8_t, record_bytes>;

struct ChunkHead {
  std::uint32_t request = 0;
  std::uint64_t first_step = 0;
  std::uint32_t steps = 0;
  std::uint32_t longest_selection = 0;
  std::uint64_t accesses = 0;
  std::uint32_t id_limit = 0;  ///< the largest id plus one; 0 if all selections are empty
  std::uint64_t payload_bytes = 0;
  std::uint64_t payload_hash = 0;  ///< XXH3-64
};

struct Digest {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const Digest&, const Digest&) = default;
};
std::string to_string(const Digest& digest);  ///< 32 hexadecimal digits, as xxhsum prints them

struct EndRecord {
  std::uint64_t chunks = 0;
  std::uint64_t accesses = 0;
  std::uint64_t file_bytes = 0;  ///< the end record included
  Digest digest;
};

/// What a header must satisfy; throws ConfigError naming the field.
void check_header(const TraceHeader& header, const std::string& where);

std::vector<std::uint8_t> encode_header(const TraceHeader& header);
/// Bytes of the header, from the first 16 of the file. Throws TraceError if they are not those of a .dsat file.
std::uint32_t header_size(std::span<const std::uint8_t, 16> start, const std::string& where);
TraceHeader decode_header(std::span<const std::uint8_t> bytes, const std::string& where);

RecordBytes encode(const ChunkHead& head);
RecordBytes encode(const EndRecord& end);
enum class RecordKind : std::uint8_t { chunk, end, damaged };
RecordKind record_kind(const RecordBytes& bytes) noexcept;  ///< by magic and checksum
ChunkHead decode_chunk_head(const RecordBytes& bytes) noexcept;
EndRecord decode_end(const RecordBytes& bytes) noexcept;

}  // namespace dsasim::trace
