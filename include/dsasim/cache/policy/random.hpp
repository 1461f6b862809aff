#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <vector>

namespace dsasim {

/// Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014; Vigna's constants.
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
    return mixed ^ (mixed >> 31U);
  }

 private:
  std::uint64_t state_;
};

/// xoshiro256**. Blackman, Vigna: Scrambled linear pseudorandom number generators, ACM TOMS 47(4), 2021.
class Xoshiro256 {
 public:
  explicit Xoshiro256(const std::array<std::uint64_t, 4>& state) noexcept : state_(state) {}

  /// The generator of one cache. A SplitMix64 started at `seed` gives one number; a second one, started at that number
  /// xor `cache_number`, gives the four words of the state, first word first. (Starting at seed + cache number would
  /// give cache 1 under seed 1 what cache 0 gets under seed 2.)
  static Xoshiro256 of_cache(std::uint64_t seed, std::uint64_t cache_number) noexcept {
    SplitMix64 words(SplitMix64(seed).next() ^ cache_number);
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

/// Evicts a slot drawn at random, each with the same chance. Slots fill in order while there is room, and nothing is
/// drawn then; results are the same on every machine.
class Random {
 public:
  static constexpr std::string_view name = "random";
  static constexpr std::string_view sentence = "Evicts an entry drawn at random, each with the same chance.";
  static constexpr std::string_view source = "Belady, IBM Systems Journal 5(2), 1966; xoshiro256** draws the slots";
  static constexpr std::array parameters{
      PolicyParameter{"atomic", "access", "access|step",
                      "replace at each access, or a selection at a time: hits first, and no victim that it names"},
      PolicyParameter{"seed", "1", "0..18446744073709551615", "where the sequence of draws starts"}};
  static constexpr Replacement replacement = Replacement::per_access;
  static constexpr bool needs_future = false;

  explicit Random(const PolicySetup& setup)
      : capacity_entries_(setup.capacity_entries),
        draws_(Xoshiro256::of_cache(seed_of(setup.spec), setup.cache_number)) {}

  void on_hit(SlotId /*slot*/) noexcept {}
  bool admits() noexcept { return true; }
  SlotId victim() noexcept { return SlotId{draws_.below(capacity_entries_)}; }
  void on_fill(SlotId /*slot*/) noexcept {}

  bool invariant() const { return true; }

  static std::uint64_t seed_of(const PolicySpec& spec) noexcept {
    const std::string_view digits = parameter_value(spec, "seed");
    std::uint64_t seed = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), seed);
    return seed;
  }

 private:
  std::uint32_t capacity_entries_;
  Xoshiro256 draws_;
};

/// `random,atomic=step`: draws again until the slot is none that this selection hit or filled, which leaves the draw
/// unbiased among the others.
class RandomStep {
 public:
  static constexpr std::string_view name = Random::name;
  static constexpr std::string_view sentence = Random::sentence;
  static constexpr std::string_view source = Random::source;
  static constexpr auto parameters = Random::parameters;
  static constexpr Replacement replacement = Replacement::per_selection;

  explicit RandomStep(const PolicySetup& setup)
      : draws_(Xoshiro256::of_cache(Random::seed_of(setup.spec), setup.cache_number)),
        named_in_(setup.capacity_entries, 0) {}

  void on_hit(SlotId slot) noexcept { named_in_[value(slot)] = selection_; }

  SlotId victim() noexcept {
    std::uint32_t slot = draw();
    while (named_in_[slot] == selection_) {
      slot = draw();
    }
    return SlotId{slot};
  }

  void on_fill(SlotId slot) noexcept { named_in_[value(slot)] = selection_; }
  void on_end() noexcept { ++selection_; }

  bool invariant() const {
    return std::ranges::all_of(named_in_, [this](std::uint64_t selection) { return selection < selection_; });
  }

 private:
  std::uint32_t draw() noexcept { return draws_.below(static_cast<std::uint32_t>(named_in_.size())); }

  Xoshiro256 draws_;
  std::vector<std::uint64_t> named_in_;  ///< by slot: the number of the last selection that hit or filled it
  std::uint64_t selection_ = 1;
};

}  // namespace dsasim
