#pragma once

#include "dsasim/trace/header.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

namespace trace {
class BlockCursor;
class TraceFile;
}  // namespace trace

struct ReadOptions {
  bool allow_truncated = false;  ///< accept a file without its end: the whole chunks it has
};

/// What the chunks of one request hold.
struct RequestExtent {
  std::uint64_t steps = 0;
  std::uint64_t queries = 0;   ///< of all steps: rows of each lane
  std::uint64_t accepted = 0;  ///< of those: its context after the last step is the prompt and so many tokens
  std::uint64_t accesses = 0;
  std::uint64_t id_limit = 0;        ///< every id is below this
  std::uint64_t layer_accesses = 0;  ///< those of any one layer are no more
};

/// A part of what results depend on, and its value as a short text.
struct IdentityPart {
  std::string_view name;
  std::string text;

  bool operator==(const IdentityPart&) const = default;
};
/// All parts, always the same ones in the same order.
using TraceIdentity = std::vector<IdentityPart>;

/// One name for all parts: 32 hexadecimal digits (docs/trace-format.md, "Replay digest").
std::string replay_digest(const TraceIdentity& identity);

/// A .dsat file, open for reading from many threads at once: it knows the header and where each chunk lies.
/// Opening reads the header and each chunk's 64-byte header, not the selections.
class TraceReader {
 public:
  /// Throws SystemError if the file cannot be read; TraceError if it is not a .dsat file, is damaged, or is cut off
  /// and `options` does not allow that.
  explicit TraceReader(const std::filesystem::path& path, const ReadOptions& options = {});
  ~TraceReader();
  TraceReader(TraceReader&&) noexcept;
  TraceReader& operator=(TraceReader&&) noexcept;

  const std::string& name() const noexcept;  ///< the path, for messages
  const TraceHeader& header() const noexcept;
  const RequestExtent& extent(std::uint32_t request) const noexcept;
  std::uint32_t request_count() const noexcept;
  std::uint32_t layer_count() const noexcept;
  std::uint64_t stream_count() const noexcept { return std::uint64_t{layer_count()} * request_count(); }

  /// Of a step, counted from the request's own first.
  DecodeStep queries(std::uint32_t request, std::uint64_t step) const noexcept;
  /// The most of any step.
  std::uint32_t most_queries() const noexcept;
  /// Some query of some step is not accepted.
  bool rejects_queries() const noexcept;

  /// The steps at which the request's chunks begin: where a RequestCursor starts without decoding what comes before.
  std::vector<std::uint64_t> chunk_starts(std::uint32_t request) const;

  bool truncated() const noexcept;
  std::uint64_t file_bytes() const noexcept;
  std::uint64_t chunk_count() const noexcept;
  std::uint64_t accesses() const noexcept;
  std::uint32_t longest_selection() const noexcept;
  /// The most entries that the queries of one step of one stream select together.
  std::uint32_t longest_union() const noexcept;
  std::uint64_t id_limit() const noexcept;  ///< every id of every request is below this
  std::uint64_t longest_request_steps() const noexcept;
  /// One past the last step of the batch: the largest start_step + steps.
  std::uint64_t batch_steps() const noexcept;
  /// Steps of the range at which some request selects: requests may begin late, and leave gaps.
  std::uint64_t busy_steps(const StepRange& range) const;
  /// The largest prompt + accepted queries of any request, in whole entries of the smallest unit.
  std::uint64_t longest_context_entries() const noexcept;

  /// Throws ConfigError, saying that `what` is not supported, for a trace with other steps than of one query that is
  /// accepted; for one whose layers share KV stores, or whose stores differ in unit or bytes.
  void require_single_queries(std::string_view what) const;
  void require_equal_stores(std::string_view what) const;

  /// XXH3-128 of the decoded content as 32 hexadecimal digits. Kept in the end record; for a truncated file it is
  /// computed by decoding all of it.
  std::string digest() const;

  /// Everything that a replay reads: the digest, what ids are, pages, entry bytes, layers and start steps. Traces of
  /// equal identity give equal results. As costly as digest().
  TraceIdentity identity() const;

  /// Reads and decodes everything and compares it with the checksums, the chunk headers and the digest.
  /// Throws TraceError at the first thing that does not hold. `progress` is called with the ids done so far.
  void verify(const std::function<void(std::uint64_t ids_done)>& progress = {}) const;

 private:
  friend class trace::BlockCursor;
  std::unique_ptr<const trace::TraceFile> file_;
};

/// Walks the steps [first, last) of one request, in order. Holds one decompressed chunk and the decoded selections of
/// a few steps; nothing grows with the length of the trace.
class RequestCursor {
 public:
  /// Steps count from the request's own first. Throws TraceError on damage, here and in next().
  RequestCursor(const TraceReader& reader, std::uint32_t request, std::uint64_t first, std::uint64_t last);
  ~RequestCursor();
  RequestCursor(RequestCursor&&) noexcept;
  RequestCursor& operator=(RequestCursor&&) noexcept;

  /// Moves to the next step; false after the last one. After an exception the cursor can only be destroyed.
  bool next();

  /// Steps that are decoded from the current one on, itself included: selection() can look ahead so far.
  std::uint64_t steps_ready() const noexcept;

  /// The selection of one layer at the current step, or `ahead` steps later, where steps have one query. Valid until a
  /// call of next() that moves on from the last step that is ready.
  SelectionView selection(std::uint32_t layer, std::uint64_t ahead = 0) const noexcept;

  /// How many queries the current step has, and the selection of one layer by one of them.
  const DecodeStep& queries() const noexcept;
  SelectionView selection_of(std::uint32_t query, std::uint32_t layer) const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dsasim
