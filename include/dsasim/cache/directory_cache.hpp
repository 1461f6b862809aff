#pragma once

#include "dsasim/cache/cache.hpp"
#include "dsasim/cache/directory.hpp"
#include "dsasim/cache/foresight.hpp"
#include "dsasim/cache/policy.hpp"

#include <cassert>
#include <cstdint>
#include <span>

namespace dsasim {

/// What the replay loops of AccessCache and StepCache stand on: a directory, a policy, and what the policy was told
/// of the future. Everything of Cache that does not depend on when a victim is selected.
template <typename P>
class DirectoryCache : public Cache {
 public:
  void forget(std::uint32_t base, std::uint32_t first, std::uint32_t last) final {
    if constexpr (ForgetsEntries<P>) {
      for (std::uint32_t id = first; id < last; ++id) {
        directory_.forget(base + id, policy_);
      }
    } else {
      Cache::forget(base, first, last);
    }
  }

  void foresee(std::span<const NextUse> next_uses) final {
    assert(P::needs.future);
    if constexpr (P::needs.future) {
      foresight_.foresee(next_uses, policy_);
    }
  }

  bool contains(std::uint32_t base, EntryId entry) const final {
    return is_resident(directory_.place_of(base + value(entry)));
  }

  bool invariant() const final { return directory_.invariant() && policy_.invariant(); }

 protected:
  explicit DirectoryCache(const PolicySetup& setup)
      : directory_(setup.capacity_entries, setup.directory_entries),
        policy_(setup.with_capacity(directory_.capacity_entries())) {}

  Directory directory_;
  P policy_;
  Foresight foresight_;
};

}  // namespace dsasim
