#pragma once

#include "llc/set_policy.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace dsasim {

static_assert(std::endian::native == std::endian::little, "the first of eight bytes is the lowest of a word");

// Rows of bytes, one for each way of a set, eight at a time in words of 64 bits: g++ does not make vector instructions
// of such short loops.

inline constexpr std::uint64_t each_byte = 0x0101010101010101U;

/// The ways whose byte is this. Warren, Hacker's Delight, section 6-1, finds the zero bytes of a word exactly; a
/// product gathers their bits.
inline WayMask ways_equal(const std::uint8_t* bytes, std::uint32_t row_ways, std::uint8_t value) noexcept {
  constexpr std::uint64_t low_bits = 0x7F * each_byte;
  WayMask ways = 0;
  for (std::uint32_t way = 0; way < row_ways; way += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + way, sizeof word);
    word ^= value * each_byte;
    const std::uint64_t zero_bytes = ~(((word & low_bits) + low_bits) | word | low_bits);
    ways |= static_cast<WayMask>((zero_bytes >> 7U) * 0x0102040810204080U >> 56U) << way;
  }
  return ways;
}

/// Adds 1 to the bytes below this one. All are below 128, and `limit` above 0.
inline void raise_below(std::uint8_t* bytes, std::uint32_t row_ways, std::uint8_t limit) noexcept {
  const std::uint64_t highest_raised = ((limit - 1U) | 0x80U) * each_byte;
  for (std::uint32_t way = 0; way < row_ways; way += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + way, sizeof word);
    word += (highest_raised - word) >> 7U & each_byte;  // a byte's highest bit stays if it is at most highest_raised
    std::memcpy(bytes + way, &word, sizeof word);
  }
}

}  // namespace dsasim
