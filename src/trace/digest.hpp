#pragma once

#include "dsasim/trace/reader.hpp"
#include "trace/file_layout.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

// The digest of a trace's content (docs/trace-format.md, "Digest"): independent of how the file cuts it into chunks and
// of what the header says beside it. The identity adds what a replay reads there.

namespace dsasim::trace {

/// The selections of one request, in the order of steps and, within a step, of queries and layers.
class RequestDigest {
 public:
  RequestDigest();
  /// Before its selections, if the header has queries.
  void add(const DecodeStep& step);
  void add(std::span<const EntryId> ids);
  Digest value() const;

 private:
  struct State;
  struct Free {
    void operator()(State* state) const noexcept;
  };
  std::unique_ptr<State, Free> state_;
};

/// The trace's: of the header's unit, shape and prompt lengths, and of each request's steps and digest.
Digest trace_digest(const TraceHeader& header, std::span<const std::uint64_t> steps, std::span<const Digest> requests);

/// The parts of a trace with this header, whose content has this digest.
TraceIdentity trace_identity(const TraceHeader& header, const Digest& content);

}  // namespace dsasim::trace
