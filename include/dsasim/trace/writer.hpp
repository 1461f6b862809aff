#pragma once

#include "dsasim/trace/header.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace dsasim {

struct WriterOptions {
  /// Ids after which a request's chunk is closed, and steps after which it is. Larger chunks compress better and
  /// cost the reader more memory (about 0.7 bytes an id of the chunk for each request of the batch).
  std::uint64_t chunk_ids = std::uint64_t{1} << 23U;
  std::uint32_t chunk_steps = 1024;
  std::string name = {};  ///< what errors call the file; its path if empty
};

/// Writes a .dsat file, append-only (docs/trace-format.md). Each request's selections arrive step by step and, within
/// a step, query by query and layer by layer; requests may be interleaved in any way. A whole chunk is written as soon
/// as it is full. What was written before an exception or a crash is a readable, truncated trace.
///
/// The file is of version 1 if the header needs no other: where it has no queries, and stores of which each is a
/// layer's own and all are alike.
class TraceWriter {
 public:
  /// Creates `path`, replacing what was there. Throws ConfigError for a header that no trace can have, SystemError
  /// if the file cannot be written.
  TraceWriter(const std::filesystem::path& path, const TraceHeader& header, const WriterOptions& options = {});
  ~TraceWriter();
  TraceWriter(TraceWriter&&) noexcept;
  TraceWriter& operator=(TraceWriter&&) noexcept;

  /// If the header has queries, before each step: its numbers. Its selections follow, layers times queries; a step of
  /// none is over. Throws TraceError for numbers that no step can have, std::logic_error in the middle of a step.
  void begin_step(std::uint32_t request, std::uint32_t queries, std::uint32_t accepted);

  /// The next layer's selection of the request. `scores` has one float16 per id if the header says so, and is empty
  /// otherwise. Throws TraceError, naming request, step and layer, for an id outside the context (logical ids) or
  /// beyond max_entry_ids, for a duplicate, or for scores that do not match.
  void append(std::uint32_t request, std::span<const EntryId> ids, std::span<const std::uint16_t> scores = {});

  /// The request has no more selections: its last chunk is written, and what it took of memory is free. finish() does
  /// without; a writer of many requests, one after the other, does not grow with it.
  /// Throws TraceError if the request stands in the middle of a step.
  void end_request(std::uint32_t request);

  /// Writes the last chunks and the end record; without it the file counts as truncated.
  /// Throws TraceError if a request stands in the middle of a step.
  void finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dsasim
