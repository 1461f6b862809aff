#pragma once

#include "dsasim/trace/reader.hpp"

#include <nlohmann/json.hpp>

namespace dsasim {

/// The object "trace" of every report: what the result was computed from.
inline nlohmann::ordered_json trace_json(const TraceReader& trace) {
  const TraceIdentity identity = trace.identity();
  return {{"requests", trace.request_count()},
          {"layers", trace.layer_count()},
          {"steps", trace.longest_request_steps()},
          {"top_k", trace.longest_selection()},
          {"accesses", trace.accesses()},
          {"digest", identity.front().text},
          {"replay_digest", replay_digest(identity)}};
}

}  // namespace dsasim
