#pragma once

#include "dsasim/llc/llc.hpp"

namespace dsasim {

/// Throws ConfigError for a spec out of range, however it was put together.
void check(const LlcSpec& spec);

}  // namespace dsasim
