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
std::unique_ptr<Cache> make(const PolicySetup& setup, const CacheUse& use) {
  if constexpr (RecencyPolicy<P>) {
    if (use.sets && LruSetCache<>::fits(setup.capacity_entries, use.streams, use.longest_selection)) {
      return std::make_unique<LruSetCache<>>(setup.capacity_entries, setup.directory_entries, use.longest_selection);
    }
    return std::make_unique<LruCache<>>(setup.capacity_entries, setup.directory_entries);
  } else {
    return std::make_unique<typename Driver<P>::Type>(setup);
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
    constexpr bool remembers = P::place_bytes > 0;
    return {.arrays = remembers ? 2 : 1,
            .place_bytes = (word + P::place_bytes) / (remembers ? 2 : 1),
            .slot_bytes = (word + P::slot_bytes) * static_cast<double>(slots)};
  }
}

}  // namespace

CacheBytes cache_bytes(const PolicySpec& spec, std::uint64_t slots) {
  const PolicySpec complete = complete_policy(spec);
  CacheBytes bytes;
  visit_policy(complete, [&]<class P>() { bytes = bytes_of<P>(slots); });
  return bytes;
}

std::unique_ptr<Cache> make_cache(const PolicySpec& spec, std::uint32_t capacity_entries,
                                  std::uint32_t directory_entries, std::uint64_t cache_number, const CacheUse& use) {
  const PolicySpec complete = complete_policy(spec);
  const PolicySetup setup{.capacity_entries = capacity_entries,
                          .directory_entries = directory_entries,
                          .longest_selection = use.longest_selection,
                          .cache_number = cache_number,
                          .spec = complete};
  std::unique_ptr<Cache> made;
  visit_policy(complete, [&]<class P>() { made = make<P>(setup, use); });
  return made;
}

}  // namespace dsasim
