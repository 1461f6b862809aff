#pragma once

#include "llc/set_policy.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace dsasim {

static_assert(std::endian::native == std::endian::little, "the first of eight bytes is the lowest of a word");

/// Of a row of bytes, one for each way: the ways whose byte is this. Eight at a time, without vector instructions:
/// Warren, Hacker's Delight, section 6-1, finds the zero bytes of a word exactly, and a product gathers their bits.
inline WayMask ways_equal(const std::uint8_t* bytes, std::uint32_t row_ways, std::uint8_t value) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101U;
  constexpr std::uint64_t low_bits = 0x7F * ones;
  WayMask ways = 0;
  for (std::uint32_t way = 0; way < row_ways; way += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + way, sizeof word);
    word ^= value * ones;
    const std::uint64_t zero_bytes = ~(((word & low_bits) + low_bits) | word | low_bits);
    ways |= static_cast<WayMask>((zero_bytes >> 7U) * 0x0102040810204080U >> 56U) << way;
  }
  return ways;
}

}  // namespace dsasim
