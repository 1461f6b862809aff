#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

// A stream of bits, least significant first within little-endian bytes (docs/trace-format.md, "Bits").

namespace dsasim::trace {

static_assert(std::endian::native == std::endian::little, "the trace codec copies little-endian words as they are");

/// Loads eight bytes from any address.
inline std::uint64_t load_u64(const std::uint8_t* from) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, from, sizeof word);
  return word;
}

/// The `count` lowest bits set; count is 0 .. 64.
constexpr std::uint64_t low_mask(unsigned count) noexcept {
  return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

class BitWriter {
 public:
  /// Many puts in a row, into room that was made for them before. What changes with each is in registers: a store of
  /// bytes could change any member of a writer. A whole word is stored each time, and the place moves on by the bytes
  /// that are full: whether one became full is not asked, it cannot be predicted.
  class Run {
   public:
    /// Appends the `count` lowest bits of `bits`; the others must be zero.
    void put(std::uint64_t bits, unsigned count) noexcept {
      if (count > short_bits) [[unlikely]] {
        put_short(bits & low_mask(half_bits), half_bits);
        bits >>= half_bits;
        count -= half_bits;
      }
      put_short(bits, count);
    }

   private:
    friend class BitWriter;
    void put_short(std::uint64_t bits, unsigned count) noexcept {
      pending_ |= bits << used_;
      used_ += count;
      std::memcpy(at_, &pending_, sizeof pending_);
      at_ += used_ / 8;
      pending_ >>= used_ / 8 * 8;
      used_ %= 8;
    }

    std::uint8_t* at_ = nullptr;
    std::uint64_t pending_ = 0;
    unsigned used_ = 0;  ///< bits of pending_ in use, below 8
  };

  /// With room for `most_bytes`. Nothing else may be put until end().
  Run begin(std::size_t most_bytes) {
    if (bytes_.size() - size_ < most_bytes + spare_bytes) [[unlikely]] {
      make_room(most_bytes);
    }
    Run run;
    run.at_ = bytes_.data() + size_;
    run.pending_ = pending_;
    run.used_ = used_;
    return run;
  }
  void end(const Run& run) noexcept {
    size_ = static_cast<std::size_t>(run.at_ - bytes_.data());
    pending_ = run.pending_;
    used_ = run.used_;
  }

  /// One put by itself.
  void put(std::uint64_t bits, unsigned count) {
    Run run = begin(sizeof bits);
    run.put(bits, count);
    end(run);
  }

  /// The bytes written, the last one filled up with zeros. The writer is empty afterwards.
  std::vector<std::uint8_t> take() {
    bytes_.resize(size_ + (used_ + 7) / 8);
    size_ = 0;
    pending_ = 0;
    used_ = 0;
    return std::exchange(bytes_, {});
  }

 private:
  /// Out of line: it is rare.
  [[gnu::noinline]] void make_room(std::size_t most_bytes) {
    bytes_.resize(2 * bytes_.size() + most_bytes + spare_bytes);
  }

  static constexpr unsigned half_bits = 32;
  // With the up to seven that are pending they fit a word, which is not full.
  static constexpr unsigned short_bits = 56;
  static constexpr std::size_t spare_bytes = 64;  ///< a run stores whole words

  std::vector<std::uint8_t> bytes_;  ///< with room after the first size_, the byte in progress included
  std::size_t size_ = 0;             ///< full bytes
  std::uint64_t pending_ = 0;
  unsigned used_ = 0;
};

/// Reads bits. There is no check against the end on each read: the owner of the bytes keeps enough of them readable
/// after the end for one selection, and asks overrun() after each.
class BitReader {
 public:
  BitReader() = default;
  BitReader(const std::uint8_t* bytes, std::size_t size) : bytes_(bytes), end_bit_(size * 8) {}

  /// So many bits one load always has, wherever they begin.
  static constexpr unsigned short_bits = 57;

  /// The next `count` bits (0 .. 64), and possibly more above them.
  std::uint64_t take(unsigned count) noexcept {
    const std::uint8_t* at = bytes_ + (bit_ >> 3U);
    const unsigned shift = bit_ & 7U;
    std::uint64_t bits = take_short(count);
    if (count > short_bits) [[unlikely]] {
      bits |= (std::uint64_t{at[8]} << 1U) << (63 - shift);
    }
    return bits;
  }

  /// The same for at most short_bits.
  std::uint64_t take_short(unsigned count) noexcept {
    const std::uint64_t bits = load_u64(bytes_ + (bit_ >> 3U)) >> (bit_ & 7U);
    bit_ += count;
    return bits;
  }

  bool overrun() const noexcept { return bit_ > end_bit_; }
  /// True if what is left is only the filling of the last byte.
  bool exhausted() const noexcept { return !overrun() && end_bit_ - bit_ < 8; }

 private:
  const std::uint8_t* bytes_ = nullptr;
  std::uint64_t bit_ = 0;
  std::uint64_t end_bit_ = 0;
};

}  // namespace dsasim::trace
