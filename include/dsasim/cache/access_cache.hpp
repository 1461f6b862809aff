#pragma once

#include "dsasim/cache/cache.hpp"
#include "dsasim/cache/directory.hpp"
#include "dsasim/cache/policy.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// The replay loop for a policy that replaces one access at a time.
template <AccessPolicy P>
class AccessCache final : public Cache {
 public:
  AccessCache(const PolicySpec& spec, std::uint32_t capacity_entries, std::uint32_t directory_entries,
              std::uint64_t cache_number)
      : directory_(capacity_entries, directory_entries),
        policy_(PolicySetup{directory_.capacity_entries(), cache_number, spec}) {}

  SelectionOutcome select(std::uint32_t base, std::span<const EntryId> ids, std::vector<EntryId>& missed) override {
    assert(!P::needs_future || next_uses_.size() == ids.size());
    // Room for all of them first, so that the loop writes through a pointer and never allocates.
    const std::size_t before = missed.size();
    missed.resize(before + ids.size());
    const SelectionOutcome outcome = replay(base, ids, missed.data() + before);
    missed.resize(before + outcome.accesses - outcome.hits);
    accesses_ += ids.size();
    return outcome;
  }

  std::uint32_t insert(std::uint32_t base, EntryId entry) override {
    assert(!P::needs_future || next_uses_.size() == 1);
    const std::uint32_t key = base + value(entry);
    if (is_resident(directory_.place_of(key))) {
      return 0;
    }
    const bool evicts = directory_.full();
    announce(0);
    directory_.admit(key, policy_);
    return evicts ? 1 : 0;
  }

  void foresee(std::span<const NextUse> next_uses) override {
    assert(P::needs_future);
    if constexpr (P::needs_future) {
      next_uses_.resize(next_uses.size());
      AccessNumber last = 0;
      for (std::size_t i = 0; i < next_uses.size(); ++i) {
        next_uses_[i] = next_uses[i] == never_again ? never_accessed : accesses_ + i + next_uses[i];
        last = std::max(last, next_uses[i] == never_again ? 0 : next_uses_[i]);
      }
      policy_.on_foresee(last);
    }
  }

  bool contains(std::uint32_t base, EntryId entry) const override {
    return is_resident(directory_.place_of(base + value(entry)));
  }

  bool invariant() const override { return directory_.invariant() && policy_.invariant(); }

 private:
  SelectionOutcome replay(std::uint32_t base, std::span<const EntryId> ids, EntryId* missed) noexcept {
    SelectionOutcome outcome{.accesses = static_cast<std::uint32_t>(ids.size())};
    for (std::size_t i = 0; i < ids.size(); ++i) {
      announce(i);
      const std::uint32_t key = base + value(ids[i]);
      const Place place = directory_.place_of(key);
      if (is_resident(place)) {
        ++outcome.hits;
        policy_.on_hit(SlotId{place});
        continue;
      }
      *missed++ = ids[i];
      outcome.compulsory_misses += place == never_seen ? 1U : 0U;
      if (directory_.full() && !policy_.admits()) {
        directory_.pass_by(key);
        continue;
      }
      outcome.evictions += directory_.full() ? 1U : 0U;
      directory_.admit(key, policy_);
    }
    return outcome;
  }

  /// Tells a policy that asked for it when the entry of access (or insert) `i` since foresee() is needed again.
  void announce(std::size_t i) noexcept {
    if constexpr (P::needs_future) {
      policy_.on_next_use(next_uses_[i]);
    }
  }

  Directory directory_;
  P policy_;
  std::vector<AccessNumber> next_uses_;  ///< foreseen
  AccessNumber accesses_ = 0;            ///< before the current selection
};

}  // namespace dsasim
