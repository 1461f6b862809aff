#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

// Streams of mostly zero bytes without them: a mask with a bit for each byte, then the bytes that are not zero
// (docs/trace-format.md, "Lane, decompressed").

namespace dsasim::trace {

std::vector<std::uint8_t> drop_zero_bytes(std::span<const std::uint8_t> stream);

/// Readable bytes that restore_zero_bytes() wants after `packed`, and writable ones after `stream`.
inline constexpr std::size_t zero_bytes_slack = 8;

/// Fills `stream`, whose size says how long it was. Throws TraceError, naming `where`, if the mask does not fit.
void restore_zero_bytes(std::span<const std::uint8_t> packed, std::span<std::uint8_t> stream, const std::string& where);

}  // namespace dsasim::trace
