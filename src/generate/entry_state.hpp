#pragma once

#include "dsasim/generate/model.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

// What the generator and the measurement remember of an entry of one stream: four bytes.

namespace dsasim::synthesis {

/// The moving average of "selected" over about 64 steps, in 2047ths; 1 stands for "never before".
class Activity {
 public:
  static constexpr std::uint32_t never = 1;
  static constexpr std::uint32_t at_start = 1024;  ///< of what the first step selects: what came before is unknown
  static constexpr std::uint32_t most = 2047;

  static std::uint32_t after_run(std::uint32_t activity, std::uint64_t steps) noexcept {
    return most - scaled(most - activity, steps);
  }
  static std::uint32_t after_gap(std::uint32_t activity, std::uint64_t steps) noexcept {
    return std::max(scaled(activity, steps), never + 1);
  }
  static std::size_t class_of(std::uint32_t activity) noexcept {
    constexpr std::array<std::uint32_t, activity_classes - 1> limits = {2, 64, 256, 512, 1024, 1536, 1792};
    std::size_t found = 0;
    for (const std::uint32_t limit : limits) {
      found += static_cast<std::size_t>(activity >= limit);
    }
    return found;
  }

 private:
  static constexpr std::size_t decays = 1024;
  static constexpr std::array<std::uint32_t, decays> decay_table() noexcept {
    std::array<std::uint32_t, decays> table{};
    double left = 65536;
    for (std::uint32_t& entry : table) {
      entry = static_cast<std::uint32_t>(left);
      left -= left / 64;
    }
    return table;
  }
  static std::uint32_t scaled(std::uint32_t activity, std::uint64_t steps) noexcept {
    static constexpr std::array<std::uint32_t, decays> table = decay_table();
    return steps < decays ? (activity * table[steps]) >> 16U : 0;
  }
};

/// Since when an entry is in or out of its layer's selection, and its activity at that time. Default: never selected.
class EntryState {
 public:
  static constexpr std::uint64_t most_steps = std::uint64_t{1} << 20U;

  bool touched() const noexcept { return bits_ != 0; }
  bool selected() const noexcept { return (bits_ & 1U) != 0; }
  std::uint32_t since() const noexcept { return bits_ >> 12U; }
  std::size_t activity_class() const noexcept { return Activity::class_of(activity()); }

  /// The entry is selected at `step`, and was not before.
  void enter(std::uint64_t step) noexcept {
    if (touched()) {
      set(Activity::after_gap(activity(), step - since()), step, 1);
    } else {
      set(step == 0 ? Activity::at_start : Activity::never, step, 1);
    }
  }
  /// The entry is not selected at `step`, and was at the step before.
  void leave(std::uint64_t step) noexcept { set(Activity::after_run(activity(), step - since()), step, 0); }

 private:
  std::uint32_t activity() const noexcept { return (bits_ >> 1U) & Activity::most; }
  void set(std::uint32_t activity, std::uint64_t step, std::uint32_t selected) noexcept {
    bits_ = static_cast<std::uint32_t>(step << 12U) | (activity << 1U) | selected;
  }

  std::uint32_t bits_ = 0;
};

}  // namespace dsasim::synthesis
