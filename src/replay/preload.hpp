#pragma once

#include "dsasim/cache/cache.hpp"
#include "replay/directory_layout.hpp"
#include "replay/future.hpp"

#include <memory>
#include <span>
#include <vector>

namespace dsasim {

/// Fills the caches to their capacity before the first step, as --warm says, from the prompts of their streams in turn.
/// `future` is null unless the policy needs it.
void preload(std::span<const std::unique_ptr<Cache>> caches, const DirectoryLayout& layout, const TraceHeader& header,
             Warm warm, Future* future);

}  // namespace dsasim
