#pragma once

#include "dsasim/replay/replay.hpp"
#include "replay/block_run.hpp"
#include "replay/future.hpp"

#include <cstdint>
#include <span>

namespace dsasim {

/// Decodes the steps once, block by block, and replays each block through all runs, on `jobs` threads. `future` is null
/// unless runs need it; those that do share it. Of the hooks, on_step is called.
void drive(const TraceReader& trace, StepRange steps, std::span<BlockRun* const> runs, Future* future,
           const ReplayHooks& hooks, std::uint32_t jobs);

/// True if every selection of the trace can come as a set.
bool all_have_sets(const TraceReader& trace);

}  // namespace dsasim
