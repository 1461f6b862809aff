#pragma once

#include "dsasim/trace/header.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace dsasim {

/// What one captured request says of itself before its first selection.
struct CaptureShape {
  std::uint64_t steps = 0;
  std::uint32_t layers = 0;
  std::uint32_t top_k = 0;                     ///< width of a row; shorter selections are padded
  std::optional<std::uint64_t> prompt_tokens;  ///< if the capture knows it
  bool has_scores = false;

  bool operator==(const CaptureShape&) const = default;
};

/// One captured request, read step by step: the only interface between a capture format and the trace. A reader holds
/// one step at a time, whatever the size of the capture.
class CaptureSource {
 public:
  virtual ~CaptureSource() = default;
  virtual const CaptureShape& shape() const = 0;
  /// The next step's rows: layers x top_k ids in C order, negative where padded. `scores` is resized to the same
  /// shape, or cleared if there are none. Called shape().steps times at most. Throws TraceError for damage; what the
  /// ids mean is not looked at here.
  virtual void read_step(std::vector<std::int64_t>& ids, std::vector<std::uint16_t>& scores) = 0;
};

}  // namespace dsasim
