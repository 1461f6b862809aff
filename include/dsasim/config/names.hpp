#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Names as people type them: of policies, models, GPUs, options, commands.

namespace dsasim {

/// Whether it is that name; capitals do not matter ("LRU").
bool is_name(std::string_view typed, std::string_view known) noexcept;

/// What an error says of a name that is not known: `"lur" (did you mean "lru"?); known: fifo, lru`. `known` is not
/// empty.
std::string unknown_name(std::string_view typed, std::span<const std::string_view> known);
std::string unknown_name(std::string_view typed, const std::vector<std::string>& known);

/// ` (did you mean "lru"?)` of the known name that is nearest, "" if none is near: at most a third of its letters are
/// missing, additional, others or exchanged with their neighbour (optimal string alignment).
std::string did_you_mean(std::string_view typed, std::span<const std::string_view> known);

}  // namespace dsasim
