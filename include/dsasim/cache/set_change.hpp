#pragma once

#include "dsasim/types.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace dsasim {

/// Ids that change_set() may write beyond the last.
inline constexpr std::size_t change_slack = 64;

struct SetChange {
  std::size_t arrived = 0;
  std::size_t departed = 0;
};

/// `kept` becomes `selected`; what is new in it and what is not in it any more is listed, in ascending order. Both sets
/// are bits over the ids, as many words of them. `arrived` and `departed` have room for all ids that there can be plus
/// change_slack.
///
/// Four of ten ids of a selection come and go from one step to the next on real traces, in three of ten words.
SetChange change_set(std::span<std::uint64_t> kept, std::span<const std::uint64_t> selected, EntryId* arrived,
                     EntryId* departed) noexcept;

/// Of at most 64 words: a bit for each in which `selected` has an id that `resident` has not.
std::uint64_t words_with_absent(std::span<const std::uint64_t> selected, const std::uint64_t* resident) noexcept;

}  // namespace dsasim
