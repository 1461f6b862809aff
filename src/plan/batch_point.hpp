#pragma once

#include "plan/buffer_misses.hpp"
#include "plan/step_timeline.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace dsasim {

/// Adds what a request misses at one of its steps to what its GPU does, by layer of the trace. Returns the rows.
std::uint64_t add_misses(const RequestMisses& request, std::size_t step, std::span<LayerMisses> of_gpu);

/// A batch of which each GPU of `gpus` has an equal share of the requests. The requests are those of the traces, over
/// and over, each copy at other steps: requests join the batch evenly spread over the time that one lasts, with an
/// empty buffer as the trace's did.
PlanPoint batch_point(StepTimeline& timeline, const HotBuffer& buffer, const BufferMisses& misses, std::uint64_t batch,
                      std::uint64_t gpus);

}  // namespace dsasim
