#pragma once

#include "differential/random_case.hpp"

#include <filesystem>
#include <string>

// What the tool counts against the plain reference. Each answers with the first difference, or with nothing if there is
// none; each takes the case's trace as a file.

namespace dsasim::test {

/// Rows, layers, requests, totals and effective capacities of a replay; and the same of several in one pass.
std::string replay_difference(const TraceReader& trace, const RandomCase& drawn);
std::string joint_replay_difference(const TraceReader& trace, const RandomCase& drawn);
/// Every point of a curve, with and without histograms, and with no capacities named.
std::string curve_difference(const TraceReader& trace, const RandomCase& drawn);
/// What each split is predicted to lose, and that no other split loses less.
std::string allocate_difference(const TraceReader& trace, const RandomCase& drawn);
/// Every row of a grid of policies, scopes and capacities; its files go into `folder`.
std::string sweep_difference(const TraceReader& trace, const RandomCase& drawn, const std::filesystem::path& folder);

}  // namespace dsasim::test
