#pragma once

#include "dsasim/types.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
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
    last_ = {.rank = -std::numeric_limits<double>::infinity(), .id = EntryId{0}};
    entries_.clear();
    guess_.clear();
  }

  /// True if what was added fills the guess: a predictor that adds the likeliest first may stop.
  bool full() const noexcept { return entries_.size() >= wanted_; }
  /// An entry is added once.
  void add(double rank, EntryId id) {
    if (before({.rank = rank, .id = id}, last_) && !leaves_out(id)) {
      keep(rank, id);
    }
  }
  /// The same of a rank that takes work to find: `rank` is called for an entry that no guess leaves out.
  template <class Rank>
  void add_ranked_by(Rank&& rank, EntryId id) {
    if (!leaves_out(id)) {
      const Entry entry{.rank = rank(), .id = id};
      if (before(entry, last_)) {
        keep(entry.rank, id);
      }
    }
  }
  /// No entry of a smaller rank will be in the guess.
  double least_rank() const noexcept { return last_.rank; }

  /// After the last add(): a prefix of it is the guess of as many entries.
  std::span<const EntryId> guess() {
    if (wanted_ < entries_.size()) {
      keep_wanted();
    }
    std::sort(entries_.begin(), entries_.end(), before);
    for (const Entry& entry : entries_) {
      guess_.push_back(entry.id);
    }
    return guess_;
  }

 private:
  struct Entry {
    double rank;
    EntryId id;
  };

  /// As many more than are wanted twice are kept before those that are not wanted go: a short guess would be sorted out
  /// after every few entries.
  static constexpr std::size_t kept_besides = 64;

  static bool before(const Entry& a, const Entry& b) noexcept {
    return a.rank > b.rank || (a.rank == b.rank && value(a.id) > value(b.id));
  }

  bool leaves_out(EntryId id) const { return left_out_ != nullptr && left_out_->has(id); }

  void keep(double rank, EntryId id) {
    entries_.push_back({.rank = rank, .id = id});
    if (entries_.size() >= 2 * wanted_ + kept_besides) {
      keep_wanted();
    }
  }

  /// Of more than are wanted.
  void keep_wanted() noexcept {
    if (wanted_ > 0) {
      const auto last = entries_.begin() + static_cast<std::ptrdiff_t>(wanted_) - 1;
      std::nth_element(entries_.begin(), last, entries_.end(), before);
      last_ = *last;
    }
    entries_.resize(wanted_);
  }

  std::size_t wanted_ = 0;
  const LeftOut* left_out_ = nullptr;
  Entry last_{};  ///< of those wanted so far, once there are as many: what is not before it need not be kept
  std::vector<Entry> entries_;
  std::vector<EntryId> guess_;
};

}  // namespace dsasim
