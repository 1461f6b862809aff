#include "trace/trace_file.hpp"

#include "dsasim/error.hpp"

#include <algorithm>
#include <array>

namespace dsasim::trace {

TraceFile::TraceFile(const std::filesystem::path& path, const ReadOptions& options) : file_(path) {
  read_header();
  find_chunks();
  sum_up();
  if (!end_ && !options.allow_truncated) {
    throw TraceError(file_.name(), "is cut off after {} whole chunks (no end record); `allow_truncated` reads those",
                     place_count_);
  }
}

void TraceFile::read_header() {
  std::array<std::uint8_t, 16> start{};
  if (file_.size() < start.size()) {
    throw TraceError(file_.name(), "is {} bytes long, too short for a .dsat trace", file_.size());
  }
  file_.read(0, start);
  std::vector<std::uint8_t> bytes(std::min<std::uint64_t>(header_size(start, file_.name()), file_.size()));
  if (bytes.size() != header_size(start, file_.name())) {
    throw TraceError(file_.name(), "is cut off within its header of {} bytes", header_size(start, file_.name()));
  }
  file_.read(0, bytes);
  header_ = decode_header(bytes, file_.name());
  extents_.resize(header_.requests.size());
  chunks_.resize(header_.requests.size());
  steps_.resize(header_.has_queries ? header_.requests.size() : 0);
  header_bytes_ = bytes.size();
}

/// Goes from chunk to chunk by their sizes. What does not reach the end record was cut off.
void TraceFile::find_chunks() {
  std::uint64_t offset = header_bytes_;
  while (file_.size() - offset >= record_bytes) {
    RecordBytes record{};
    file_.read(offset, record);
    const RecordKind kind = record_kind(record);
    if (kind == RecordKind::damaged) {
      throw TraceError(file_.name(), "the record at byte {} does not match its checksum", offset);
    }
    if (kind == RecordKind::end) {
      read_end(offset, decode_end(record));
      return;
    }
    ChunkPlace place{.offset = offset, .payload = offset + record_bytes, .head = decode_chunk_head(record)};
    if (place.head.request >= extents_.size()) {
      throw TraceError(file_.name(), "the chunk at byte {} belongs to request {} of {}", offset, place.head.request,
                       extents_.size());
    }
    if (header_.has_queries && step_table_bytes(place.head.steps) > file_.size() - place.payload) {
      return;
    }
    const ChunkSteps steps = read_steps(place);
    check_chunk_head(place.head, header_, steps, file_.name());
    if (place.head.payload_bytes > file_.size() - place.payload) {
      if (header_.has_queries) {
        steps_[place.head.request].resize(steps.before);
      }
      return;
    }
    add(place, steps);
    offset = place.payload + place.head.payload_bytes;
  }
}

/// What the steps of the chunk come to, whose table, if there is one, stands before its payload.
ChunkSteps TraceFile::read_steps(ChunkPlace& place) {
  const std::uint32_t request = place.head.request;
  const std::uint64_t prompt_tokens = header_.requests[request].prompt_tokens;
  ChunkSteps sum = plain_steps(place.head, prompt_tokens, extents_[request].steps);
  if (header_.has_queries) {
    std::vector<std::uint8_t> table(step_table_bytes(place.head.steps));
    file_.read(place.payload, table);
    place.payload += table.size();
    auto& steps = steps_[request];
    append_step_table(table, prompt_tokens, file_.name(), steps);
    sum = sum_of(std::span(steps).subspan(sum.before), sum.before);
  }
  place.rows = sum.rows;
  return sum;
}

void TraceFile::add(const ChunkPlace& place, const ChunkSteps& steps) {
  RequestExtent& extent = extents_[place.head.request];
  extent.steps += place.head.steps;
  extent.queries += steps.rows;
  extent.accesses += place.head.accesses;  // at most 2^45 ids of a chunk: check_chunk_head()
  accesses_ += place.head.accesses;
  if (extent.steps > max_request_steps || accesses_ > max_trace_ids) {
    throw TraceError(file_.name(),
                     "claims {} steps of request {} and {} ids up to byte {}, at most {} and {} are allowed",
                     extent.steps, place.head.request, accesses_, place.offset, max_request_steps, max_trace_ids);
  }
  extent.layer_accesses += std::min(place.head.accesses, steps.rows * place.head.longest_selection);
  extent.id_limit = std::max<std::uint64_t>(extent.id_limit, place.head.id_limit);
  longest_selection_ = std::max(longest_selection_, place.head.longest_selection);
  longest_union_ = std::max(longest_union_, header_.has_queries ? place.head.longest_union : longest_selection_);
  chunks_[place.head.request].push_back(place);
  ++place_count_;
}

void TraceFile::sum_up() {
  for (std::size_t request = 0; request < extents_.size(); ++request) {
    const RequestInfo& info = header_.requests[request];
    RequestExtent& extent = extents_[request];
    extent.accepted = queries(static_cast<std::uint32_t>(request), extent.steps).context_tokens - info.prompt_tokens;
    most_queries_ = std::max(most_queries_, extent.steps > 0 && !header_.has_queries ? 1U : 0U);
    id_limit_ = std::max(id_limit_, extents_[request].id_limit);
    longest_request_steps_ = std::max(longest_request_steps_, extents_[request].steps);
    batch_steps_ = std::max(batch_steps_, info.start_step + extents_[request].steps);
    longest_context_tokens_ = std::max(longest_context_tokens_, info.prompt_tokens + extent.accepted);
  }
  for (const auto& steps : steps_) {
    for (const DecodeStep& step : steps) {
      most_queries_ = std::max(most_queries_, step.queries);
      rejects_queries_ = rejects_queries_ || step.accepted < step.queries;
    }
  }
}

void TraceFile::read_end(std::uint64_t offset, const EndRecord& end) {
  if (end.file_bytes != file_.size() || offset + record_bytes != file_.size()) {
    throw TraceError(file_.name(), "is {} bytes long, its end record at byte {} says {}", file_.size(), offset,
                     end.file_bytes);
  }
  if (end.chunks != place_count_ || end.accesses != accesses_) {
    throw TraceError(file_.name(), "holds {} chunks and {} ids, its end record says {} and {}", place_count_, accesses_,
                     end.chunks, end.accesses);
  }
  end_ = end;
}

}  // namespace dsasim::trace
