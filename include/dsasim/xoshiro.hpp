#pragma once

#include <array>
#include <bit>
#include <cassert>
#include <cstdint>

namespace dsasim {

/// Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014; Vigna's constants.
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) noexcept : state_(seed) {}

  /// The same as so many calls of next(). 0 - n goes n calls back.
  void skip(std::uint64_t calls) noexcept { state_ += calls * increment; }

  std::uint64_t next() noexcept {
    state_ += increment;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
    return mixed ^ (mixed >> 31U);
  }

 private:
  static constexpr std::uint64_t increment = 0x9E3779B97F4A7C15U;

  std::uint64_t state_;
};

/// xoshiro256**. Blackman, Vigna: Scrambled linear pseudorandom number generators, ACM TOMS 47(4), 2021.
class Xoshiro256 {
 public:
  explicit Xoshiro256(const std::array<std::uint64_t, 4>& state) noexcept : state_(state) {}

  /// One generator of many under a seed: of one cache, or of one stream. A SplitMix64 started at `seed` gives one
  /// number; a second one, started at that number xor `number`, gives the four words of the state, first word first.
  /// (Starting at seed + number would give number 1 under seed 1 what number 0 gets under seed 2.)
  static Xoshiro256 numbered(std::uint64_t seed, std::uint64_t number) noexcept {
    SplitMix64 words(SplitMix64(seed).next() ^ number);
    std::array<std::uint64_t, 4> state{};
    for (std::uint64_t& word : state) {
      word = words.next();
    }
    return Xoshiro256(state);
  }

  std::uint64_t next() noexcept {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17U;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// An unbiased number in 0 .. bound - 1, from the upper halves of as many numbers as it takes. Lemire: Fast random
  /// integer generation in an interval, ACM TOMACS 29(1), 2019.
  std::uint32_t below(std::uint32_t bound) noexcept {
    assert(bound > 0);
    std::uint64_t product = (next() >> 32U) * bound;
    if (static_cast<std::uint32_t>(product) < bound) {
      const std::uint32_t rejected = (0U - bound) % bound;
      while (static_cast<std::uint32_t>(product) < rejected) {
        product = (next() >> 32U) * bound;
      }
    }
    return static_cast<std::uint32_t>(product >> 32U);
  }

 private:
  std::array<std::uint64_t, 4> state_;
};

}  // namespace dsasim
