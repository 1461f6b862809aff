#pragma once

// Traces small enough to be held as they are, written to files of many small chunks.

#include "dsasim/trace/header.hpp"
#include "dsasim/trace/writer.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <random>
#include <vector>

namespace dsasim::test {

using PlainSelection = std::vector<std::uint32_t>;
using PlainStep = std::vector<PlainSelection>;  ///< by layer
using PlainRequest = std::vector<PlainStep>;    ///< by step, counted from the request's own first

struct PlainTrace {
  TraceHeader header;
  std::vector<PlainRequest> requests;
};

inline void write_trace(const std::filesystem::path& path, const PlainTrace& trace, std::uint32_t chunk_steps = 3) {
  TraceWriter writer(path, trace.header, {.chunk_steps = chunk_steps});
  for (std::uint32_t request = 0; request < trace.requests.size(); ++request) {
    for (const PlainStep& step : trace.requests[request]) {
      for (const PlainSelection& selection : step) {
        std::vector<EntryId> ids;
        for (const std::uint32_t id : selection) {
          ids.push_back(EntryId{id});
        }
        writer.append(request, ids);
      }
    }
  }
  writer.finish();
}

/// One request of one layer that selects these ids, step by step.
inline PlainTrace one_stream(const std::vector<PlainSelection>& selections, std::uint64_t prompt_tokens = 20) {
  PlainTrace trace;
  trace.header.layers = {{}};
  trace.header.requests = {{.prompt_tokens = prompt_tokens, .start_step = 0}};
  trace.requests.emplace_back();
  for (const PlainSelection& selection : selections) {
    trace.requests[0].push_back({selection});
  }
  return trace;
}

/// What a random trace looks like. Its requests differ in prompt, start and length; the last may have no steps.
struct TraceShape {
  std::uint32_t requests = 3;
  std::uint32_t layers = 3;
  std::uint32_t unit_tokens = 1;
  IdKind ids = IdKind::logical;
  std::uint32_t top_k = 8;
  bool groups = false;
};

inline PlainTrace random_trace(const TraceShape& shape, std::uint64_t seed) {
  std::mt19937_64 bits(seed);
  const auto draw = [&bits](std::uint64_t bound) { return static_cast<std::uint32_t>(bits() % bound); };
  PlainTrace trace;
  trace.header.ids = shape.ids;
  trace.header.unit_tokens = shape.unit_tokens;
  trace.header.page_tokens = 8;
  for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
    trace.header.layers.push_back({.model_layer = 3 * layer, .group_size = shape.groups ? 1 + (layer + 1) % 3 : 1});
  }
  for (std::uint32_t request = 0; request < shape.requests; ++request) {
    const RequestInfo info{.prompt_tokens = draw(24) * shape.unit_tokens + draw(shape.unit_tokens),
                           .start_step = request == 0 ? 0 : draw(5)};
    trace.header.requests.push_back(info);
    const std::uint32_t steps = request > 1 && request + 1 == shape.requests ? 0 : 6 + draw(12);
    PlainRequest& written = trace.requests.emplace_back(steps, PlainStep(shape.layers));
    for (std::uint32_t step = 0; step < steps; ++step) {
      const auto context = static_cast<std::uint32_t>(context_entries(trace.header, info, step));
      const std::uint32_t bound = shape.ids == IdKind::logical ? context : 60;
      for (PlainSelection& selection : written[step]) {
        const std::uint32_t wanted = std::min(bound, draw(8) == 0 ? 0 : draw(shape.top_k + 1));
        while (selection.size() < wanted) {
          // Half of them recent: the newest is often selected, and there is reuse.
          const std::uint32_t id = draw(2) == 0 ? bound - 1 - draw(std::min(bound, 6U)) : draw(bound);
          if (std::find(selection.begin(), selection.end(), id) == selection.end()) {
            selection.push_back(id);
          }
        }
      }
    }
  }
  return trace;
}

}  // namespace dsasim::test
