#pragma once

#include "dsasim/types.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace dsasim {

/// The entries of a guess, the likeliest first: those of the largest rank, and of equal rank those of the largest id,
/// which are nearest to the query.
class Ranking {
 public:
  /// Entries that no guess has.
  class LeftOut {
   public:
    LeftOut() = default;
    virtual ~LeftOut() = default;
    LeftOut(const LeftOut&) = delete;
    LeftOut& operator=(const LeftOut&) = delete;
    virtual bool has(EntryId id) const = 0;
  };

  /// An empty guess of at most so many entries. `left_out` is asked until guess().
  void begin(std::size_t wanted, const LeftOut* left_out = nullptr) {
    wanted_ = wanted;
    left_out_ = left_out;
    entries_.clear();
    guess_.clear();
  }

  /// True if what was added fills the guess: a predictor that adds the likeliest first may stop.
  bool full() const noexcept { return entries_.size() >= wanted_; }
  /// An entry is added once.
  void add(double rank, EntryId id) {
    if (left_out_ == nullptr || !left_out_->has(id)) {
      entries_.push_back({.rank = rank, .id = id});
    }
  }

  /// After the last add(): a prefix of it is the guess of as many entries.
  std::span<const EntryId> guess() {
    const std::size_t size = std::min(wanted_, entries_.size());
    const auto end = entries_.begin() + static_cast<std::ptrdiff_t>(size);
    const auto before = [](const Entry& a, const Entry& b) {
      return a.rank > b.rank || (a.rank == b.rank && value(a.id) > value(b.id));
    };
    if (size < entries_.size()) {
      std::nth_element(entries_.begin(), end, entries_.end(), before);
    }
    std::sort(entries_.begin(), end, before);
    for (std::size_t i = 0; i < size; ++i) {
      guess_.push_back(entries_[i].id);
    }
    return guess_;
  }

 private:
  struct Entry {
    double rank;
    EntryId id;
  };
  std::size_t wanted_ = 0;
  const LeftOut* left_out_ = nullptr;
  std::vector<Entry> entries_;
  std::vector<EntryId> guess_;
};

}  // namespace dsasim
