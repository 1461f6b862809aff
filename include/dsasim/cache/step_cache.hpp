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

/// The replay loop for a policy that replaces one selection at a time, as a kernel does that looks up a whole selection
/// before it moves anything: the hits first, then the misses in logged order.
template <StepPolicy P>
class StepCache final : public Cache {
 public:
  StepCache(const PolicySpec& spec, std::uint32_t capacity_entries, std::uint32_t directory_entries,
            std::uint64_t cache_number)
      : directory_(capacity_entries, directory_entries),
        policy_(PolicySetup{directory_.capacity_entries(), cache_number, spec}) {}

  SelectionOutcome select(std::uint32_t base, std::span<const EntryId> ids, std::vector<EntryId>& missed) override {
    assert(ids.size() <= directory_.capacity_entries());
    // Room for all of them first, so that the loops write through pointers and never allocate.
    const std::size_t before = missed.size();
    missed.resize(before + ids.size());
    hits_.resize(std::max(hits_.size(), ids.size()));
    const std::size_t hits = look_up(base, ids, missed.data() + before);
    missed.resize(before + ids.size() - hits);

    for (const SlotId slot : std::span(hits_).first(hits)) {
      policy_.on_hit(slot);
    }
    SelectionOutcome outcome{.accesses = static_cast<std::uint32_t>(ids.size()),
                             .hits = static_cast<std::uint32_t>(hits)};
    admit_misses(base, std::span(missed).subspan(before), outcome);
    policy_.on_end();
    return outcome;
  }

  std::uint32_t insert(std::uint32_t base, EntryId entry) override {
    const std::uint32_t key = base + value(entry);
    if (is_resident(directory_.place_of(key))) {
      return 0;
    }
    const bool evicts = directory_.full();
    directory_.admit(key, policy_);
    policy_.on_end();
    return evicts ? 1 : 0;
  }

  void foresee(std::span<const NextUse> /*next_uses*/) override { assert(false); }

  bool contains(std::uint32_t base, EntryId entry) const override {
    return is_resident(directory_.place_of(base + value(entry)));
  }

  bool invariant() const override { return directory_.invariant() && policy_.invariant(); }

 private:
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

  void admit_misses(std::uint32_t base, std::span<const EntryId> missed, SelectionOutcome& outcome) noexcept {
    for (const EntryId entry : missed) {
      const std::uint32_t key = base + value(entry);
      outcome.compulsory_misses += directory_.place_of(key) == never_seen ? 1U : 0U;
      outcome.evictions += directory_.full() ? 1U : 0U;
      directory_.admit(key, policy_);
    }
  }

  Directory directory_;
  P policy_;
  std::vector<SlotId> hits_;  ///< of the current selection
};

}  // namespace dsasim
