// The one place that instantiates the caches: one replay loop for each policy.

#include "dsasim/cache/access_cache.hpp"
#include "dsasim/cache/all_policies.hpp"
#include "dsasim/cache/step_cache.hpp"

#include <memory>

namespace dsasim {

std::unique_ptr<Cache> make_cache(const PolicySpec& spec, std::uint32_t capacity_entries,
                                  std::uint32_t directory_entries, std::uint64_t cache_number) {
  const PolicySpec complete = complete_policy(spec);
  std::unique_ptr<Cache> made;
  any_policy([&]<class P>() {
    if (is_policy_of<P>(complete)) {
      if constexpr (P::replacement == Replacement::per_selection) {
        made = std::make_unique<StepCache<P>>(complete, capacity_entries, directory_entries, cache_number);
      } else {
        made = std::make_unique<AccessCache<P>>(complete, capacity_entries, directory_entries, cache_number);
      }
    }
    return made != nullptr;
  });
  return made;
}

}  // namespace dsasim
