#pragma once

#include "dsasim/cache/directory_cache.hpp"
#include "dsasim/cache/policy.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// The replay loop for a policy that replaces one selection at a time, as a kernel does that looks up a whole selection
/// before it moves anything: the hits first, then the misses in logged order.
template <StepPolicy P>
class StepCache final : public DirectoryCache<P> {
 public:
  explicit StepCache(const PolicySetup& setup) : DirectoryCache<P>(setup) {}

  SelectionOutcome select(const SelectionOrigin& from, std::span<const EntryId> ids,
                          std::vector<EntryId>& missed) override {
    assert(ids.size() <= directory_.capacity_entries());
    // Room for all of them first, so that the loops write through pointers and never allocate.
    const std::size_t before = missed.size();
    missed.resize(before + ids.size());
    hits_.resize(std::max(hits_.size(), ids.size()));
    const std::size_t hits = look_up(from.base, ids, missed.data() + before);
    missed.resize(before + ids.size() - hits);
    divide_next_uses(from.base, ids);

    policy_.on_begin({.from = from,
                      .ids = ids,
                      .evictions = directory_.evictions_of(ids.size() - hits),
                      .missed_next_uses = missed_next_uses_});
    for (std::size_t i = 0; i < hits; ++i) {
      announce(hit_next_uses_, i);
      policy_.on_hit(directory_.entry_in(hits_[i]));
    }
    SelectionOutcome outcome{.accesses = static_cast<std::uint32_t>(ids.size()),
                             .hits = static_cast<std::uint32_t>(hits)};
    admit_misses(from.base, std::span(missed).subspan(before), outcome);
    policy_.on_end();
    return outcome;
  }

  std::uint32_t insert(std::uint32_t base, EntryId entry) override {
    const std::uint32_t key = base + value(entry);
    if (is_resident(directory_.place_of(key))) {
      return 0;
    }
    const bool evicts = directory_.full();
    announce(foresight_.next_uses(), 0);
    directory_.admit(key, policy_);
    policy_.on_end();
    return evicts ? 1 : 0;
  }

 private:
  using DirectoryCache<P>::directory_;
  using DirectoryCache<P>::foresight_;
  using DirectoryCache<P>::policy_;

  /// Divides the selection into hits_ and `missed`; returns the number of hits. Without a branch: it would be
  /// mispredicted for most misses, and nothing here depends on the outcome of an access before.
  std::size_t look_up(std::uint32_t base, std::span<const EntryId> ids, EntryId* missed) noexcept {
    SlotId* const hits = hits_.data();
    std::size_t hit = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const Place place = directory_.place_of(base + value(ids[i]));
      hits[hit] = SlotId{place};
      missed[i - hit] = ids[i];
      hit += is_resident(place) ? 1U : 0U;
    }
    return hit;
  }

  /// The same of what foresee() said; before anything is evicted.
  void divide_next_uses(std::uint32_t base, std::span<const EntryId> ids) {
    if constexpr (P::needs.future) {
      assert(foresight_.next_uses().size() == ids.size());
      hit_next_uses_.clear();
      missed_next_uses_.clear();
      for (std::size_t i = 0; i < ids.size(); ++i) {
        const bool hit = is_resident(directory_.place_of(base + value(ids[i])));
        (hit ? hit_next_uses_ : missed_next_uses_).push_back(foresight_.next_uses()[i]);
      }
      foresight_.pass(ids.size());
    }
  }

  void admit_misses(std::uint32_t base, std::span<const EntryId> missed, SelectionOutcome& outcome) noexcept {
    for (std::size_t i = 0; i < missed.size(); ++i) {
      const std::uint32_t key = base + value(missed[i]);
      outcome.compulsory_misses += directory_.place_of(key) == never_seen ? 1U : 0U;
      announce(missed_next_uses_, i);
      if (!policy_.admits()) {
        directory_.pass_by(key);
        continue;
      }
      outcome.evictions += directory_.full() ? 1U : 0U;
      directory_.admit(key, policy_);
    }
  }

  /// Tells a policy that asked for it when the entry of the next hook is needed again.
  void announce(std::span<const AccessNumber> next_uses, std::size_t i) noexcept {
    if constexpr (P::needs.future) {
      policy_.on_next_use(next_uses[i]);
    }
  }

  std::vector<SlotId> hits_;                 ///< of the current selection
  std::vector<AccessNumber> hit_next_uses_;  ///< of the current selection, if the policy needs them
  std::vector<AccessNumber> missed_next_uses_;
};

}  // namespace dsasim
