#pragma once

#include "dsasim/cache/directory_cache.hpp"
#include "dsasim/cache/policy.hpp"

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// The replay loop for a policy that replaces one access at a time.
template <AccessPolicy P>
class AccessCache final : public DirectoryCache<P> {
 public:
  explicit AccessCache(const PolicySetup& setup) : DirectoryCache<P>(setup) {}

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

 private:
  using DirectoryCache<P>::directory_;
  using DirectoryCache<P>::foresight_;
  using DirectoryCache<P>::policy_;

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
};

}  // namespace dsasim
