#pragma once

#include "dsasim/cache/access_cache.hpp"
#include "dsasim/cache/cache.hpp"
#include "dsasim/cache/lru_cache.hpp"
#include "dsasim/cache/lru_set_cache.hpp"
#include "dsasim/cache/policy.hpp"
#include "dsasim/cache/policy_spec.hpp"
#include "dsasim/cache/step_cache.hpp"
#include "dsasim/cache/sweep_cache.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace dsasim {

/// A policy as the library knows it once its type is forgotten: what it says of itself, and how its caches are made.
struct PolicyRow {
  std::string_view name;
  std::string_view sentence;
  std::string_view source;
  std::span<const PolicyParameter> parameters;
  Replacement replacement;
  PolicyNeeds needs;
  double access_ns;
  bool evicts_least_recent;
  bool can_forget;  ///< entries of rejected drafts
  CacheBytes (*bytes)(std::uint64_t slots);
  std::unique_ptr<Cache> (*make)(const PolicySetup& setup, const CacheUse& use);
};

namespace detail {

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
std::unique_ptr<Cache> make_cache_of(const PolicySetup& setup, const CacheUse& use) {
  if constexpr (RecencyPolicy<P>) {
    if (use.sets && LruSetCache<>::fits(setup.capacity_entries, use.streams, use.longest_selection)) {
      return std::make_unique<LruSetCache<>>(setup.capacity_entries, setup.directory_entries, use.longest_selection);
    }
    return std::make_unique<LruCache<>>(setup.capacity_entries, setup.directory_entries);
  } else {
    return std::make_unique<typename Driver<P>::Type>(setup);
  }
}

/// Of what make_cache_of() makes.
template <class P>
CacheBytes cache_bytes_of(std::uint64_t slots) {
  constexpr double bit = 1.0 / 8;
  constexpr double word = sizeof(std::uint32_t);
  if constexpr (RecencyPolicy<P>) {  // stamps, and what is selected, as LruSetCache has it
    return {
        .arrays = 2,
        .place_bytes = (word + bit) / 2,
        .slot_bytes = (word + bit) * static_cast<double>(RecencyQueue<std::uint64_t{1} << 32U>::ring_places(slots))};
  } else if constexpr (SweepPolicy<P>) {
    return {.arrays = 3, .place_bytes = bit, .slot_bytes = word * static_cast<double>(slots)};
  } else {
    constexpr bool remembers = P::place_bytes > 0;
    return {.arrays = remembers ? 2 : 1,
            .place_bytes = (word + P::place_bytes) / (remembers ? 2 : 1),
            .slot_bytes = (word + P::slot_bytes) * static_cast<double>(slots)};
  }
}

template <class P>
constexpr PolicyNeeds needs_of() {
  if constexpr (StatefulPolicy<P>) {
    return P::needs;
  } else {
    return {};
  }
}

}  // namespace detail

template <Policy P>
constexpr PolicyRow policy_row() {
  return {.name = P::name,
          .sentence = P::sentence,
          .source = P::source,
          .parameters = P::parameters,
          .replacement = P::replacement,
          .needs = detail::needs_of<P>(),
          .access_ns = P::access_ns,
          .evicts_least_recent = RecencyPolicy<P>,
          .can_forget = RecencyPolicy<P> || SweepPolicy<P> || ForgetsEntries<P>,
          .bytes = detail::cache_bytes_of<P>,
          .make = detail::make_cache_of<P>};
}

}  // namespace dsasim
