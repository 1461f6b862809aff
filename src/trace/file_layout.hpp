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
/// The largest that is read. A file has the smallest that can hold it.
inline constexpr std::uint32_t format_version = 2;

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
  std::uint32_t id_limit = 0;       ///< the largest id plus one; 0 if all selections are empty
  std::uint32_t longest_union = 0;  ///< what the queries of one step select in one layer; 0 if the trace has no queries
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

/// Without stores that say what a trace without them says.
TraceHeader without_plain_stores(TraceHeader header);

std::vector<std::uint8_t> encode_header(const TraceHeader& header);
/// Bytes of the header, from the first 16 of the file. Throws TraceError if they are not those of a .dsat file.
std::uint32_t header_size(std::span<const std::uint8_t, 16> start, const std::string& where);
TraceHeader decode_header(std::span<const std::uint8_t> bytes, const std::string& where);

RecordBytes encode(const ChunkHead& head);
RecordBytes encode(const EndRecord& end);

/// If the header has queries, a table of each step's two numbers follows the head of a chunk, with a checksum.
constexpr std::uint64_t step_table_bytes(std::uint64_t steps) noexcept {
  return 4 * steps + 8;
}
std::vector<std::uint8_t> encode_step_table(std::span<const DecodeStep> steps);
/// Adds a chunk's steps to those before it. Throws TraceError if the checksum or a number is wrong.
void append_step_table(std::span<const std::uint8_t> bytes, std::uint64_t prompt_tokens, const std::string& where,
                       std::vector<DecodeStep>& steps);
/// The step that follows the last of `steps`, which may be none, after a prompt of so many tokens.
DecodeStep step_after(std::span<const DecodeStep> steps, std::uint64_t prompt_tokens) noexcept;
/// Throws ErrorType if no step can have these numbers.
template <class ErrorType>
void check_queries(std::uint32_t queries, std::uint32_t accepted, const std::string& where) {
  if (queries > TraceHeader::max_queries || accepted > queries) {
    throw ErrorType(where, "a step of {} queries, {} of them accepted; expected at most {}, and no more accepted",
                    queries, accepted, TraceHeader::max_queries);
  }
}
enum class RecordKind : std::uint8_t { chunk, end, damaged };
RecordKind record_kind(const RecordBytes& bytes) noexcept;  ///< by magic and checksum
ChunkHead decode_chunk_head(const RecordBytes& bytes) noexcept;
EndRecord decode_end(const RecordBytes& bytes) noexcept;

}  // namespace dsasim::trace
