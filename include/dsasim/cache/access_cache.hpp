#pragma once

#include "dsasim/cache/cache.hpp"
#include "dsasim/cache/directory.hpp"
#include "dsasim/cache/foresight.hpp"
#include "dsasim/cache/policy.hpp"

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
  explicit AccessCache(const PolicySetup& setup)
      : directory_(setup.capacity_entries, setup.directory_entries),
        policy_(setup.with_capacity(directory_.capacity_entries())) {}

  SelectionOutcome select(const SelectionOrigin& from, std::span<const EntryId> ids,
                          std::vector<EntryId>& missed) override {
    assert(!P::needs.future || foresight_.next_uses().size() == ids.size());
    // Room for all of them first, so that the loop writes through a pointer and never allocates.
    const std::size_t before = missed.size();
    missed.resize(before + ids.size());
    const SelectionOutcome outcome = replay(from.base, ids, missed.data() + before);
    missed.resize(before + outcome.accesses - outcome.hits);
    foresight_.pass(ids.size());
    return outcome;
  }

  std::uint32_t insert(std::uint32_t base, EntryId entry) override {
    assert(!P::needs.future || foresight_.next_uses().size() == 1);
    const std::uint32_t key = base + value(entry);
    if (is_resident(directory_.place_of(key))) {
      return 0;
    }
    const bool evicts = directory_.full();
    announce(0);
    directory_.admit(key, policy_);
    return evicts ? 1 : 0;
  }

  void forget(std::uint32_t base, std::uint32_t first, std::uint32_t last) override {
    if constexpr (ForgetsEntries<P>) {
      for (std::uint32_t id = first; id < last; ++id) {
        directory_.forget(base + id, policy_);
      }
    } else {
      Cache::forget(base, first, last);
    }
  }

  void foresee(std::span<const NextUse> next_uses) override {
    assert(P::needs.future);
    if constexpr (P::needs.future) {
      foresight_.foresee(next_uses, policy_);
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
        policy_.on_hit({.key = key, .slot = SlotId{place}});
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
    if constexpr (P::needs.future) {
      policy_.on_next_use(foresight_.next_uses()[i]);
    }
  }

  Directory directory_;
  P policy_;
  Foresight foresight_;
};

}  // namespace dsasim
