#pragma once

#include "dsasim/trace/reader.hpp"
#include "trace/chunk.hpp"
#include "trace/file_layout.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace dsasim::trace {

/// A .dsat file opened for reading: its header, and where each chunk lies. What TraceReader keeps out of its header.
class TraceFile {
 public:
  TraceFile(const std::filesystem::path& path, const ReadOptions& options);

  const InputFile& file() const noexcept { return file_; }
  const TraceHeader& header() const noexcept { return header_; }
  const RequestExtent& extent(std::uint32_t request) const noexcept { return extents_[request]; }
  const std::vector<ChunkPlace>& chunks(std::uint32_t request) const noexcept { return chunks_[request]; }
  std::uint64_t chunk_count() const noexcept { return place_count_; }
  std::uint64_t accesses() const noexcept { return accesses_; }
  std::uint32_t longest_selection() const noexcept { return longest_selection_; }
  std::uint64_t id_limit() const noexcept { return id_limit_; }
  std::uint64_t longest_request_steps() const noexcept { return longest_request_steps_; }
  std::uint64_t batch_steps() const noexcept { return batch_steps_; }
  std::uint64_t longest_context_tokens() const noexcept { return longest_context_tokens_; }
  std::uint32_t longest_union() const noexcept { return longest_union_; }
  std::uint32_t most_queries() const noexcept { return most_queries_; }
  bool rejects_queries() const noexcept { return rejects_queries_; }
  /// Of a step of the request, or of that which would follow its last.
  DecodeStep queries(std::uint32_t request, std::uint64_t step) const noexcept {
    const std::uint64_t prompt_tokens = header_.requests[request].prompt_tokens;
    if (!header_.has_queries) {
      return {.first_row = step, .context_tokens = prompt_tokens + step};
    }
    const auto& steps = steps_[request];
    return step < steps.size() ? steps[step] : step_after(steps, prompt_tokens);
  }
  const std::optional<EndRecord>& end() const noexcept { return end_; }

 private:
  void read_header();
  void find_chunks();
  ChunkSteps read_steps(ChunkPlace& place);
  void add(const ChunkPlace& place, const ChunkSteps& steps);
  void sum_up();
  void read_end(std::uint64_t offset, const EndRecord& end);

  InputFile file_;
  TraceHeader header_;
  std::uint64_t header_bytes_ = 0;
  std::vector<RequestExtent> extents_;           ///< by request
  std::vector<std::vector<ChunkPlace>> chunks_;  ///< by request, in the order of their steps
  std::vector<std::vector<DecodeStep>> steps_;   ///< by request, of all its chunks; empty unless the header has queries
  // Of all requests: asked for at every step and for every layer, so that no walk over the requests may hide here.
  std::uint64_t place_count_ = 0;
  std::uint64_t accesses_ = 0;
  std::uint32_t longest_selection_ = 0;
  std::uint64_t id_limit_ = 0;
  std::uint64_t longest_request_steps_ = 0;
  std::uint64_t batch_steps_ = 0;
  std::uint64_t longest_context_tokens_ = 0;
  std::uint32_t longest_union_ = 0;
  std::uint32_t most_queries_ = 0;
  bool rejects_queries_ = false;
  std::optional<EndRecord> end_;
};

}  // namespace dsasim::trace
