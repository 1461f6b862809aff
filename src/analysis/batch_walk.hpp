#pragma once

#include "dsasim/analysis/analysis.hpp"
#include "dsasim/trace/reader.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace dsasim {

/// Walks the steps of a batch with all its requests side by side; steps in which fewer than two decode are passed over.
/// A request's cursor exists only while it decodes.
class BatchWalk {
 public:
  BatchWalk(const TraceReader& trace, AnalysedSteps steps);

  /// Moves to the next step in which two requests or more decode; false if there is none.
  bool next();

  /// Requests that decode in this step.
  std::uint32_t decoding() const noexcept { return decoding_; }

  /// One layer's selections in this step, of the requests that decode. Valid until the next call.
  std::span<const std::span<const EntryId>> selections(std::uint32_t layer);

 private:
  void advance();
  std::uint64_t next_start() const;

  const TraceReader& trace_;
  AnalysedSteps steps_;  ///< the first is the next to come
  std::vector<std::optional<RequestCursor>> cursors_;
  std::uint32_t decoding_ = 0;
  std::vector<std::span<const EntryId>> selections_;
};

}  // namespace dsasim
