#pragma once

#include "dsasim/generate/model.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

// What the generator and the measurement remember of an entry of one stream: four bytes.

namespace dsasim::synthesis {

inline constexpr std::size_t activity_steps = 1024;
inline constexpr double activity_horizon_steps = 128;

/// What is left of an activity after so many steps, in 65536ths.
constexpr std::array<std::uint32_t, activity_steps> activity_decays() noexcept {
  std::array<std::uint32_t, activity_steps> table{};
  double left = 65536;
  for (std::uint32_t& entry : table) {
    entry = static_cast<std::uint32_t>(left);
    left -= left / activity_horizon_steps;
  }
  return table;
}

/// The moving average of "selected" over about 128 steps, in 1023rds; nothing was selected before the first step.
class Activity {
 public:
  static constexpr std::uint32_t most = 1023;
  static constexpr std::uint32_t at_start = 640;  ///< of what the first step selects: what came before is unknown

  static std::uint32_t after_run(std::uint32_t activity, std::uint64_t steps) noexcept {
    return most - scaled(most - activity, steps);
  }
  static std::uint32_t after_gap(std::uint32_t activity, std::uint64_t steps) noexcept {
    return scaled(activity, steps);
  }

 private:
  static constexpr auto decays = activity_decays();
  static constexpr std::uint64_t known_steps = decays.size();

  static std::uint32_t scaled(std::uint32_t activity, std::uint64_t gone) noexcept {
    return gone < known_steps ? (activity * decays[gone]) >> 16U : 0;
  }
};

/// The class of an activity, by its 32nds.
constexpr std::array<std::uint8_t, 32> activity_class_table() noexcept {
  constexpr std::array<std::size_t, activity_classes - first_run_classes - 1> limits = {1, 4, 8, 16, 24, 28};
  std::array<std::uint8_t, 32> table{};
  for (std::size_t part = 0; part < table.size(); ++part) {
    std::size_t found = first_run_classes;
    for (const std::size_t limit : limits) {
      found += static_cast<std::size_t>(part >= limit);
    }
    table[part] = static_cast<std::uint8_t>(found);
  }
  return table;
}

/// Since when an entry is in or out of its layer's selection, and its activity at that time. Default: never selected.
class EntryState {
 public:
  static constexpr std::uint64_t most_steps = std::uint64_t{1} << 20U;

  bool touched() const noexcept { return bits_ != 0; }
  bool selected() const noexcept { return (bits_ & selected_bit) != 0; }
  std::uint32_t since() const noexcept { return bits_ >> 12U; }

  std::size_t activity_class() const noexcept {
    if ((bits_ & first_run_bit) != 0) {
      return static_cast<std::size_t>(since() >= 1) + static_cast<std::size_t>(since() >= 9) +
             static_cast<std::size_t>(since() >= 65);
    }
    static constexpr auto classes = activity_class_table();
    return classes[activity() / 32];
  }

  /// The entry is selected at `step`, and was not before.
  void enter(std::uint64_t step) noexcept {
    if (touched()) {
      set(Activity::after_gap(activity(), step - since()), step, selected_bit);
    } else {
      set(step == 0 ? Activity::at_start : 0, step, selected_bit | first_run_bit);
    }
  }
  /// The entry is not selected at `step`, and was at the step before.
  void leave(std::uint64_t step) noexcept { set(Activity::after_run(activity(), step - since()), step, 0); }

 private:
  static constexpr std::uint32_t selected_bit = 1;
  static constexpr std::uint32_t first_run_bit = 2;

  std::uint32_t activity() const noexcept { return (bits_ >> 2U) & Activity::most; }
  void set(std::uint32_t activity, std::uint64_t step, std::uint32_t flags) noexcept {
    bits_ = static_cast<std::uint32_t>(step << 12U) | (activity << 2U) | flags;
  }

  std::uint32_t bits_ = 0;
};

}  // namespace dsasim::synthesis
