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

/// The number of an access of one cache, from 0.
using AccessNumber = std::uint64_t;
inline constexpr AccessNumber never_accessed = std::numeric_limits<AccessNumber>::max();

/// What a policy is made from.
struct PolicySetup {
  std::uint32_t capacity_entries;   ///< at least 1
  std::uint32_t directory_entries;  ///< keys are below
  std::uint32_t longest_selection;  ///< of the trace; 0 if it is not known
  std::uint64_t cache_number;       ///< tells the caches of one replay apart: the seed of `random` depends on it
  const PolicySpec& spec;           ///< complete: every parameter of the policy is in it

  PolicySetup with_capacity(std::uint32_t entries) const noexcept {
    PolicySetup setup = *this;
    setup.capacity_entries = entries;
    return setup;
  }
};

/// An entry and where it is. The key is its place in the cache's directory: dense, and the same whenever the entry
/// comes back, so that a policy keeps what it remembers of entries that left in an array by key.
struct Access {
  std::uint32_t key;
  SlotId slot;
};

/// What a policy that replaces by selection learns before the hooks of a selection.
struct StepSelection {
  const SelectionOrigin& from;
  std::span<const EntryId> ids;                    ///< in logged order; the key of each is from.base + id
  std::size_t evictions;                           ///< that its misses cause if all are admitted
  std::span<const AccessNumber> missed_next_uses;  ///< of the misses in logged order, if the policy needs the future
};

/// The value of a parameter that the policy lists in P::parameters.
std::string_view parameter_value(const PolicySpec& spec, std::string_view key) noexcept;
/// The same as a number: of a range of integers, of a range of decimals.
std::uint64_t integer_value(const PolicySpec& spec, std::string_view key) noexcept;
double decimal_value(const PolicySpec& spec, std::string_view key) noexcept;

/// floor(capacity * share), for a queue of a policy.
inline std::size_t share_of(std::uint32_t capacity_entries, double share) noexcept {
  return static_cast<std::size_t>(static_cast<double>(capacity_entries) * share);
}

/// Chooses between two policies of one name.
inline constexpr PolicyParameter atomic_parameter{
    "atomic", "access", "access|step",
    "replace at each access, or a selection at a time: hits first, and no victim that it names"};

/// What is replaced at a time: an access (AccessCache, SweepCache, LruCache) or a selection (StepCache). Two policies
/// may share a name if they differ here: the parameter `atomic` (access or step) then chooses between them.
enum class Replacement { per_access, per_selection };

/// What the list of policies needs to know of each of them.
template <class P>
concept Policy = requires {
  { P::name } -> std::convertible_to<std::string_view>;      // the paper's name, in lower case
  { P::sentence } -> std::convertible_to<std::string_view>;  // what it does, for `dsasim policies`
  { P::source } -> std::convertible_to<std::string_view>;    // paper or implementation
  { P::parameters } -> std::convertible_to<std::span<const PolicyParameter>>;
  { P::replacement } -> std::convertible_to<Replacement>;
  { P::access_ns } -> std::convertible_to<double>;  // about what an access takes: divides a sweep's work, no more
};

/// What a policy with state of its own has besides.
template <class P>
concept StatefulPolicy = Policy<P> && std::constructible_from<P, const PolicySetup&> && requires(const P cp) {
  { P::needs } -> std::convertible_to<PolicyNeeds>;
  { P::slot_bytes } -> std::convertible_to<double>;   // what it keeps for each slot: cache_bytes()
  { P::place_bytes } -> std::convertible_to<double>;  // and for each key
  { cp.invariant() } -> std::same_as<bool>;           // walks all bookkeeping; false means a bug
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
///   on_hit(access)    it was resident; or
///   on_fill(access)   a miss with room left; or
///   admits(), then victim(key), on_evict(access), on_fill(access)
///                     a miss of this key with a full cache: the slot is the victim, on_evict() names the entry that
///                     leaves it. If admits() says no, the entry is fetched for this access only, and nothing else is
///                     called.
///
/// An insert() of an entry that is not resident is the same without admits(): it always comes in.
///
/// Every hook is required. A policy with no interest in one writes an empty body (or returns true), so a misspelled
/// hook is a compile error and not a hook that never runs. What a hook does not read costs nothing: hooks are inlined.
///
/// A policy that needs the future says so (PolicyNeeds::future), and has two more. Before each selection and each
/// insert():
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

/// A policy that can take an entry out which nothing evicts, between two selections: Cache::forget(). Its slot is free
/// then, and the next to be filled. So there may be room, and victim() not be called, after entries were evicted. A
/// policy that cannot find an entry in its order does without, and is refused where queries are rejected.
///
///   on_forget(access)  the entry that is gone, and the slot that it leaves: nothing is remembered of it, as if it had
///                      never been.
template <class P>
concept ForgetsEntries = requires(P p, Access access) {
  { p.on_forget(access) }
  noexcept->std::same_as<void>;
};

/// One that remembers entries after these have left, as ghosts, counts or times, has this beside on_forget():
///
///   on_forget_departed(key)  an entry that is not in the cache is gone: nothing is remembered of it either. Perhaps it
///                            was never in.
template <class P>
concept ForgetsDeparted = ForgetsEntries<P> && requires(P p, std::uint32_t key) {
  { p.on_forget_departed(key) }
  noexcept->std::same_as<void>;
};

/// The hooks that both kinds have.
template <class P>
concept ReplacesEntries = StatefulPolicy<P> && requires(P p, Access access, std::uint32_t key) {
  { p.on_hit(access) }
  noexcept->std::same_as<void>;
  { p.admits() }
  noexcept->std::same_as<bool>;
  { p.victim(key) }
  noexcept->std::same_as<SlotId>;
  { p.on_evict(access) }
  noexcept->std::same_as<void>;
  { p.on_fill(access) }
  noexcept->std::same_as<void>;
} &&(!P::needs.future || SeesFuture<P>);

template <class P>
concept AccessPolicy = ReplacesEntries<P> && P::replacement == Replacement::per_access && !P::needs.whole_selection;

/// A policy that sees one selection at a time: nothing that a selection names can be evicted by it.
///
///   on_begin(selection)   its step, its query and all its ids, before anything happens; may allocate
///   on_hit(access)        for each entry of the selection that is resident, in logged order; then
///   admits(), victim(key), on_evict(access), on_fill(access)
///                         for each miss, in logged order; without victim() and on_evict() while there is room. The
///                         victim is none of the slots hit or filled since the last on_end(); there is always one,
///                         because the capacity is at least the selection's size.
///   on_end()              the selection is over
///
/// An insert() is victim() and on_evict() (if full), on_fill(), on_end(). Again every hook is required.
template <class P>
concept StepPolicy = ReplacesEntries<P> && P::replacement ==
                     Replacement::per_selection&& P::needs.whole_selection&& requires(P p,
                                                                                      const StepSelection& selection) {
  { p.on_begin(selection) } -> std::same_as<void>;
  { p.on_end() }
  noexcept->std::same_as<void>;
};

}  // namespace dsasim
