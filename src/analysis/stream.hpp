#pragma once

#include "analysis/entry_set.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace dsasim {

/// What is known of a stream before its first selection.
struct StreamShape {
  std::uint64_t id_limit = 0;           ///< every id is below
  std::uint64_t steps = 0;              ///< that are analysed
  std::uint64_t context_tokens = 0;     ///< at the last of them, the query's own included
  std::uint32_t longest_selection = 0;  ///< of the trace
};

/// An entry that is selected and was not in the step before.
struct Started {
  static constexpr std::uint32_t never = std::numeric_limits<std::uint32_t>::max();
  EntryId id;
  std::uint32_t age;  ///< steps since it was last selected: 2 or more, or never
};
/// An entry that is no longer selected and was in the step before.
struct Ended {
  EntryId id;
  std::uint32_t length;  ///< steps that it was selected, one after the other
};

/// The selections of the last steps of a stream, in a ring.
class SelectionHistory {
 public:
  void reset(std::uint32_t depth) { ring_.assign(depth, {}); }
  void push(std::span<const EntryId> ids) {
    newest_ = newest_ + 1 < ring_.size() ? newest_ + 1 : 0;
    ring_[newest_].assign(ids.begin(), ids.end());
  }
  /// `back` steps before the current one, 1 to the depth.
  std::span<const EntryId> ids(std::uint32_t back) const noexcept {
    const std::size_t before = back - 1;
    return ring_[newest_ >= before ? newest_ - before : newest_ + ring_.size() - before];
  }

 private:
  std::vector<std::vector<EntryId>> ring_;
  std::size_t newest_ = 0;
};

/// A selection, and how it differs from the stream's one before. Most entries of a selection were in the one before, so
/// metrics that need only the differences touch few. Steps count selections that have ids: others were not made, and
/// are as if their steps were not there.
struct Observation {
  std::uint32_t step = 0;         ///< from 0, the first that is analysed
  std::uint64_t query_token = 0;  ///< the query's position
  std::span<const EntryId> ids;
  std::span<const Started> started;
  std::span<const Ended> ended;
  std::span<const EntryId> layer_before;  ///< selected by the layer before in this step; empty in the first
  const EntrySet* set = nullptr;          ///< of ids
  const SelectionHistory* history = nullptr;

  /// In this step and in the one before.
  std::uint32_t kept() const noexcept { return static_cast<std::uint32_t>(ids.size() - started.size()); }
};

/// One (request, layer): finds what changes from step to step. Work and memory accesses go by the ids, not by the size
/// of the context.
class Stream {
 public:
  /// `depth` is how many selections the history keeps, at least 1.
  void begin(const StreamShape& shape, std::uint32_t depth);
  static std::uint64_t state_bytes(const StreamShape& shape, std::uint32_t depth) noexcept;

  /// The next step's selection. What is returned is valid until advance().
  Observation observe(std::span<const EntryId> ids, std::uint64_t query_token, std::span<const EntryId> layer_before);
  /// Goes on to the next step.
  void advance(std::span<const EntryId> ids);
  /// After the last advance(): the entries that are still selected.
  std::span<const Ended> open_runs();

 private:
  void find_started(std::span<const EntryId> ids);
  void find_ended(std::span<const EntryId> before);

  std::uint32_t step_ = 0;
  std::array<EntrySet, 2> sets_;  ///< of the step that is observed, and of the one before: empty between steps
  /// By id: of one that is selected, the step at which that began; of another, the step at which it was last selected;
  /// plus one, and 0 if it never was.
  ZeroedArray<std::uint32_t> since_;
  SelectionHistory history_;
  std::vector<Started> started_;  ///< room for the longest selection, as ended_
  std::vector<Ended> ended_;
};

}  // namespace dsasim
