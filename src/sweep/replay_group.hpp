#pragma once

#include "dsasim/sweep/sweep.hpp"
#include "sweep/journal.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace dsasim {

/// Replays a group over one decoding of its trace. What goes wrong is an outcome: if the points cannot be replayed
/// together, each is replayed by itself. `on_share` is told which share of the group is done.
std::vector<PointOutcome> replay_group(const Sweep& sweep, const PointGroup& group, std::uint32_t jobs,
                                       const std::function<void(double share)>& on_share);

}  // namespace dsasim
