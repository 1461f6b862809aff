#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace dsasim {

/// First in, first out: a queue that an entry joins when it is filled, and only then.
class Fifo {
 public:
  static constexpr std::string_view name = "fifo";
  static constexpr std::string_view sentence = "Evicts the entry that came in first; hits change nothing.";
  static constexpr std::string_view source = "Belady, IBM Systems Journal 5(2), 1966";
  static constexpr std::array parameters{atomic_parameter};
  static constexpr Replacement replacement = Replacement::per_access;
  static constexpr double access_ns = 3;
  static constexpr bool spares_used = false;
};

/// `fifo,atomic=step`: the oldest insertion among the entries that the selection does not name; those it names
/// keep their place.
class FifoStep {
 public:
  static constexpr std::string_view name = Fifo::name;
  static constexpr std::string_view sentence = Fifo::sentence;
  static constexpr std::string_view source = Fifo::source;
  static constexpr auto parameters = Fifo::parameters;
  static constexpr Replacement replacement = Replacement::per_selection;
  static constexpr double access_ns = 4;
  static constexpr PolicyNeeds needs{.whole_selection = true};
  static constexpr double slot_bytes = 12;
  static constexpr double place_bytes = 0;

  explicit FifoStep(const PolicySetup& setup)
      : end_(setup.capacity_entries),
        next_(setup.capacity_entries + std::size_t{1}, end_),
        named_in_(setup.capacity_entries, 0),
        newest_(end_),
        passed_(end_) {}

  void on_begin(const StepSelection& /*selection*/) {}
  void on_hit(Access access) noexcept { named_in_[value(access.slot)] = selection_; }
  bool admits() noexcept { return true; }

  /// Goes on where the last miss of this selection stopped, so a selection passes each of its hits once at most.
  SlotId victim(std::uint32_t /*key*/) noexcept {
    while (named_in_[next_[passed_]] == selection_) {
      passed_ = next_[passed_];
    }
    const std::uint32_t oldest = next_[passed_];
    next_[passed_] = next_[oldest];
    if (newest_ == oldest) {
      newest_ = passed_;
    }
    return SlotId{oldest};
  }

  void on_evict(Access /*access*/) noexcept {}

  /// A slot filled by this selection is not marked as named: the capacity is at least the selection's size, so older
  /// victims suffice.
  void on_fill(Access access) noexcept {
    next_[newest_] = value(access.slot);
    next_[value(access.slot)] = end_;
    newest_ = value(access.slot);
  }

  void on_end() noexcept {
    ++selection_;
    passed_ = end_;
  }

  /// Seldom: it looks for the slot from the oldest on.
  void on_forget(Access access) noexcept {
    std::uint32_t before = end_;
    while (next_[before] != value(access.slot)) {
      before = next_[before];
    }
    next_[before] = next_[value(access.slot)];
    newest_ = newest_ == value(access.slot) ? before : newest_;
  }

  bool invariant() const {
    std::uint32_t reached = 0;
    std::uint32_t last = end_;
    for (std::uint32_t at = next_[end_]; at != end_; at = next_[at]) {
      last = at;
      if (++reached > end_) {
        return false;
      }
    }
    return last == newest_;
  }

 private:
  std::uint32_t end_;                    ///< the list's head, in the place after the last slot
  std::vector<std::uint32_t> next_;      ///< by slot: the one filled after it; next_[end_] is the oldest
  std::vector<std::uint64_t> named_in_;  ///< by slot: the number of the last selection that hit it
  std::uint64_t selection_ = 1;
  std::uint32_t newest_;
  std::uint32_t passed_;  ///< the last slot passed over in this selection, or end_
};

}  // namespace dsasim
