#pragma once

#include <array>
#include <concepts>
#include <cstdint>

namespace dsasim {

/// Ways of a set, a bit each.
using WayMask = std::uint32_t;
inline constexpr std::uint32_t max_llc_ways = 32;

/// Arrays over ways have rows of a multiple of this, for way_bytes.hpp.
inline constexpr std::uint32_t way_block = 8;

/// What a run of fills left behind: the ways that were replaced, and for each how many fills ago, 0 for the last.
struct Swept {
  WayMask replaced = 0;
  std::array<std::uint32_t, max_llc_ways> age{};  ///< of the ways in `replaced`
};

/// The shape of a cache, for a policy's arrays.
struct SetShape {
  std::uint32_t sets = 0;
  std::uint32_t ways = 0;
  std::uint64_t seed = 0;

  std::uint32_t row_ways() const noexcept { return (ways + way_block - 1) / way_block * way_block; }
  WayMask all_ways() const noexcept { return ~WayMask{0} >> (max_llc_ways - ways); }
};

/// Victim selection in each set of an LLC. The cache keeps lines, sectors and marks, and fills empty ways in ascending
/// order without asking; the policy keeps the order of the ways.
///
///   on_hit(set, way)             a line was read that is present
///   victim(set, candidates)      a set without an empty way; one of the candidates, of which there is at least one
///   on_fill(set, way)            the way has a new line, after victim() or because it was empty
///   sweep(set, fills, candidates)
///                                the same as `fills` times victim() and on_fill(), in a time that does not depend on
///                                `fills`; of full sets only, and of no fewer fills than min_sweep(candidates)
template <class P>
concept SetPolicy = std::constructible_from<P, const SetShape&> &&
    requires(P policy, std::uint32_t set, std::uint32_t way, WayMask candidates, std::uint64_t fills) {
  { policy.on_hit(set, way) }
  noexcept->std::same_as<void>;
  { policy.victim(set, candidates) }
  noexcept->std::same_as<std::uint32_t>;
  { policy.on_fill(set, way) }
  noexcept->std::same_as<void>;
  { policy.min_sweep(candidates) }
  noexcept->std::same_as<std::uint32_t>;
  { policy.sweep(set, fills, candidates) }
  noexcept->std::same_as<Swept>;
};

}  // namespace dsasim
