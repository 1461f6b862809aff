#pragma once

#include <cstdint>
#include <string_view>

namespace dsasim {

/// A number of bytes as options take it: 62914560, 60MB or 60MiB. Throws ConfigError(option, ...).
std::uint64_t parse_bytes(std::string_view option, std::string_view text, std::uint64_t most);

}  // namespace dsasim
