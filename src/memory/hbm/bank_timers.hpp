#pragma once

#include "memory/hbm/dram_config.hpp"

#include <array>
#include <cstdint>

namespace dsasim {

/// Banks, by the clock at which something becomes possible for them. Clocks are set almost in order, as the times
/// between commands are constants: a ring, kept in order, is then faster than a heap.
class BankTimers {
 public:
  void clear() noexcept {
    head_ = tail_ = 0;
    ring_[0] = end;
  }
  /// At most two of a bank may be set at a time.
  void set(Clock at, std::uint32_t bank) noexcept {
    const std::uint64_t timer = static_cast<std::uint64_t>(at) << bank_bits | bank;
    ring_[(tail_ + 1) % size] = end;
    std::uint32_t place = tail_++;
    for (; place != head_ && ring_[(place - 1) % size] > timer; --place) {
      ring_[place % size] = ring_[(place - 1) % size];
    }
    ring_[place % size] = timer;
  }
  /// Later than any clock if there is none.
  Clock first() const noexcept { return static_cast<Clock>(ring_[head_ % size] >> bank_bits); }
  /// Takes the first away.
  std::uint32_t take() noexcept { return ring_[head_++ % size] % (1U << bank_bits); }

 private:
  static constexpr std::uint32_t bank_bits = 6;
  static constexpr std::uint64_t end = ~std::uint64_t{0};
  /// Two of each bank, and the end.
  static constexpr std::uint32_t size = 256;
  std::array<std::uint64_t, size> ring_;
  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
};

}  // namespace dsasim
