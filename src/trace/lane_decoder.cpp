#include "trace/lane.hpp"

#include "dsasim/error.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dsasim::trace {
namespace {

namespace portable {
/// The lowest bits of `bits` moved to the places set in `mask`: x86's PDEP in software, a bit at a time.
inline std::uint64_t deposit_bits(std::uint64_t bits, std::uint64_t mask) noexcept {
  std::uint64_t placed = 0;
  for (; mask != 0; mask &= mask - 1, bits >>= 1U) {
    placed |= (0 - (bits & 1U)) & mask & (0 - mask);
  }
  return placed;
}
#define DSASIM_TARGET
#include "trace/lane_kernel.inl"
#undef DSASIM_TARGET
}  // namespace portable

#if defined(__x86_64__)
namespace bmi2 {
#define DSASIM_TARGET __attribute__((target("bmi,bmi2,popcnt")))
DSASIM_TARGET inline std::uint64_t deposit_bits(std::uint64_t bits, std::uint64_t mask) noexcept {
  return _pdep_u64(bits, mask);
}
#include "trace/lane_kernel.inl"
#undef DSASIM_TARGET
}  // namespace bmi2

namespace avx512 {
/// As the others: the ids of planes.next in ascending order. The places of a word's bits are packed as bytes and
/// widened sixteen at a time; no branch depends on how many there are unless there are more than that (4% of the
/// words).
__attribute__((target("avx512f,avx512bw,avx512vbmi2,bmi,bmi2,popcnt"))) void write_ids(const LanePlanes& planes,
                                                                                       EntryId* ids) {
  alignas(64) static constexpr auto places = [] {
    std::array<std::uint8_t, 64> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::uint8_t>(i);
    }
    return bytes;
  }();
  const __m512i all_places = _mm512_load_si512(places.data());
  const std::uint64_t* next = planes.next.data();
  for (std::size_t block = 0; block < planes.live.size(); ++block) {
    if (planes.live[block] == 0) {
      continue;
    }
    for (std::size_t word = block * block_words; word < (block + 1) * block_words; ++word) {
      const std::uint64_t bits = next[word];
      const int count = std::popcount(bits);
      const __m512i base = _mm512_set1_epi32(static_cast<int>(word * 64));
      const __m512i packed = _mm512_maskz_compress_epi8(bits, all_places);
      const auto write = [&](__m128i sixteen, int at) __attribute__((always_inline, target("avx512f"))) {
        _mm512_storeu_si512(ids + at, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(sixteen)));
      };
      write(_mm512_castsi512_si128(packed), 0);
      if (count > 16) [[unlikely]] {
        write(_mm512_extracti32x4_epi32(packed, 1), 16);
        write(_mm512_extracti32x4_epi32(packed, 2), 32);
        write(_mm512_extracti32x4_epi32(packed, 3), 48);
      }
      ids += count;
    }
  }
}
}  // namespace avx512
#endif

struct Kernel {
  std::uint64_t (*merge_classes)(LanePlanes&, BitReader&, BitReader&, BitReader&);
  void (*write_ids)(const LanePlanes&, EntryId*);
};

Kernel kernel_for(InstructionSet set) {
#if defined(__x86_64__)
  if (set == InstructionSet::avx512) {
    return {.merge_classes = bmi2::merge_classes, .write_ids = avx512::write_ids};
  }
  if (set == InstructionSet::bmi2) {
    return {.merge_classes = bmi2::merge_classes, .write_ids = bmi2::write_ids};
  }
#endif
  assert(set == InstructionSet::portable);
  return {.merge_classes = portable::merge_classes, .write_ids = portable::write_ids};
}

constexpr std::array bit_streams = {Stream::steady, Stream::wavering, Stream::returning, Stream::far_extra};

}  // namespace

bool supported(InstructionSet set) noexcept {
#if defined(__x86_64__)
  const bool bmi2 =
      static_cast<bool>(__builtin_cpu_supports("bmi")) && static_cast<bool>(__builtin_cpu_supports("bmi2"));
  const bool avx512 = bmi2 && static_cast<bool>(__builtin_cpu_supports("avx512bw")) &&
                      static_cast<bool>(__builtin_cpu_supports("avx512vbmi2"));
  return set == InstructionSet::portable || (set == InstructionSet::bmi2 && bmi2) ||
         (set == InstructionSet::avx512 && avx512);
#else
  return set == InstructionSet::portable;
#endif
}

InstructionSet best_instruction_set() noexcept {
  for (const InstructionSet set : {InstructionSet::avx512, InstructionSet::bmi2}) {
    if (supported(set)) {
      return set;
    }
  }
  return InstructionSet::portable;
}

LaneDecoder::LaneDecoder(StreamBytes streams, std::uint32_t steps, std::uint64_t id_limit, bool has_scores,
                         std::string where, InstructionSet set)
    : streams_(std::move(streams)),
      steps_(steps),
      id_limit_(id_limit),
      has_scores_(has_scores),
      where_(std::move(where)),
      set_(set) {
  for (std::size_t i = 0; i < stream_count; ++i) {
    sizes_[i] = streams_[i].size();
  }
  if (sizes_[static_cast<std::size_t>(Stream::lengths)] != std::size_t{4} * steps_) {
    damaged("the number of selections is not the chunk's number of steps");
  }
  if (const std::size_t orders = sizes_[static_cast<std::size_t>(Stream::orders)]; orders != 0 && orders != steps_) {
    damaged("the number of orders is not the chunk's number of steps");
  }
  planes_.reserve_ids(id_limit_);
  // One selection reads at most a bit for each id, and BitReader nine bytes at a time.
  const std::size_t slack = planes_.words() * 8 + 16;
  for (const Stream stream : bit_streams) {
    streams_[static_cast<std::size_t>(stream)].resize(sizes_[static_cast<std::size_t>(stream)] + slack, 0);
  }
  const auto reader = [&](Stream stream) {
    return BitReader(bytes(stream).data(), sizes_[static_cast<std::size_t>(stream)]);
  };
  steady_ = reader(Stream::steady);
  wavering_ = reader(Stream::wavering);
  returning_ = reader(Stream::returning);
  far_extra_ = reader(Stream::far_extra);
}

std::uint32_t LaneDecoder::length(std::uint32_t step) const noexcept {
  std::uint32_t count = 0;
  std::memcpy(&count, bytes(Stream::lengths).data() + std::size_t{4} * step, sizeof count);
  return count;
}

std::uint32_t LaneDecoder::next_length() const {
  assert(planes_.steps < steps_);
  const std::uint32_t count = length(planes_.steps);
  if (count > id_limit_) {
    damaged("a selection is longer than the ids it could hold");
  }
  return count;
}

void LaneDecoder::next(EntryId* ids, std::uint16_t* scores) {
  const std::uint32_t count = next_length();
  const Kernel kernel = kernel_for(set_);
  const std::uint64_t known = kernel.merge_classes(planes_, steady_, wavering_, returning_);
  if (steady_.overrun() || wavering_.overrun() || returning_.overrun()) {
    damaged("a stream of bits ends before its last selection");
  }
  if (known > count) {
    damaged("a selection holds more ids than its length");
  }
  insert_far(static_cast<std::uint32_t>(count - known));
  kernel.write_ids(planes_, ids);
  largest_id_ = count == 0 ? 0 : value(ids[count - 1]);
  if (const auto& orders = bytes(Stream::orders); !orders.empty() && orders[planes_.steps] != 0) {
    if (orders[planes_.steps] != 1) {
      damaged("the order of a selection is neither 0 nor 1");
    }
    apply_order(ids, count);
  }
  if (has_scores_) {
    read_scores(scores, count);
  }
  planes_.advance();
}

void LaneDecoder::insert_far(std::uint32_t count) {
  const auto& symbols = bytes(Stream::far_symbols);
  std::size_t& at = at_[static_cast<std::size_t>(Stream::far_symbols)];
  if (symbols.size() - at < count) {
    damaged("the far ids end before the last selection");
  }
  std::uint64_t next_id = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const unsigned symbol = symbols[at++];
    if (symbol >= gap_symbols) {
      damaged("a gap between far ids has an unknown symbol");
    }
    const unsigned extra_bits = gap_extra_bits(symbol);
    const std::uint64_t id = next_id + gap_base(symbol) + (far_extra_.take(extra_bits) & low_mask(extra_bits));
    if (id >= id_limit_ || far_extra_.overrun()) {
      damaged("a far id lies beyond the largest id of the chunk");
    }
    std::uint64_t& word = planes_.next[id / 64];
    const std::uint64_t bit = std::uint64_t{1} << (id % 64);
    if ((word & bit) != 0) {
      damaged("an id is selected twice");
    }
    word |= bit;
    planes_.window_new[id / 64] |= bit;
    planes_.live[id / (64 * block_words)] = 1;
    next_id = id + 1;
  }
}

void LaneDecoder::apply_order(EntryId* ids, std::uint32_t count) {
  ascending_.assign(ids, ids + count);
  std::fill(ids, ids + count, EntryId{0xFFFFFFFF});
  constexpr EntryId unused{0xFFFFFFFF};
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint32_t rank = 0;
    for (unsigned byte = 0; byte < 4 && (byte == 0 || (count - 1) >> (8 * byte) != 0); ++byte) {
      const std::size_t stream = static_cast<std::size_t>(Stream::ranks_byte_0) + byte;
      if (at_[stream] == sizes_[stream]) {
        damaged("the ranks end before the last selection");
      }
      rank |= std::uint32_t{streams_[stream][at_[stream]++]} << (8 * byte);
    }
    if (rank >= count || ascending_[rank] == unused) {
      damaged("the ranks of a selection are not a permutation");
    }
    ids[i] = std::exchange(ascending_[rank], unused);
  }
}

void LaneDecoder::read_scores(std::uint16_t* scores, std::uint32_t count) {
  constexpr auto low = static_cast<std::size_t>(Stream::scores_low);
  constexpr auto high = static_cast<std::size_t>(Stream::scores_high);
  if (sizes_[low] - at_[low] < count || sizes_[high] - at_[high] < count) {
    damaged("the scores end before the last selection");
  }
  for (std::uint32_t i = 0; scores != nullptr && i < count; ++i) {
    scores[i] = static_cast<std::uint16_t>(streams_[low][at_[low] + i] | streams_[high][at_[high] + i] << 8U);
  }
  at_[low] += count;
  at_[high] += count;
}

void LaneDecoder::check_exhausted() const {
  bool complete = steady_.exhausted() && wavering_.exhausted() && returning_.exhausted() && far_extra_.exhausted();
  for (auto i = static_cast<std::size_t>(Stream::ranks_byte_0); i < stream_count; ++i) {
    complete = complete && at_[i] == sizes_[i];
  }
  constexpr auto far = static_cast<std::size_t>(Stream::far_symbols);
  if (!complete || at_[far] != sizes_[far]) {
    damaged("a stream goes on after the last selection");
  }
}

void LaneDecoder::damaged(const char* what) const {
  throw TraceError(where_, "step {} of its chunk: {}", planes_.steps, what);
}

}  // namespace dsasim::trace
