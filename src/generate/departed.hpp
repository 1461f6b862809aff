#pragma once

#include "dsasim/generate/model.hpp"

#include "generate/entry_state.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim::synthesis {

/// Activity class and duration bucket as one number.
inline constexpr std::size_t cells = activity_classes * duration_buckets;
constexpr std::size_t cell_of(std::size_t activity, std::size_t bucket) noexcept {
  return activity * duration_buckets + bucket;
}
inline std::size_t cell_of(const EntryState& state, std::uint64_t step) noexcept {
  return cell_of(state.activity_class(), fast_duration_bucket(static_cast<std::uint32_t>(step) - state.since()));
}

/// The entries that were selected and are not, by activity class in the order in which they left, so that those of one
/// bucket of gaps stand together. Those that are back are counted out at once, and taken out when they are many.
class Departed {
 public:
  struct Entry {
    std::uint32_t id;
    std::uint32_t since;
  };

  /// `step` begins: gaps are a step longer.
  void begin_step(std::uint64_t step, std::span<const EntryState> states);

  /// Entries of a cell that are out.
  std::uint64_t count(std::size_t cell) const noexcept { return counts_[cell]; }
  /// These are all of them, and some that are back: EntryState::out_since() tells.
  std::span<const Entry> entries(std::size_t cell) const noexcept;

  /// One that left at this step; its state says so.
  void add(std::uint32_t id, const EntryState& state);
  /// One is back at `step`; its state is what it was.
  void remove(const EntryState& state, std::uint64_t step) noexcept;

 private:
  static constexpr std::size_t classes = activity_classes - first_run_classes;  // what left has an activity
  static constexpr std::size_t bounded_buckets = duration_buckets - 1;
  static constexpr std::size_t ring_steps = 2048;  // more than the bounded buckets' 1,024

  struct Class {
    std::vector<Entry> entries;  ///< oldest first
    /// By bucket: the first entry that is not in a longer one.
    std::array<std::size_t, bounded_buckets> first{};
    std::uint64_t out = 0;  ///< of entries
  };
  void move_bounds(std::size_t at, std::uint64_t step) noexcept;
  void drop_returned(Class& of, std::uint64_t step, std::span<const EntryState> states);

  std::array<Class, classes> classes_;
  std::array<std::uint64_t, cells> counts_{};
  /// By class and the step at which they left, modulo ring_steps: those that are out.
  std::vector<std::uint32_t> left_at_ = std::vector<std::uint32_t>(classes * ring_steps);
};

}  // namespace dsasim::synthesis
