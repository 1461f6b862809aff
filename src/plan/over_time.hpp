#pragma once

#include "plan/arriving.hpp"
#include "plan/buffer_misses.hpp"
#include "plan/memory_account.hpp"
#include "plan/step_timeline.hpp"

#include <cstdint>
#include <functional>
#include <optional>

namespace dsasim {

/// Buffers that a server runs with.
struct ServedBuffers {
  std::optional<std::uint64_t> slots = {};       ///< none: everything is in GPU memory
  std::optional<std::uint64_t> held_slots = {};  ///< with those outside the capacity
  /// Below so many resident pages, of requests that have so many bytes behind the GPUs; empty: nothing moves.
  std::function<const BufferMisses&(std::uint64_t resident_pages, std::uint64_t host_bytes)> misses = {};
  std::uint64_t unit_tokens = 1;
  std::uint64_t resident_pages = 0;  ///< of each request, at least
  bool spare_holds_pages = false;    ///< GPU memory that the batch leaves has more of them
};

/// Requests come in, wait in one queue until the memory holds the first of them, and decode together. GPU memory is
/// claimed a page of tokens at a time, as vLLM and SGLang do: nothing is kept free for the rest of an output. What no
/// longer fits sends the request that was admitted last back to the front of the queue, with the tokens that it has; it
/// computes its KV anew elsewhere, in no time here, and its buffer starts empty. No request is admitted at a step that
/// sent one back. With attention by requests, one goes to the GPU that has most memory free.
///
/// None: one of the requests does not fit at its full length, or memory has no room at all.
std::optional<OverTime> serve(StepTimeline& timeline, const MemoryAccount& memory, const ServedBuffers& buffers,
                              const ArrivingRequests& arriving, const PlanConfig& config,
                              const std::function<void(double share)>& on_share);

}  // namespace dsasim
