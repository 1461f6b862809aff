#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace dsasim {

/// One entry of one stream, as the trace names it: a position in the sequence (logical ids), a 4-token group
/// of one (unit_tokens = 4), or an opaque slot of a serving stack's pool (physical ids).
enum class EntryId : std::uint32_t {};

/// A place in a cache that holds one entry: 0 .. capacity - 1.
enum class SlotId : std::uint32_t {};

/// Ids stay below this, so that an id plus one always fits and planes of bits have a sane size.
inline constexpr std::uint64_t max_entry_ids = std::uint64_t{1} << 31U;

/// The names of the choices, for options, configuration files and reports.
template <class E>
using ChoiceName = std::pair<std::string_view, E>;

constexpr std::uint32_t value(EntryId entry) noexcept {
  return static_cast<std::uint32_t>(entry);
}
constexpr std::uint32_t value(SlotId slot) noexcept {
  return static_cast<std::uint32_t>(slot);
}

}  // namespace dsasim
