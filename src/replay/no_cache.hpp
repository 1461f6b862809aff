#pragma once

#include "dsasim/cache/cache.hpp"
#include "dsasim/zeroed_array.hpp"

#include <vector>

namespace dsasim {

/// A capacity of 0: every access misses, nothing is kept. First touches still count as compulsory, so that a curve
/// over capacities has the same compulsory misses at each point.
class NoCache final : public Cache {
 public:
  explicit NoCache(std::uint32_t directory_entries) : seen_((std::size_t{directory_entries} + 63) / 64) {}

  SelectionOutcome select(const SelectionOrigin& from, std::span<const EntryId> ids,
                          std::vector<EntryId>& missed) override {
    SelectionOutcome outcome{.accesses = static_cast<std::uint32_t>(ids.size())};
    for (const EntryId id : ids) {
      const std::uint32_t key = from.base + value(id);
      const std::uint64_t bit = std::uint64_t{1} << (key % 64);
      outcome.compulsory_misses += (seen_[key / 64] & bit) != 0 ? 0U : 1U;
      seen_[key / 64] |= bit;
    }
    missed.insert(missed.end(), ids.begin(), ids.end());
    return outcome;
  }
  /// Of an entry that was pinned: it goes, and was there.
  std::uint32_t insert(std::uint32_t base, EntryId entry) override {
    const std::uint32_t key = base + value(entry);
    seen_[key / 64] |= std::uint64_t{1} << (key % 64);
    return 0;
  }
  void forget(std::uint32_t base, std::uint32_t first, std::uint32_t last) override {
    for (std::uint32_t key = base + first; key < base + last; ++key) {
      seen_[key / 64] &= ~(std::uint64_t{1} << (key % 64));
    }
  }
  void foresee(std::span<const NextUse> /*next_uses*/) override {}
  bool contains(std::uint32_t /*base*/, EntryId /*entry*/) const override { return false; }
  bool invariant() const override { return true; }

 private:
  ZeroedArray<std::uint64_t> seen_;  ///< by key, a bit
};

}  // namespace dsasim
