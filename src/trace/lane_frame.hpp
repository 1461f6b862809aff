#pragma once

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

/// Throws TraceError, naming `where`. `stream_bytes_limit` bounds what the streams may come to together.
StreamBytes unpack_lane(std::span<const std::uint8_t> compressed, std::uint32_t plain_bytes,
                        std::uint64_t stream_bytes_limit, const std::string& where);

}  // namespace dsasim::trace
