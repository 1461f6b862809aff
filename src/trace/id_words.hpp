#pragma once

#include "dsasim/types.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Sets of ids as words of 64 bits, and what turns them into lists: for the trace's decoder, and for the caches that
// take sets. What is in a namespace of an instruction set must be called from functions for that set only.

namespace dsasim::trace {

/// What loops were compiled for; chosen when the program runs, so that one binary serves every machine.
enum class InstructionSet : std::uint8_t {
  portable,
  bmi2,    ///< PDEP, POPCNT, TZCNT: Intel since 2013, AMD since 2017
  avx512,  ///< and VPCOMPRESSB, VPCOMPRESSD, VPOPCNTQ: Intel since 2019 (Ice Lake), AMD since 2022 (Zen 4)
};
bool supported(InstructionSet set) noexcept;
InstructionSet best_instruction_set() noexcept;

/// For loops that are compiled once for each instruction set: inlined into the function of a set, they use it.
#define DSASIM_INLINE [[gnu::always_inline]] inline

/// Ids that write_word() may write beyond the last.
inline constexpr std::size_t write_slack = 64;

namespace scalar {

/// Four ids at a time without asking how many are left: a loop that stops at each last one is mispredicted once a word.
/// Two ids go into one store, which also keeps the compiler from gathering them in a vector register first.
inline EntryId* write_word(std::uint64_t bits, std::uint32_t first_id, EntryId* ids) noexcept {
  const int count = std::popcount(bits);
  const std::uint64_t base = first_id * ((std::uint64_t{1} << 32U) + 1);
  for (int done = 0; done < count;) {
    for (int pair = 0; pair < 2; ++pair, done += 2) {
      const auto low = static_cast<std::uint64_t>(std::countr_zero(bits));
      bits &= bits - 1;
      const auto high = static_cast<std::uint64_t>(std::countr_zero(bits));
      bits &= bits - 1;
      const std::uint64_t both = base + (high << 32U) + low;
      std::memcpy(ids + done, &both, sizeof both);
    }
  }
  return ids + count;
}

}  // namespace scalar

#if defined(__x86_64__)
#define DSASIM_BMI2 __attribute__((target("bmi,bmi2,popcnt")))
#define DSASIM_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi2,avx512vpopcntdq,bmi,bmi2,popcnt")))

namespace avx512 {

/// Writes the numbers of those of eight words that are not zero, from first_word on; returns how many.
DSASIM_AVX512 inline std::size_t list_block(__m512i words, std::size_t first_word, std::uint32_t* list) noexcept {
  const __mmask8 wanted = _mm512_test_epi64_mask(words, words);
  const __m256i numbers =
      _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(static_cast<int>(first_word)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(list), _mm256_maskz_compress_epi32(wanted, numbers));
  return static_cast<unsigned>(std::popcount(static_cast<unsigned>(wanted)));
}

/// The places of a word's bits are packed as bytes and widened sixteen at a time.
DSASIM_AVX512 inline EntryId* write_word(std::uint64_t bits, std::uint32_t first_id, EntryId* ids) noexcept {
  alignas(64) static constexpr auto places = [] {
    std::array<std::uint8_t, 64> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::uint8_t>(i);
    }
    return bytes;
  }();
  const int count = std::popcount(bits);
  const __m512i base = _mm512_set1_epi32(static_cast<int>(first_id));
  const __m512i packed = _mm512_maskz_compress_epi8(bits, _mm512_load_si512(places.data()));
  const auto write = [&](__m128i sixteen, int at) __attribute__((always_inline, target("avx512f"))) {
    _mm512_storeu_si512(ids + at, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(sixteen)));
  };
  write(_mm512_castsi512_si128(packed), 0);
  if (count > 16) [[unlikely]] {
    write(_mm512_extracti32x4_epi32(packed, 1), 16);
    if (count > 32) [[unlikely]] {
      write(_mm512_extracti32x4_epi32(packed, 2), 32);
      write(_mm512_extracti32x4_epi32(packed, 3), 48);
    }
  }
  return ids + count;
}

}  // namespace avx512
#endif

}  // namespace dsasim::trace
