#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"
#include "dsasim/xoshiro.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstdint>
#include <string_view>
#include <vector>

namespace dsasim {

/// Evicts a slot drawn at random, each with the same chance. Slots fill in order while there is room, and nothing is
/// drawn then; results are the same on every machine.
class Random {
 public:
  static constexpr std::string_view name = "random";
  static constexpr std::string_view sentence = "Evicts an entry drawn at random, each with the same chance.";
  static constexpr std::string_view source = "Belady, IBM Systems Journal 5(2), 1966; xoshiro256** draws the slots";
  static constexpr std::array parameters{
      atomic_parameter, PolicyParameter{"seed", "1", "0..18446744073709551615", "where the sequence of draws starts"}};
  static constexpr Replacement replacement = Replacement::per_access;
  static constexpr double access_ns = 10;
  static constexpr PolicyNeeds needs{};
  static constexpr double slot_bytes = 0;
  static constexpr double place_bytes = 0;

  explicit Random(const PolicySetup& setup)
      : capacity_entries_(setup.capacity_entries),
        draws_(Xoshiro256::numbered(integer_value(setup.spec, "seed"), setup.cache_number)) {}

  void on_hit(Access /*access*/) noexcept {}
  bool admits() noexcept { return true; }
  SlotId victim(std::uint32_t /*key*/) noexcept { return SlotId{draws_.below(capacity_entries_)}; }
  void on_evict(Access /*access*/) noexcept {}
  void on_fill(Access /*access*/) noexcept {}
  void on_forget(Access /*access*/) noexcept {}

  bool invariant() const { return true; }

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
  static constexpr double access_ns = Random::access_ns;
  static constexpr PolicyNeeds needs{.whole_selection = true};
  static constexpr double slot_bytes = 8;
  static constexpr double place_bytes = 0;

  explicit RandomStep(const PolicySetup& setup)
      : draws_(Xoshiro256::numbered(integer_value(setup.spec, "seed"), setup.cache_number)),
        named_in_(setup.capacity_entries, 0) {}

  void on_begin(const StepSelection& /*selection*/) {}
  void on_hit(Access access) noexcept { named_in_[value(access.slot)] = selection_; }
  bool admits() noexcept { return true; }

  SlotId victim(std::uint32_t /*key*/) noexcept {
    std::uint32_t slot = draw();
    while (named_in_[slot] == selection_) {
      slot = draw();
    }
    return SlotId{slot};
  }

  void on_evict(Access /*access*/) noexcept {}
  void on_fill(Access access) noexcept { named_in_[value(access.slot)] = selection_; }
  void on_end() noexcept { ++selection_; }
  void on_forget(Access /*access*/) noexcept {}

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
