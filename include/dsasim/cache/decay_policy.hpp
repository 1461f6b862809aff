#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/cache/rank_policy.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace dsasim {

/// decay^steps, by repeated multiplication, so that it is the same on every machine.
class DecayTable {
 public:
  explicit DecayTable(double decay) : power_(length) {
    double power = 1;
    for (double& entry : power_) {
      entry = std::exchange(power, power * decay);
    }
  }

  double after(std::uint64_t steps) const noexcept { return steps < length ? power_[steps] : 0; }

 private:
  static constexpr std::size_t length = 4096;  // 0.98^4096 is 1e-36
  std::vector<double> power_;
};

/// Ranks by sums that change when an entry is selected and decay at each step. They are kept as float32 as of an
/// entry's last use and decayed from there when they are read. `Sums` says how many there are, by what each decays,
/// what a selection makes of them (begin() with all of it, then select() for each of its ids), what is remembered, and
/// what an entry with these sums is worth.
template <class Sums>
class DecayRanks {
 public:
  static constexpr double access_ns = 25;
  static constexpr PolicyNeeds needs{.whole_selection = true};
  static constexpr double slot_bytes = 0;
  using State = std::array<float, Sums::count>;

  explicit DecayRanks(const PolicySetup& setup) : sums_(setup.spec) {
    decays_.reserve(Sums::count);
    for (const double decay : sums_.decay) {
      decays_.emplace_back(decay);
    }
  }
  static History history(const PolicySpec& spec) { return Sums::history(spec); }

  static constexpr std::size_t staging() noexcept { return 0; }

  void begin(const StepSelection& selection) { sums_.begin(selection); }
  void select(std::size_t i, State& state) const noexcept { sums_.select(i, state); }

  State after(const State& state, std::uint64_t steps) const noexcept {
    const auto decayed = decay(state, steps);
    State moved{};
    for (std::size_t i = 0; i < Sums::count; ++i) {
      moved[i] = static_cast<float>(decayed[i]);
    }
    return moved;
  }

  template <class Entries>
  void learn(const Entries& /*entries*/, std::span<const Candidate> /*candidates*/, std::uint64_t /*now*/) noexcept {}
  static void forget(std::uint32_t /*key*/) noexcept {}
  template <class Entries>
  void look(const Entries& /*entries*/, std::span<const Candidate> /*candidates*/, std::uint64_t /*now*/) noexcept {}

  float worth(std::size_t /*i*/, const RankedEntry<State>& entry, std::uint64_t now) const noexcept {
    return static_cast<float>(sums_.worth(decay(entry.state, now - entry.last_use)));
  }

 private:
  std::array<double, Sums::count> decay(const State& state, std::uint64_t steps) const noexcept {
    std::array<double, Sums::count> sums{};
    for (std::size_t i = 0; i < Sums::count; ++i) {
      sums[i] = state[i] * decays_[i].after(steps);
    }
    return sums;
  }

  Sums sums_;
  std::vector<DecayTable> decays_;
};

template <class Sums>
using DecayPolicy = RankPolicy<DecayRanks<Sums>>;

}  // namespace dsasim
