#pragma once

#include "dsasim/trace/reader.hpp"

#include <string_view>

namespace dsasim::trace {

/// Throws SystemError if the machine has not so many bytes: "TRACE: <what> need 3.0 GiB<how>, this machine has 2.0
/// GiB".
void require_memory(const TraceReader& trace, double bytes, std::string_view what, std::string_view how = "");

}  // namespace dsasim::trace
