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

}  // namespace

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
