// The one place that instantiates the caches: one replay loop for each policy.

#include "dsasim/cache/access_cache.hpp"
#include "dsasim/cache/all_policies.hpp"
#include "dsasim/cache/lru_cache.hpp"
#include "dsasim/cache/lru_set_cache.hpp"
#include "dsasim/cache/step_cache.hpp"
#include "dsasim/cache/sweep_cache.hpp"

#include <memory>

namespace dsasim {
namespace {

/// The replay loop that drives a policy.
template <class P>
struct Driver;
template <AccessPolicy P>
struct Driver<P> {
  using Type = AccessCache<P>;
};
template <SweepPolicy P>
struct Driver<P> {
  using Type = SweepCache<P>;
};
template <StepPolicy P>
struct Driver<P> {
  using Type = StepCache<P>;
};

template <class P>
std::unique_ptr<Cache> make(const PolicySpec& spec, std::uint32_t capacity_entries, std::uint32_t directory_entries,
                            std::uint64_t cache_number, const CacheUse& use) {
  if constexpr (RecencyPolicy<P>) {
    if (use.sets && LruSetCache<>::fits(capacity_entries, use.streams, use.longest_selection)) {
      return std::make_unique<LruSetCache<>>(capacity_entries, directory_entries, use.longest_selection);
    }
    return std::make_unique<LruCache<>>(capacity_entries, directory_entries);
  } else {
    return std::make_unique<typename Driver<P>::Type>(spec, capacity_entries, directory_entries, cache_number);
  }
}

/// Of what make() makes.
template <class P>
CacheBytes bytes_of(std::uint64_t slots) {
  constexpr double bit = 1.0 / 8;
  constexpr double word = sizeof(std::uint32_t);
  if constexpr (RecencyPolicy<P>) {  // stamps, and what is selected, as LruSetCache has it
    return {.arrays = 2,
            .place_bytes = (word + bit) / 2,
            .slot_bytes = word * static_cast<double>(RecencyQueue<std::uint64_t{1} << 32U>::ring_places(slots))};
  } else if constexpr (SweepPolicy<P>) {
    return {.arrays = 3, .place_bytes = bit, .slot_bytes = word * static_cast<double>(slots)};
  } else {
    return {.arrays = 1, .place_bytes = word, .slot_bytes = (word + P::slot_bytes) * static_cast<double>(slots)};
  }
}

}  // namespace

CacheBytes cache_bytes(const PolicySpec& spec, std::uint64_t slots) {
  const PolicySpec complete = complete_policy(spec);
  CacheBytes bytes;
  any_policy([&]<class P>() {
    const bool is_it = is_policy_of<P>(complete);
    if (is_it) {
      bytes = bytes_of<P>(slots);
    }
    return is_it;
  });
  return bytes;
}

std::unique_ptr<Cache> make_cache(const PolicySpec& spec, std::uint32_t capacity_entries,
                                  std::uint32_t directory_entries, std::uint64_t cache_number, const CacheUse& use) {
  const PolicySpec complete = complete_policy(spec);
  std::unique_ptr<Cache> made;
  any_policy([&]<class P>() {
    if (is_policy_of<P>(complete)) {
      made = make<P>(complete, capacity_entries, directory_entries, cache_number, use);
    }
    return made != nullptr;
  });
  return made;
}

}  // namespace dsasim
