#pragma once

#include "dsasim/sweep/sweep.hpp"

#include <string>
#include <string_view>

namespace dsasim {

/// All that the table of a sweep depends on, as JSON: the tool's version, the grid, the digests of the traces and of
/// the configuration files that it names. `options` says which part of the table.
std::string sweep_identity(const Sweep& sweep, const SweepOptions& options);

/// XXH3-128 of the identity of the whole table: parts of one sweep have the same.
std::string sweep_fingerprint(const Sweep& sweep);

/// What two identities differ in, for a person; empty if they are equal.
std::string identity_difference(std::string_view before, std::string_view now);

}  // namespace dsasim
