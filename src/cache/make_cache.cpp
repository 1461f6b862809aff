// The one place that instantiates the caches: one replay loop for each policy.

#include "dsasim/cache/access_cache.hpp"
#include "dsasim/cache/all_policies.hpp"
#include "dsasim/cache/queue_cache.hpp"
#include "dsasim/cache/step_cache.hpp"

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
template <QueuePolicy P>
struct Driver<P> {
  using Type = QueueCache<P>;
};
template <StepPolicy P>
struct Driver<P> {
  using Type = StepCache<P>;
};
template <class P>
using CacheOf = typename Driver<P>::Type;

}  // namespace

std::unique_ptr<Cache> make_cache(const PolicySpec& spec, std::uint32_t capacity_entries,
                                  std::uint32_t directory_entries, std::uint64_t cache_number) {
  const PolicySpec complete = complete_policy(spec);
  std::unique_ptr<Cache> made;
  any_policy([&]<class P>() {
    if (is_policy_of<P>(complete)) {
      made = std::make_unique<CacheOf<P>>(complete, capacity_entries, directory_entries, cache_number);
    }
    return made != nullptr;
  });
  return made;
}

}  // namespace dsasim
