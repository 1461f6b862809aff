#include "trace/zero_bytes.hpp"

#include "dsasim/error.hpp"
#include "trace/bit_stream.hpp"
#include "trace/lane.hpp"

#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dsasim::trace {
namespace {

/// Eight bytes of the stream for each byte of the mask, and no branch on what the mask holds.
using Expand = void (*)(std::span<const std::uint8_t> mask, const std::uint8_t* from, std::uint8_t* to);

std::size_t count_ones(std::span<const std::uint8_t> mask) {
  std::size_t ones = 0;
  for (const unsigned bits : mask) {
    const unsigned pairs = (bits & 0x55U) + (bits >> 1U & 0x55U);  // without POPCNT, which not every machine has
    const unsigned fours = (pairs & 0x33U) + (pairs >> 2U & 0x33U);
    ones += (fours & 0xFU) + (fours >> 4U);
  }
  return ones;
}

void expand_portable(std::span<const std::uint8_t> mask, const std::uint8_t* from, std::uint8_t* to) {
  for (const unsigned bits : mask) {
    for (unsigned i = 0; i < 8; ++i) {
      const unsigned present = bits >> i & 1U;
      *to++ = static_cast<std::uint8_t>(*from & (0U - present));
      from += present;
    }
  }
}

#if defined(__x86_64__)
/// One PDEP spreads the mask's bits to bytes, another the bytes to their places.
__attribute__((target("bmi2,popcnt"))) void expand_bmi2(std::span<const std::uint8_t> mask, const std::uint8_t* from,
                                                        std::uint8_t* to) {
  for (const unsigned bits : mask) {
    const std::uint64_t places = _pdep_u64(bits, 0x0101'0101'0101'0101) * 0xFF;
    const std::uint64_t bytes = _pdep_u64(load_u64(from), places);
    std::memcpy(to, &bytes, sizeof bytes);
    from += std::popcount(bits);
    to += sizeof bytes;
  }
}
#endif

Expand best_expand() noexcept {
#if defined(__x86_64__)
  if (supported(InstructionSet::bmi2)) {
    return expand_bmi2;
  }
#endif
  return expand_portable;
}

}  // namespace

std::vector<std::uint8_t> drop_zero_bytes(std::span<const std::uint8_t> stream) {
  std::vector<std::uint8_t> packed((stream.size() + 7) / 8, 0);
  for (std::size_t i = 0; i < stream.size(); ++i) {
    if (stream[i] != 0) {
      packed[i / 8] = static_cast<std::uint8_t>(packed[i / 8] | 1U << (i % 8));
      packed.push_back(stream[i]);
    }
  }
  return packed;
}

void restore_zero_bytes(std::span<const std::uint8_t> packed, std::span<std::uint8_t> stream,
                        const std::string& where) {
  const std::size_t mask_bytes = (stream.size() + 7) / 8;
  if (packed.size() < mask_bytes) {
    throw TraceError(where, "a stream's mask of {} bytes is cut off at {}", mask_bytes, packed.size());
  }
  const auto mask = packed.first(mask_bytes);
  const auto bytes = packed.subspan(mask_bytes);
  const std::size_t present = count_ones(mask);
  const bool beyond = stream.size() % 8 != 0 && mask.back() >> (stream.size() % 8) != 0;
  if (present > bytes.size() || beyond) {
    throw TraceError(where, "a stream's mask does not fit its bytes");
  }
  if (present < bytes.size()) {
    throw TraceError(where, "a stream has {} bytes more than its mask names", bytes.size() - present);
  }
  best_expand()(mask, bytes.data(), stream.data());
}

}  // namespace dsasim::trace
