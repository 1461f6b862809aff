#include "dsasim/trace/writer.hpp"

#include "dsasim/error.hpp"
#include "trace/chunk.hpp"
#include "trace/digest.hpp"
#include "trace/file_layout.hpp"
#include "trace/lane_frame.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace dsasim {

using namespace trace;

namespace {

/// A file that is only ever appended to.
class OutputFile {
 public:
  OutputFile(const std::filesystem::path& path, const std::string& name)
      : name_(name.empty() ? path.string() : name), file_(std::fopen(path.c_str(), "wb")) {
    if (file_ == nullptr) {
      throw SystemError(name_, "cannot be created: {}", std::strerror(errno));
    }
  }
  ~OutputFile() { close(); }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void append(std::span<const std::uint8_t> bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) {
      fail();
    }
    size_ += bytes.size();
  }
  /// What was appended reaches the kernel, so that a crash of this program cannot take it back.
  void flush() {
    if (std::fflush(file_) != 0) {
      fail();
    }
  }
  void finish() {
    flush();
    if (close() != 0) {
      fail();
    }
  }
  std::uint64_t size() const noexcept { return size_; }
  const std::string& name() const noexcept { return name_; }

 private:
  [[noreturn]] void fail() const { throw SystemError(name_, "cannot be written: {}", std::strerror(errno)); }
  int close() noexcept { return file_ == nullptr ? 0 : std::fclose(std::exchange(file_, nullptr)); }

  std::string name_;
  std::FILE* file_;
  std::uint64_t size_ = 0;
};

/// The chunk that a request is in the middle of.
struct OpenChunk {
  std::vector<LaneEncoder> lanes;  ///< while selections come: most of many requests have none yet, or none any more
  bool ended = false;
  ChunkHead head;
  std::uint32_t next_layer = 0;
  std::uint64_t steps_before = 0;
  RequestDigest digest;
  /// Of a trace with queries, whose steps are begun.
  bool has_open_step() const noexcept { return steps.size() > head.steps; }

  // If the header has queries:
  std::vector<DecodeStep> steps;               ///< of the chunk, the one that is open included
  DecodeStep before;                           ///< the step before the chunk
  std::uint32_t next_query = 0;                ///< of the open step
  std::vector<std::vector<EntryId>> step_ids;  ///< by layer, of the open step's queries so far
};

}  // namespace

class TraceWriter::Impl {
 public:
  Impl(const std::filesystem::path& path, TraceHeader header, const WriterOptions& options)
      : header_(without_plain_stores(std::move(header))), options_(options), file_(path, options.name) {
    for (std::uint32_t request = 0; request < header_.requests.size(); ++request) {
      OpenChunk& chunk = open_.emplace_back();
      chunk.head.request = request;
      chunk.before = {.context_tokens = header_.requests[request].prompt_tokens, .queries = 0, .accepted = 0};
    }
    file_.append(encode_header(header_));
    file_.flush();
  }

  void begin_step(std::uint32_t request, std::uint32_t queries, std::uint32_t accepted) {
    OpenChunk& chunk = open_chunk(request);
    if (!header_.has_queries || chunk.has_open_step()) {
      throw std::logic_error(fmt::format("TraceWriter: begin_step() of request {} {}", request,
                                         header_.has_queries ? "within a step" : "of a trace without queries"));
    }
    check_queries<TraceError>(queries, accepted, place(request));
    DecodeStep step = chunk.steps.empty() ? chunk.before : step_after(chunk.steps, 0);
    step.queries = queries;
    step.accepted = accepted;
    chunk.steps.push_back(step);
    chunk.next_query = 0;
    chunk.digest.add(step);
    chunk.step_ids.resize(header_.layers.size());
    if (queries == 0) {
      end_step(chunk);
    }
  }

  void append(std::uint32_t request, std::span<const EntryId> ids, std::span<const std::uint16_t> scores) {
    OpenChunk& chunk = open_chunk(request);
    if (header_.has_queries && !chunk.has_open_step()) {
      throw std::logic_error(fmt::format("TraceWriter: append to request {} without begin_step()", request));
    }
    const std::uint32_t id_limit = check(request, ids, scores);
    while (chunk.lanes.size() < header_.layers.size()) {
      chunk.lanes.emplace_back(header_.has_scores);
    }
    const std::size_t coded = chunk.lanes[chunk.next_layer].append(ids, scores);
    if (coded != ids.size()) {
      throw TraceError(place(request), "id {} is selected twice (its second place is {})", value(ids[coded]), coded);
    }
    chunk.digest.add(ids);
    const auto length = static_cast<std::uint32_t>(ids.size());
    chunk.head.accesses += length;
    chunk.head.longest_selection = std::max(chunk.head.longest_selection, length);
    chunk.head.id_limit = std::max(chunk.head.id_limit, id_limit);
    if (header_.has_queries) {
      auto& so_far = chunk.step_ids[chunk.next_layer];
      so_far.insert(so_far.end(), ids.begin(), ids.end());
    }
    if (++chunk.next_layer == header_.layers.size()) {
      chunk.next_layer = 0;
      if (!header_.has_queries || ++chunk.next_query == chunk.steps.back().queries) {
        end_step(chunk);
      }
    }
  }

  void end_request(std::uint32_t request) {
    OpenChunk& chunk = open_.at(request);
    require_whole_step(chunk);
    close_chunk(chunk);
    chunk.lanes = std::vector<LaneEncoder>();
    chunk.ended = true;
  }

  void finish() {
    if (std::exchange(finished_, true)) {
      throw std::logic_error("TraceWriter: finish() called twice");
    }
    std::vector<std::uint64_t> steps;
    std::vector<Digest> digests;
    for (OpenChunk& chunk : open_) {
      require_whole_step(chunk);
      close_chunk(chunk);
      steps.push_back(chunk.steps_before);
      digests.push_back(chunk.digest.value());
    }
    end_.file_bytes = file_.size() + record_bytes;
    end_.digest = trace_digest(header_, steps, digests);
    file_.append(encode(end_));
    file_.finish();
  }

 private:
  std::string place(std::uint32_t request) const {
    const OpenChunk& chunk = open_[request];
    return fmt::format("request {}, step {}, layer {}", request, chunk.steps_before + chunk.head.steps,
                       chunk.next_layer);
  }

  OpenChunk& open_chunk(std::uint32_t request) {
    if (finished_ || request >= open_.size() || open_[request].ended) {
      throw std::logic_error(fmt::format("TraceWriter: append to request {} of {}{}", request, open_.size(),
                                         finished_                ? " after finish()"
                                         : request < open_.size() ? " after end_request()"
                                                                  : ""));
    }
    return open_[request];
  }

  void end_step(OpenChunk& chunk) {
    for (auto& ids : chunk.step_ids) {
      std::ranges::sort(ids);
      const auto distinct = std::unique(ids.begin(), ids.end()) - ids.begin();
      chunk.head.longest_union = std::max(chunk.head.longest_union, static_cast<std::uint32_t>(distinct));
      ids.clear();
    }
    ++chunk.head.steps;
    if (chunk.head.accesses >= options_.chunk_ids || chunk.head.steps >= options_.chunk_steps) {
      close_chunk(chunk);
    }
  }

  void require_whole_step(const OpenChunk& chunk) const {
    if (chunk.next_layer != 0 || chunk.has_open_step()) {
      throw TraceError(place(chunk.head.request), "the trace ends in the middle of a step of {} layers",
                       header_.layers.size());
    }
  }

  /// Returns one more than the largest id; 0 if there is none.
  std::uint32_t check(std::uint32_t request, std::span<const EntryId> ids,
                      std::span<const std::uint16_t> scores) const {
    const OpenChunk& chunk = open_[request];
    if (scores.size() != (header_.has_scores ? ids.size() : 0)) {
      throw TraceError(place(request), "{} scores for {} ids{}", scores.size(), ids.size(),
                       header_.has_scores ? "" : "; the header says that there are none");
    }
    const bool logical = header_.ids == IdKind::logical;
    const std::uint64_t tokens =
        header_.has_queries ? chunk.steps.back().seen_by(chunk.next_query)
                            : header_.requests[request].prompt_tokens + chunk.steps_before + chunk.head.steps + 1;
    const std::uint32_t unit_tokens = header_.unit_of(chunk.next_layer);
    const std::uint64_t selectable = begun_entries(tokens, unit_tokens);
    const std::uint64_t limit = logical ? std::min(selectable, max_entry_ids) : max_entry_ids;
    std::uint32_t largest = 0;
    for (const EntryId id : ids) {
      largest = std::max(largest, value(id));  // no exit, so that it vectorises
    }
    if (!ids.empty() && largest >= limit) {
      const auto wrong = std::find_if(ids.begin(), ids.end(), [limit](EntryId id) { return value(id) >= limit; });
      const bool single = unit_tokens == 1;
      throw TraceError(place(request), "id {} lies outside the {} of {} entries{}{}", value(*wrong),
                       logical ? "context" : "format's limit", limit,
                       single ? "" : fmt::format(" of {} tokens", unit_tokens),
                       !logical ? ""
                       : single ? " (physical ids must be declared)"
                                : " (physical ids must be declared; ids of single tokens have a unit of 1)");
    }
    const std::uint64_t plane_bytes = header_.layers.size() * LanePlanes::bytes_for(std::uint64_t{largest} + 1);
    if (plane_bytes > max_writer_plane_bytes) {
      throw TraceError(place(request), "id {} asks for {} bytes of planes over {} layers; {} are allowed", largest,
                       plane_bytes, header_.layers.size(), max_writer_plane_bytes);
    }
    return ids.empty() ? 0 : largest + 1;
  }

  /// No chunk is written that a reader would refuse: ids so sparse, or selections so long and so alike, that a few
  /// bytes of the file ask for more memory than the format allows.
  void check_readable(const OpenChunk& chunk, std::uint64_t stream_bytes) const {
    const ChunkSteps steps =
        header_.has_queries
            ? sum_of(chunk.steps, chunk.steps_before)
            : plain_steps(chunk.head, header_.requests[chunk.head.request].prompt_tokens, chunk.steps_before);
    check_chunk_head(chunk.head, header_, steps, file_.name());
    if (stream_bytes > memory_limit(chunk.head)) {
      throw TraceError(file_.name(),
                       "a chunk of {} bytes holds {} bytes of streams; {} are allowed; write smaller chunks",
                       chunk.head.payload_bytes, stream_bytes, memory_limit(chunk.head));
    }
  }

  void close_chunk(OpenChunk& chunk) {
    if (chunk.head.steps == 0) {
      return;
    }
    while (chunk.lanes.size() < header_.layers.size()) {  // nothing but pauses so far
      chunk.lanes.emplace_back(header_.has_scores);
    }
    // The payload: a table of each lane's two sizes, then the lanes.
    std::vector<std::uint8_t> payload(8 * chunk.lanes.size());
    std::uint64_t stream_bytes = 0;
    for (std::size_t layer = 0; layer < chunk.lanes.size(); ++layer) {
      const StreamBytes streams = chunk.lanes[layer].take();
      for (const auto& stream : streams) {
        stream_bytes += stream.size();
      }
      const LaneFrame frame = pack_lane(streams);
      const std::array<std::uint32_t, 2> sizes = {static_cast<std::uint32_t>(frame.compressed.size()),
                                                  frame.plain_bytes};
      std::memcpy(payload.data() + 8 * layer, sizes.data(), sizeof sizes);
      payload.insert(payload.end(), frame.compressed.begin(), frame.compressed.end());
    }
    chunk.head.payload_bytes = payload.size();
    chunk.head.payload_hash = XXH3_64bits(payload.data(), payload.size());
    check_readable(chunk, stream_bytes);
    file_.append(encode(chunk.head));
    if (header_.has_queries) {
      file_.append(encode_step_table(chunk.steps));
      chunk.before = step_after(chunk.steps, 0);
      chunk.steps.clear();
    }
    file_.append(payload);
    file_.flush();
    ++end_.chunks;
    end_.accesses += chunk.head.accesses;
    chunk.steps_before += chunk.head.steps;
    chunk.head = {.request = chunk.head.request, .first_step = chunk.steps_before};
  }

  TraceHeader header_;
  WriterOptions options_;
  OutputFile file_;
  std::vector<OpenChunk> open_;  ///< by request
  EndRecord end_;
  bool finished_ = false;
};

TraceWriter::TraceWriter(const std::filesystem::path& path, const TraceHeader& header, const WriterOptions& options) {
  check_header(header, options.name.empty() ? path.string() : options.name);
  impl_ = std::make_unique<Impl>(path, header, options);
}
TraceWriter::~TraceWriter() = default;
TraceWriter::TraceWriter(TraceWriter&&) noexcept = default;
TraceWriter& TraceWriter::operator=(TraceWriter&&) noexcept = default;

void TraceWriter::begin_step(std::uint32_t request, std::uint32_t queries, std::uint32_t accepted) {
  impl_->begin_step(request, queries, accepted);
}

void TraceWriter::append(std::uint32_t request, std::span<const EntryId> ids, std::span<const std::uint16_t> scores) {
  impl_->append(request, ids, scores);
}

void TraceWriter::end_request(std::uint32_t request) {
  impl_->end_request(request);
}

void TraceWriter::finish() {
  impl_->finish();
}

}  // namespace dsasim
