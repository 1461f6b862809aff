#include "trace/lane.hpp"

#include "dsasim/error.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace dsasim::trace {
namespace {

// ---- Lists of words ----
//
// Selections cluster: of the 241 words of ids of k512-req_0, 100 hold ids of the window and 59 ids of a selection. The
// loops below go over lists of these, made without a branch, where one that asks each word would be mispredicted.

/// Puts the words for which `wanted` is not zero into planes.listed; returns how many.
template <class Wanted>
inline std::size_t list_words(LanePlanes& planes, Wanted&& wanted) {
  std::uint32_t* list = planes.listed.data();
  std::size_t listed = 0;
  for (std::size_t block = 0; block < planes.live.size(); ++block) {
    if (planes.live[block] == 0) {
      continue;
    }
    for (std::size_t word = block * block_words; word < (block + 1) * block_words; ++word) {
      list[listed] = static_cast<std::uint32_t>(word);
      listed += wanted(word) != 0 ? 1U : 0U;
    }
  }
  return listed;
}

/// Those that hold ids of the window, where all classes but far have their members. Clears planes.next for them.
inline std::size_t list_active(LanePlanes& planes) {
  const std::uint64_t* window_new = planes.window_new.data();
  const std::uint64_t* window_old = planes.window_old.data();
  std::uint64_t* next = planes.next.data();
  return list_words(planes, [=](std::size_t word) {
    next[word] = 0;
    return window_new[word] | window_old[word];
  });
}

inline std::size_t list_selected(LanePlanes& planes) {
  return list_words(planes, [next = planes.next.data()](std::size_t word) { return next[word]; });
}

namespace portable {
using scalar::write_word;

/// The lowest bits of `bits` moved to the places set in `mask`: x86's PDEP in software, a bit at a time.
inline std::uint64_t deposit_bits(std::uint64_t bits, std::uint64_t mask) noexcept {
  std::uint64_t placed = 0;
  for (; mask != 0; mask &= mask - 1, bits >>= 1U) {
    placed |= (0 - (bits & 1U)) & mask & (0 - mask);
  }
  return placed;
}
#define DSASIM_TARGET
#include "trace/lane_merge.inl"
#include "trace/lane_write.inl"
#undef DSASIM_TARGET
}  // namespace portable

#if defined(__x86_64__)
namespace bmi2 {
#define DSASIM_TARGET DSASIM_BMI2
using scalar::write_word;

DSASIM_TARGET inline std::uint64_t deposit_bits(std::uint64_t bits, std::uint64_t mask) noexcept {
  return _pdep_u64(bits, mask);
}
#include "trace/lane_merge.inl"
#include "trace/lane_write.inl"
#undef DSASIM_TARGET
}  // namespace bmi2

namespace vectors {
#define DSASIM_TARGET DSASIM_AVX512
using avx512::list_block;
using avx512::write_word;
static_assert(block_words == 8);

DSASIM_TARGET inline std::uint64_t deposit_bits(std::uint64_t bits, std::uint64_t mask) noexcept {
  return _pdep_u64(bits, mask);
}

/// The words of up to eight blocks that hold ids of the window, next to each other: what each class has in them, how
/// many that are, and which are selected.
struct alignas(64) ActiveWords {
  static constexpr std::size_t most_blocks = 8;
  static constexpr std::size_t room = (most_blocks + 1) * block_words;  // stores are of whole blocks
  std::array<std::uint64_t, room> steady, wavering, returning, selected;
  std::array<std::uint8_t, room> steady_count, wavering_count, returning_count;
  std::array<__mmask8, most_blocks> active;  ///< by block: which of its words are here
  std::size_t size;
  bool has_long;  ///< a class has more ids in a word than one load of a stream has bits
};

/// Each block's eight words at a time. Blocks that are not live are passed over here and in store_selected().
DSASIM_TARGET inline void load_active(const LanePlanes& planes, std::size_t first_block, std::size_t last_block,
                                      ActiveWords& words) noexcept {
  words.size = 0;
  unsigned long_words = 0;
  for (std::size_t block = first_block; block < last_block; ++block) {
    if (planes.live[block] == 0) {
      continue;
    }
    const std::size_t word = block * block_words;
    const __m512i one = _mm512_loadu_si512(planes.one_ago.data() + word);
    const __m512i two = _mm512_loadu_si512(planes.two_ago.data() + word);
    const __m512i window = _mm512_or_si512(_mm512_loadu_si512(planes.window_new.data() + word),
                                           _mm512_loadu_si512(planes.window_old.data() + word));
    const __mmask8 active = _mm512_test_epi64_mask(window, window);
    constexpr int window_only = 0x10;  // of the three operands, the first and neither of the others
    const __m512i steady = _mm512_maskz_compress_epi64(active, _mm512_and_si512(one, two));
    const __m512i wavering = _mm512_maskz_compress_epi64(active, _mm512_xor_si512(one, two));
    const __m512i returning =
        _mm512_maskz_compress_epi64(active, _mm512_ternarylogic_epi64(window, one, two, window_only));
    const __m512i steady_count = _mm512_popcnt_epi64(steady);
    const __m512i wavering_count = _mm512_popcnt_epi64(wavering);
    const __m512i returning_count = _mm512_popcnt_epi64(returning);
    const __m512i longest = _mm512_max_epi64(_mm512_max_epi64(steady_count, wavering_count), returning_count);
    long_words |= _mm512_cmpgt_epi64_mask(longest, _mm512_set1_epi64(BitReader::short_bits));
    const std::size_t at = words.size;
    _mm512_storeu_si512(&words.steady[at], steady);
    _mm512_storeu_si512(&words.wavering[at], wavering);
    _mm512_storeu_si512(&words.returning[at], returning);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(&words.steady_count[at]), _mm512_cvtepi64_epi8(steady_count));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(&words.wavering_count[at]), _mm512_cvtepi64_epi8(wavering_count));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(&words.returning_count[at]), _mm512_cvtepi64_epi8(returning_count));
    words.active[block - first_block] = active;
    words.size += static_cast<unsigned>(std::popcount(static_cast<unsigned>(active)));
  }
  words.has_long = long_words != 0;
}

/// Puts the selected ids back where their words come from, zero elsewhere, and adds them to the window.
DSASIM_TARGET inline __m512i store_selected(LanePlanes& planes, std::size_t first_block, std::size_t last_block,
                                            const ActiveWords& words) noexcept {
  std::size_t at = 0;
  __m512i selected = _mm512_setzero_si512();
  for (std::size_t block = first_block; block < last_block; ++block) {
    if (planes.live[block] == 0) {
      continue;
    }
    const std::size_t word = block * block_words;
    const __mmask8 active = words.active[block - first_block];
    const __m512i next = _mm512_maskz_expand_epi64(active, _mm512_loadu_si512(&words.selected[at]));
    _mm512_storeu_si512(planes.next.data() + word, next);
    std::uint64_t* const window = planes.window_new.data() + word;
    _mm512_storeu_si512(window, _mm512_or_si512(_mm512_loadu_si512(window), next));
    selected = _mm512_add_epi64(selected, _mm512_popcnt_epi64(next));
    at += static_cast<unsigned>(std::popcount(static_cast<unsigned>(active)));
  }
  return selected;
}

template <bool has_long>
DSASIM_TARGET inline void read_selected(BitReader& steady_bits, BitReader& wavering_bits, BitReader& returning_bits,
                                        ActiveWords& words) noexcept {
  BitReader steady = steady_bits;  // copies: the compiler keeps them in registers
  BitReader wavering = wavering_bits;
  BitReader returning = returning_bits;
  const auto take = [](BitReader & reader, unsigned count) __attribute__((always_inline)) {
    return has_long ? reader.take(count) : reader.take_short(count);
  };
  for (std::size_t i = 0; i < words.size; ++i) {
    words.selected[i] = deposit_bits(take(steady, words.steady_count[i]), words.steady[i]) |
                        deposit_bits(take(wavering, words.wavering_count[i]), words.wavering[i]) |
                        deposit_bits(take(returning, words.returning_count[i]), words.returning[i]);
  }
  steady_bits = steady;
  wavering_bits = wavering;
  returning_bits = returning;
}

/// As lane_merge.inl's, with all that does not depend on the bits done eight words at a time: what is left is three
/// loads and three PDEPs a word.
DSASIM_TARGET std::uint64_t merge_classes(LanePlanes& planes, BitReader& steady, BitReader& wavering,
                                          BitReader& returning) {
  ActiveWords words;  // NOLINT(cppcoreguidelines-pro-type-member-init): 2 KB that are written before they are read
  __m512i selected = _mm512_setzero_si512();
  for (std::size_t first = 0; first < planes.live.size(); first += ActiveWords::most_blocks) {
    const std::size_t last = std::min(first + ActiveWords::most_blocks, planes.live.size());
    load_active(planes, first, last, words);
    if (words.has_long) [[unlikely]] {
      read_selected<true>(steady, wavering, returning, words);
    } else {
      read_selected<false>(steady, wavering, returning, words);
    }
    selected = _mm512_add_epi64(selected, store_selected(planes, first, last, words));
  }
  return static_cast<std::uint64_t>(_mm512_reduce_add_epi64(selected));
}

DSASIM_TARGET std::size_t list_selected(LanePlanes& planes) {
  std::size_t listed = 0;
  for (std::size_t block = 0; block < planes.live.size(); ++block) {
    if (planes.live[block] != 0) {
      const std::size_t word = block * block_words;
      listed += list_block(_mm512_loadu_si512(planes.next.data() + word), word, planes.listed.data() + listed);
    }
  }
  return listed;
}

#include "trace/lane_write.inl"
#undef DSASIM_TARGET
}  // namespace vectors
#endif

struct Kernel {
  std::uint64_t (*merge_classes)(LanePlanes&, BitReader&, BitReader&, BitReader&);
  void (*write_ids)(LanePlanes&, EntryId*);
};

Kernel kernel_for(InstructionSet set) {
#if defined(__x86_64__)
  if (set == InstructionSet::avx512) {
    return {.merge_classes = vectors::merge_classes, .write_ids = vectors::write_ids};
  }
  if (set == InstructionSet::bmi2) {
    return {.merge_classes = bmi2::merge_classes, .write_ids = bmi2::write_ids};
  }
#endif
  assert(set == InstructionSet::portable);
  return {.merge_classes = portable::merge_classes, .write_ids = portable::write_ids};
}

struct Gap {
  std::uint32_t base;
  std::uint32_t extra_bits;
};
/// By symbol: what GapCode stands for.
constexpr auto gaps = [] {
  std::array<Gap, gap_symbols> table{};
  for (unsigned symbol = 0; symbol < gap_symbols; ++symbol) {
    table[symbol] = {.base = gap_base(symbol), .extra_bits = gap_extra_bits(symbol)};
  }
  return table;
}();

}  // namespace

void LaneDecoder::begin(const StreamViews& streams, std::uint32_t steps, std::uint64_t id_limit, std::string where) {
  streams_ = streams;
  at_ = {};
  steps_ = steps;
  id_limit_ = id_limit;
  where_ = std::move(where);
  planes_.clear();
  if (bytes(Stream::lengths).size() != std::size_t{4} * steps_) {
    damaged("the number of selections is not the chunk's number of steps");
  }
  if (const std::size_t orders = bytes(Stream::orders).size(); orders != 0 && orders != steps_) {
    damaged("the number of orders is not the chunk's number of steps");
  }
  planes_.reserve_ids(id_limit_);
  const auto reader = [&](Stream stream) { return BitReader(bytes(stream).data(), bytes(stream).size()); };
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

bool LaneDecoder::next_ascending() const noexcept {
  const auto orders = bytes(Stream::orders);
  return orders.empty() || orders[planes_.steps] == 0;
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
  if (!next_ascending()) {
    if (bytes(Stream::orders)[planes_.steps] != 1) {
      damaged("the order of a selection is neither 0 nor 1");
    }
    sorted_.resize(count + decode_slack);
    kernel.write_ids(planes_, sorted_.data());
    apply_order(ids, count);
  } else if (ids != nullptr) {
    kernel.write_ids(planes_, ids);
  }
  if (has_scores_) {
    read_scores(scores, count);
  }
  planes_.advance();
  largest_id_ = count == 0 ? 0 : largest_selected();
}

std::uint32_t LaneDecoder::largest_selected() const noexcept {
  const auto is_live = [this](std::size_t word) { return planes_.live[word / block_words] != 0; };
  std::size_t word = planes_.one_ago.size() - 1;
  while (!is_live(word) || planes_.one_ago[word] == 0) {
    word = is_live(word) ? word - 1 : word / block_words * block_words - 1;
  }
  return static_cast<std::uint32_t>(word * 64 + static_cast<unsigned>(std::bit_width(planes_.one_ago[word])) - 1);
}

void LaneDecoder::insert_far(std::uint32_t count) {
  const auto symbols = bytes(Stream::far_symbols);
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
    const Gap gap = gaps[symbol];
    const std::uint64_t id = next_id + gap.base + (far_extra_.take(gap.extra_bits) & low_mask(gap.extra_bits));
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

/// Takes the ids in ascending order from sorted_. `ids` may be null: the ranks are checked all the same.
void LaneDecoder::apply_order(EntryId* ids, std::uint32_t count) {
  constexpr EntryId unused{0xFFFFFFFF};
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint32_t rank = 0;
    for (unsigned byte = 0; byte < 4 && (byte == 0 || (count - 1) >> (8 * byte) != 0); ++byte) {
      const std::size_t stream = static_cast<std::size_t>(Stream::ranks_byte_0) + byte;
      if (at_[stream] == streams_[stream].size()) {
        damaged("the ranks end before the last selection");
      }
      rank |= std::uint32_t{streams_[stream][at_[stream]++]} << (8 * byte);
    }
    if (rank >= count || sorted_[rank] == unused) {
      damaged("the ranks of a selection are not a permutation");
    }
    const EntryId id = std::exchange(sorted_[rank], unused);
    if (ids != nullptr) {
      ids[i] = id;
    }
  }
}

void LaneDecoder::read_scores(std::uint16_t* scores, std::uint32_t count) {
  constexpr auto low = static_cast<std::size_t>(Stream::scores_low);
  constexpr auto high = static_cast<std::size_t>(Stream::scores_high);
  if (streams_[low].size() - at_[low] < count || streams_[high].size() - at_[high] < count) {
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
    complete = complete && at_[i] == streams_[i].size();
  }
  constexpr auto far = static_cast<std::size_t>(Stream::far_symbols);
  if (!complete || at_[far] != streams_[far].size()) {
    damaged("a stream goes on after the last selection");
  }
}

void LaneDecoder::damaged(const char* what) const {
  throw TraceError(where_, "step {} of its chunk: {}", planes_.steps, what);
}

}  // namespace dsasim::trace
