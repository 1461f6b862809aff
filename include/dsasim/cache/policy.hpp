#pragma once

// The policy author's manual. A policy is its header in include/dsasim/cache/policy/, one line in all_policies.hpp and
// one worked example in tests/cache/; the factory, the parser, `dsasim policies` and the contract tests follow.

#include "dsasim/cache/policy_spec.hpp"
#include "dsasim/types.hpp"

#include <concepts>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

namespace dsasim {

/// What a policy is made from.
struct PolicySetup {
  std::uint32_t capacity_entries;  ///< at least 1
  std::uint64_t cache_number;      ///< tells the caches of one replay apart: the seed of `random` depends on it
  const PolicySpec& spec;          ///< complete: every parameter of the policy is in it
};

/// The value of a parameter that the policy lists in P::parameters.
std::string_view parameter_value(const PolicySpec& spec, std::string_view key) noexcept;

/// What is replaced at a time: an access (AccessCache, SweepCache, LruCache) or a selection (StepCache). Two policies
/// may share a name if they differ here: the parameter `atomic` (access or step) then chooses between them.
enum class Replacement { per_access, per_selection };

/// The number of an access of one cache, from 0.
using AccessNumber = std::uint64_t;
inline constexpr AccessNumber never_accessed = std::numeric_limits<AccessNumber>::max();

/// What the list of policies needs to know of each of them.
template <class P>
concept Policy = requires {
  { P::name } -> std::convertible_to<std::string_view>;      // the paper's name, in lower case
  { P::sentence } -> std::convertible_to<std::string_view>;  // what it does, for `dsasim policies`
  { P::source } -> std::convertible_to<std::string_view>;    // paper or implementation
  { P::parameters } -> std::convertible_to<std::span<const PolicyParameter>>;
  { P::replacement } -> std::convertible_to<Replacement>;
};

/// What a policy with state of its own has besides.
template <class P>
concept StatefulPolicy = Policy<P> && std::constructible_from<P, const PolicySetup&> && requires(const P cp) {
  { P::slot_bytes } -> std::convertible_to<double>;  // what it keeps for each slot: cache_bytes()
  { cp.invariant() } -> std::same_as<bool>;          // walks all bookkeeping; false means a bug
};

/// A policy whose hand goes round the slots, one access at a time in logged order: a fill takes the slot that the hand
/// is at, and the hand moves on. All there is to say is whether it spares, once, what was hit since it last came by;
/// SweepCache does the rest.
template <class P>
concept SweepPolicy = Policy<P> && requires {
  { P::spares_used } -> std::convertible_to<bool>;
};

/// Least recently used: LruCache and LruSetCache know all about it.
template <class P>
concept RecencyPolicy = Policy<P> && requires {
  { P::evicts_least_recent } -> std::convertible_to<bool>;
};

/// A policy that sees one access at a time, in logged order.
///
/// It owns only its order of the slots; the cache owns the directory (which entry is where) and all counters, so a
/// policy cannot miscount. While there is room, the slots are filled in the order 0 .. capacity - 1. For each access:
///
///   on_hit(slot)                             it was resident; or
///   on_fill(slot)                            a miss with room left; or
///   admits(), then victim(), on_fill(slot)   a miss with a full cache; the slot is the victim. If admits() says no,
///                                            the entry is fetched for this access only, and nothing else is called.
///
/// An insert() of an entry that is not resident is the same without admits(): it always comes in.
///
/// Every hook is required. A policy with no interest in one writes an empty body (or returns true), so a misspelled
/// hook is a compile error and not a hook that never runs.
///
/// A policy that needs the future says so, and has two more. Before each selection and each insert():
///
///   on_foresee(last)   the largest number that on_next_use() will name until the next call; may allocate
///
/// and before the hooks of each access, and of an insert(), above:
///
///   on_next_use(n)     the access of this cache at which the entry is needed again, or never_accessed
template <class P>
concept SeesFuture = requires(P p, AccessNumber number) {
  { p.on_foresee(number) } -> std::same_as<void>;
  { p.on_next_use(number) }
  noexcept->std::same_as<void>;
};

template <class P>
concept AccessPolicy = StatefulPolicy<P> && requires(P p, SlotId slot) {
  { P::needs_future } -> std::convertible_to<bool>;
  { p.on_hit(slot) }
  noexcept->std::same_as<void>;
  { p.admits() }
  noexcept->std::same_as<bool>;
  { p.victim() }
  noexcept->std::same_as<SlotId>;
  { p.on_fill(slot) }
  noexcept->std::same_as<void>;
} &&(!P::needs_future || SeesFuture<P>);

/// A policy that sees one selection at a time: nothing that a selection names can be evicted by it.
///
///   on_hit(slot)             for each entry of the selection that is resident, in logged order; then
///   victim(), on_fill(slot)  for each miss, in logged order; without victim() while there is room. The victim is none
///                            of the slots hit or filled since the last on_end(); there is always one, because the
///                            capacity is at least the selection's size.
///   on_end()                 the selection is over
///
/// An insert() is victim() (if full), on_fill(slot), on_end(). Again every hook is required, and whether contexts that
/// fit are spared all this: PolicyNeeds::keeps_fitting_context.
template <class P>
concept StepPolicy = StatefulPolicy<P> && requires(P p, SlotId slot) {
  { P::keeps_fitting_context } -> std::convertible_to<bool>;
  { p.on_hit(slot) }
  noexcept->std::same_as<void>;
  { p.victim() }
  noexcept->std::same_as<SlotId>;
  { p.on_fill(slot) }
  noexcept->std::same_as<void>;
  { p.on_end() }
  noexcept->std::same_as<void>;
};

}  // namespace dsasim
