#pragma once

#include "dsasim/sweep/sweep.hpp"

#include <string>
#include <string_view>

namespace dsasim {

/// All that the table of a sweep depends on, as JSON: the tool's version, the grid, the identities of the traces and
/// the hashes of the configuration files. `options` says which part of the table.
std::string sweep_identity(const Sweep& sweep, const SweepOptions& options);

/// What two identities differ in, for a person; empty if they are equal.
std::string identity_difference(std::string_view before, std::string_view now);

}  // namespace dsasim
