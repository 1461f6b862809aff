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

/// The class of an activity, by its 32nds; after those, the classes of what is selected for the first time.
constexpr std::array<std::uint8_t, 64> activity_class_table() noexcept {
  constexpr std::array<std::size_t, activity_classes - first_run_classes - 1> limits = {1, 4, 8, 16, 24, 28};
  std::array<std::uint8_t, 64> table{};
  for (std::size_t part = 0; part < 32; ++part) {
    std::size_t found = first_run_classes;
    for (const std::size_t limit : limits) {
      found += static_cast<std::size_t>(part >= limit);
    }
    table[part] = static_cast<std::uint8_t>(found);
    table[32 + part] = static_cast<std::uint8_t>(std::min(part, first_run_classes - 1));
  }
  return table;
}

/// duration_bucket() of 0 .. 1024.
constexpr std::array<std::uint8_t, 1025> duration_bucket_table() noexcept {
  std::array<std::uint8_t, 1025> table{};
  for (std::size_t steps = 0; steps < table.size(); ++steps) {
    table[steps] = static_cast<std::uint8_t>(duration_bucket(steps));
  }
  return table;
}
inline constexpr auto duration_buckets_of = duration_bucket_table();

/// duration_bucket(), from a table: it is asked for once for each id.
inline std::size_t fast_duration_bucket(std::uint32_t steps) noexcept {
  return steps < duration_buckets_of.size() ? duration_buckets_of[steps] : duration_buckets - 1;
}

/// Since when an entry is in or out of its layer's selection, and its activity at that time. Default: never selected.
class EntryState {
 public:
  static constexpr std::uint64_t most_steps = std::uint64_t{1} << 20U;

  bool touched() const noexcept { return bits_ != 0; }
  bool selected() const noexcept { return (bits_ & selected_bit) != 0; }
  std::uint32_t since() const noexcept { return bits_ >> 12U; }
  bool out_since(std::uint32_t step) const noexcept { return since() == step && !selected(); }

  std::size_t activity_class() const noexcept {
    static constexpr auto classes = activity_class_table();
    return classes[((bits_ >> 7U) & 31U) | ((bits_ & first_run_bit) << 4U)];
  }

  /// The entry, perhaps of a decoded token, is selected at `step`, and was not before.
  void enter(std::uint64_t step, bool decoded) noexcept {
    if (touched()) {
      set(Activity::after_gap(field(), step - since()), step, selected_bit);
    } else {
      const std::uint32_t first_run = decoded ? first_run_classes - 1
                                              : static_cast<std::uint32_t>(step >= 1) +
                                                    static_cast<std::uint32_t>(step >= 9) +
                                                    static_cast<std::uint32_t>(step >= 65);
      set(first_run << 5U, step, selected_bit | first_run_bit);
    }
  }
  /// The entry is not selected at `step`, and was at the step before.
  void leave(std::uint64_t step) noexcept { set(Activity::after_run(activity(), step - since()), step, 0); }

 private:
  static constexpr std::uint32_t selected_bit = 1;
  static constexpr std::uint32_t first_run_bit = 2;

  /// The activity, or, of what is selected for the first time, 32 times its class: its activity follows from that.
  std::uint32_t field() const noexcept { return (bits_ >> 2U) & Activity::most; }
  std::uint32_t activity() const noexcept {
    const std::uint32_t of_first_run = field() == 0 ? Activity::at_start : 0;
    return (bits_ & first_run_bit) != 0 ? of_first_run : field();
  }
  void set(std::uint32_t field, std::uint64_t step, std::uint32_t flags) noexcept {
    bits_ = static_cast<std::uint32_t>(step << 12U) | (field << 2U) | flags;
  }

  std::uint32_t bits_ = 0;
};

}  // namespace dsasim::synthesis
