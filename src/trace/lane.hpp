#pragma once

#include "trace/bit_stream.hpp"
#include "trace/id_words.hpp"

#include "dsasim/types.hpp"
#include "dsasim/zeroed_array.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

// The codec of one lane: the selections of one layer of one request over the steps of one chunk.
//
// A selection is coded as a set, against the lane's recent past, and its order apart from it. Four planes of bits over
// the id space hold the past: the selection one step ago, two steps ago, and the union of a window of recent steps in
// two generations. They split the ids into four classes, of which three hold few ids that are likely to be selected:
//
//   steady     in both of the last two selections
//   wavering   in exactly one of them
//   returning  in neither, but in the window
//   far        all others: coded by the gaps between those selected
//
// For the first three a bit per id says whether it is selected, in ascending order of the ids, each class in a stream
// of its own: within a stream the bits have one distribution, which is what zstd's entropy coder needs. On k512-req_0
// this comes to 2.26 bits an id; eight planes of history and a score in six classes gave 2.18, one plane 2.9.

namespace dsasim::trace {

/// The streams of a lane, in the order of the file.
enum class Stream : std::uint8_t {
  lengths,       ///< one u32 a selection: its number of ids
  steady,        ///< bits
  wavering,      ///< bits
  returning,     ///< bits
  far_symbols,   ///< one byte a far id: the class of its gap
  far_extra,     ///< bits: the rest of each gap
  orders,        ///< one byte a selection: 0 ascending, 1 as the ranks say; empty if all are ascending
  ranks_byte_0,  ///< for each id of a selection with order 1, its rank in ascending order: the lowest byte,
  ranks_byte_1,  ///< the next (only of selections longer than 256),
  ranks_byte_2,  ///< the next (longer than 65,536),
  ranks_byte_3,  ///< and the highest (longer than 16,777,216)
  scores_low,    ///< for each id in logged order, the low byte of its float16 score
  scores_high,   ///< and the high byte
  count
};
inline constexpr std::size_t stream_count = static_cast<std::size_t>(Stream::count);

using StreamBytes = std::array<std::vector<std::uint8_t>, stream_count>;  ///< as an encoder makes them
using StreamViews = std::array<std::span<const std::uint8_t>, stream_count>;

/// Readable bytes that a decoder wants after each stream, of whatever content: it looks for the end of a stream of bits
/// once a selection, which reads at most a bit for each id, and BitReader reads nine bytes at a time.
constexpr std::size_t stream_slack(std::uint64_t id_limit) noexcept {
  return static_cast<std::size_t>(id_limit / 8) + 128;
}

/// Steps of one generation of the window: it reaches back 32 to 63 steps. 16 and 64 came to within 1% in size; a longer
/// window costs decoding time, since every id in it is one more bit to read.
inline constexpr std::uint32_t window_steps = 32;

/// Words of a block: the smallest part of the id space that is passed over while nothing in it was ever selected. What
/// makes the sparse id spaces of physical slots affordable.
inline constexpr std::size_t block_words = 8;

/// A gap between far ids: gaps below 16 have a symbol each; above, four symbols an octave, the rest in extra bits.
struct GapCode {
  std::uint8_t symbol;
  std::uint8_t extra_bits;
  std::uint32_t extra;
};
constexpr GapCode encode_gap(std::uint32_t gap) noexcept {
  if (gap < 16) {
    return {static_cast<std::uint8_t>(gap), 0, 0};
  }
  const unsigned octave = 31U - static_cast<unsigned>(std::countl_zero(gap));
  const auto quarter = (gap >> (octave - 2)) & 3U;
  return {static_cast<std::uint8_t>(16 + (octave - 4) * 4 + quarter), static_cast<std::uint8_t>(octave - 2),
          gap & ((1U << (octave - 2)) - 1)};
}
inline constexpr unsigned gap_symbols = 16 + (31 - 4) * 4;  ///< gaps below 2^31
/// Bits that follow the symbol, and the smallest gap it stands for.
constexpr unsigned gap_extra_bits(unsigned symbol) noexcept {
  return symbol < 16 ? 0 : (symbol - 16) / 4 + 2;
}
constexpr std::uint32_t gap_base(unsigned symbol) noexcept {
  return symbol < 16 ? symbol : (4U + (symbol - 16) % 4) << gap_extra_bits(symbol);
}

/// The recent past of a lane as planes of bits over the id space, which grows as needed. Blocks that are not live are
/// zero in all planes and never written: they take no memory.
struct LanePlanes {
  using Plane = ZeroedArray<std::uint64_t>;
  Plane one_ago, two_ago, next, window_new, window_old;
  std::vector<std::uint8_t> live;     ///< by block: something in it was selected in this chunk
  ZeroedArray<std::uint32_t> listed;  ///< scratch: numbers of words, with room for a block more
  std::uint32_t steps = 0;            ///< taken so far

  /// Makes room for ids below `id_limit`.
  void reserve_ids(std::uint64_t id_limit);
  /// The beginning of a chunk: no past. The memory is kept.
  void clear() noexcept;
  /// One of them alone.
  void clear(Plane& plane) const noexcept;
  /// The words of the id space; a multiple of block_words.
  std::size_t words() const noexcept { return next.size(); }
  /// `next` becomes one_ago; the generations of the window turn over when it is time. window_new already holds `next`.
  void advance();
  static std::uint64_t bytes_for(std::uint64_t id_limit) noexcept;
  /// Five bits, a number for each word in `listed`, and a byte for each block.
  static constexpr double bytes_a_id = 5.0 / 8 + 4.0 / 64 + 1.0 / 512;

  std::array<Plane*, 5> planes() noexcept { return {&one_ago, &two_ago, &next, &window_new, &window_old}; }
  /// Calls f(word) with the first word of each.
  template <class F>
  void for_each_live_block(F&& f) const {
    for (std::size_t block = 0; block < live.size(); ++block) {
      if (live[block] != 0) {
        f(block * block_words);
      }
    }
  }
};

class LaneEncoder {
 public:
  explicit LaneEncoder(bool has_scores) : has_scores_(has_scores) {}

  /// Returns the index of the first id that was already in this selection, or ids.size() if it was coded. After a
  /// duplicate the encoder must not be used again.
  std::size_t append(std::span<const EntryId> ids, std::span<const std::uint16_t> scores);

  /// The streams so far; the encoder starts afresh.
  StreamBytes take();

 private:
  void encode(std::span<const EntryId> ids);
  void encode_bmi2(std::span<const EntryId> ids);
  template <class ExtractBits>
  void encode_set(ExtractBits extract_bits);
  void encode_far(std::uint64_t far, std::size_t word, std::int64_t& last_far);
  void encode_order(std::span<const EntryId> ids);

  bool has_scores_;
  LanePlanes planes_;
  BitWriter steady_, wavering_, returning_, far_extra_;
  StreamBytes bytes_;
  std::vector<std::uint32_t> word_rank_;  ///< scratch: ids selected before each word
  std::vector<std::uint32_t> ranks_;      ///< scratch: of each id in its selection
};

/// Decodes a lane, chunk after chunk. Every input is safe: what does not fit throws TraceError, naming `where`, step by
/// step.
class LaneDecoder {
 public:
  explicit LaneDecoder(bool has_scores, InstructionSet set = best_instruction_set())
      : has_scores_(has_scores), set_(set) {}

  /// The lane of a chunk. Checks the counts. The streams must outlive the chunk's last next(), with stream_slack()
  /// bytes after each. `where` begins every error: file, request, layer.
  void begin(const StreamViews& streams, std::uint32_t steps, std::uint64_t id_limit, std::string where);

  /// The length of the next selection, to make room for it.
  std::uint32_t next_length() const;
  /// False if it was logged in another order than ascending.
  bool next_ascending() const noexcept;

  /// Decodes the next selection. `ids` has room for next_length() + decode_slack, or is null if only the set is wanted;
  /// `scores` for next_length(), or is null if there are none or they are not wanted.
  void next(EntryId* ids, std::uint16_t* scores);

  /// The selection that next() decoded last, as bits over the ids. Valid until the call after the next one.
  std::span<const std::uint64_t> set() const noexcept { return planes_.one_ago; }
  /// Its largest id; 0 if it was empty.
  std::uint32_t largest_id() const noexcept { return largest_id_; }

  std::uint32_t steps_left() const noexcept { return steps_ - planes_.steps; }

  /// After the last step: all streams were used up.
  void check_exhausted() const;

 private:
  std::uint32_t length(std::uint32_t step) const noexcept;
  void insert_far(std::uint32_t count);
  void apply_order(EntryId* ids, std::uint32_t count);
  void read_scores(std::uint16_t* scores, std::uint32_t count);
  std::uint32_t largest_selected() const noexcept;
  std::span<const std::uint8_t> bytes(Stream stream) const noexcept {
    return streams_[static_cast<std::size_t>(stream)];
  }
  [[noreturn]] void damaged(const char* what) const;

  bool has_scores_;
  InstructionSet set_;
  StreamViews streams_;
  std::array<std::size_t, stream_count> at_{};  ///< next byte of the streams read in bytes
  BitReader steady_, wavering_, returning_, far_extra_;
  LanePlanes planes_;
  std::uint32_t steps_ = 0;
  std::uint64_t id_limit_ = 0;
  std::string where_;
  std::uint32_t largest_id_ = 0;
  std::vector<EntryId> sorted_;  ///< scratch: the ids of a selection that is not ascending
};

/// Ids that next() may write beyond the selection's length.
inline constexpr std::size_t decode_slack = write_slack;

}  // namespace dsasim::trace
