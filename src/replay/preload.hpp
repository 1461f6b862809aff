#pragma once

#include "dsasim/cache/cache.hpp"
#include "replay/directory_layout.hpp"
#include "replay/future.hpp"

#include <memory>
#include <span>
#include <vector>

namespace dsasim {

/// Fills the caches to their capacity before the first step, as --warm says, from the prompts of their streams in turn,
/// without what is pinned.
/// Where contexts that fit are kept as they are, a stream whose prompt fits gets, whatever --warm says, what it holds
/// when its context has grown to the capacity: the first positions. `future` is null unless the policy needs it.
void preload(std::span<const std::unique_ptr<Cache>> caches, const DirectoryLayout& layout, const TraceReader& trace,
             const ReplayConfig& config, Future* future);

}  // namespace dsasim
