#pragma once

#include "dsasim/zeroed_array.hpp"
#include "trace/lane.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

// A lane's streams as one zstd frame (docs/trace-format.md, "Lane").

namespace dsasim::trace {

/// The lane as it stands in the file. `plain_bytes` is its size before zstd.
struct LaneFrame {
  std::vector<std::uint8_t> compressed;
  std::uint32_t plain_bytes = 0;
};

/// Each stream is a zstd block of its own, so that each gets its own entropy code.
LaneFrame pack_lane(const StreamBytes& streams);

/// Unpacks one lane after another into memory that it keeps: a chunk has as many bytes as the one before, and fresh
/// pages for each of them cost as much as the decompression.
class LaneUnpacker {
 public:
  /// The streams, valid until the next call, with `slack_bytes` readable after each. Throws TraceError, naming `where`.
  /// `stream_bytes_limit` bounds what the streams may come to together.
  StreamViews unpack(std::span<const std::uint8_t> compressed, std::uint32_t plain_bytes,
                     std::uint64_t stream_bytes_limit, std::size_t slack_bytes, const std::string& where);

 private:
  ZeroedArray<std::uint8_t> plain_;     ///< the lane, decompressed; the slack after it is long where ids are large
  ZeroedArray<std::uint8_t> restored_;  ///< those of its streams whose zero bytes were dropped
};

}  // namespace dsasim::trace
