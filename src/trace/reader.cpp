#include "dsasim/trace/reader.hpp"

#include "dsasim/error.hpp"
#include "trace/chunk.hpp"
#include "trace/digest.hpp"

#include <algorithm>
#include <cassert>
#include <optional>

namespace dsasim {

using namespace trace;

class TraceReader::Impl {
 public:
  Impl(const std::filesystem::path& path, const ReadOptions& options) : file_(path) {
    read_header();
    find_chunks();
    if (!end_ && !options.allow_truncated) {
      throw TraceError(file_.name(), "is cut off after {} whole chunks (no end record); --allow-truncated reads those",
                       place_count_);
    }
  }

  const InputFile& file() const noexcept { return file_; }
  const TraceHeader& header() const noexcept { return header_; }
  const RequestExtent& extent(std::uint32_t request) const noexcept { return extents_[request]; }
  const std::vector<ChunkPlace>& chunks(std::uint32_t request) const noexcept { return chunks_[request]; }
  std::uint64_t chunk_count() const noexcept { return place_count_; }
  std::uint32_t longest_selection() const noexcept { return longest_selection_; }
  const std::optional<EndRecord>& end() const noexcept { return end_; }

  Digest compute_digest(const TraceReader& reader, const std::function<void(std::uint64_t)>& progress) const;

 private:
  void read_header() {
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
    header_bytes_ = bytes.size();
  }

  /// Goes from chunk to chunk by their sizes. What does not reach the end record was cut off.
  void find_chunks() {
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
      const ChunkPlace place{.offset = offset, .head = decode_chunk_head(record)};
      if (place.head.request >= extents_.size()) {
        throw TraceError(file_.name(), "the chunk at byte {} belongs to request {} of {}", offset, place.head.request,
                         extents_.size());
      }
      check_chunk_head(place.head, header_, extents_[place.head.request].steps, file_.name());
      if (place.head.payload_bytes > file_.size() - offset - record_bytes) {
        return;
      }
      add(place);
      offset += record_bytes + place.head.payload_bytes;
    }
  }

  void add(const ChunkPlace& place) {
    RequestExtent& extent = extents_[place.head.request];
    extent.steps += place.head.steps;
    extent.accesses += place.head.accesses;
    extent.id_limit = std::max<std::uint64_t>(extent.id_limit, place.head.id_limit);
    longest_selection_ = std::max(longest_selection_, place.head.longest_selection);
    chunks_[place.head.request].push_back(place);
    ++place_count_;
  }

  void read_end(std::uint64_t offset, const EndRecord& end) {
    if (end.file_bytes != file_.size() || offset + record_bytes != file_.size()) {
      throw TraceError(file_.name(), "is {} bytes long, its end record at byte {} says {}", file_.size(), offset,
                       end.file_bytes);
    }
    std::uint64_t accesses = 0;
    for (const RequestExtent& extent : extents_) {
      accesses += extent.accesses;
    }
    if (end.chunks != place_count_ || end.accesses != accesses) {
      throw TraceError(file_.name(), "holds {} chunks and {} ids, its end record says {} and {}", place_count_,
                       accesses, end.chunks, end.accesses);
    }
    end_ = end;
  }

  InputFile file_;
  TraceHeader header_;
  std::uint64_t header_bytes_ = 0;
  std::vector<RequestExtent> extents_;           ///< by request
  std::vector<std::vector<ChunkPlace>> chunks_;  ///< by request, in the order of their steps
  std::uint64_t place_count_ = 0;
  std::uint32_t longest_selection_ = 0;
  std::optional<EndRecord> end_;
};

Digest TraceReader::Impl::compute_digest(const TraceReader& reader,
                                         const std::function<void(std::uint64_t)>& progress) const {
  std::vector<std::uint64_t> steps;
  std::vector<Digest> digests;
  std::uint64_t accesses_before = 0;
  for (std::uint32_t request = 0; request < extents_.size(); ++request) {
    RequestDigest digest;
    RequestCursor cursor(reader, request, 0, extents_[request].steps);
    while (cursor.next()) {
      for (std::uint32_t layer = 0; layer < header_.layers.size(); ++layer) {
        const SelectionView selection = cursor.selection(layer);
        digest.add({selection.ids, selection.size});
        accesses_before += selection.size;
      }
      if (progress) {
        progress(accesses_before);
      }
    }
    steps.push_back(extents_[request].steps);
    digests.push_back(digest.value());
  }
  return trace_digest(header_, steps, digests);
}

TraceReader::TraceReader(const std::filesystem::path& path, const ReadOptions& options)
    : impl_(std::make_unique<const Impl>(path, options)) {}
TraceReader::~TraceReader() = default;
TraceReader::TraceReader(TraceReader&&) noexcept = default;
TraceReader& TraceReader::operator=(TraceReader&&) noexcept = default;

const std::string& TraceReader::name() const noexcept {
  return impl_->file().name();
}
const TraceHeader& TraceReader::header() const noexcept {
  return impl_->header();
}
const RequestExtent& TraceReader::extent(std::uint32_t request) const noexcept {
  return impl_->extent(request);
}
std::uint32_t TraceReader::request_count() const noexcept {
  return static_cast<std::uint32_t>(header().requests.size());
}
std::uint32_t TraceReader::layer_count() const noexcept {
  return static_cast<std::uint32_t>(header().layers.size());
}
std::vector<std::uint64_t> TraceReader::chunk_starts(std::uint32_t request) const {
  std::vector<std::uint64_t> starts;
  for (const ChunkPlace& place : impl_->chunks(request)) {
    starts.push_back(place.head.first_step);
  }
  return starts;
}
bool TraceReader::truncated() const noexcept {
  return !impl_->end();
}
std::uint64_t TraceReader::file_bytes() const noexcept {
  return impl_->file().size();
}
std::uint64_t TraceReader::chunk_count() const noexcept {
  return impl_->chunk_count();
}
std::uint32_t TraceReader::longest_selection() const noexcept {
  return impl_->longest_selection();
}

std::uint64_t TraceReader::accesses() const noexcept {
  std::uint64_t sum = 0;
  for (std::uint32_t request = 0; request < request_count(); ++request) {
    sum += extent(request).accesses;
  }
  return sum;
}

std::uint64_t TraceReader::longest_request_steps() const noexcept {
  std::uint64_t longest = 0;
  for (std::uint32_t request = 0; request < request_count(); ++request) {
    longest = std::max(longest, extent(request).steps);
  }
  return longest;
}

std::uint64_t TraceReader::batch_steps() const noexcept {
  std::uint64_t last = 0;
  for (std::uint32_t request = 0; request < request_count(); ++request) {
    last = std::max(last, header().requests[request].start_step + extent(request).steps);
  }
  return last;
}

std::uint64_t TraceReader::longest_context_entries() const noexcept {
  std::uint64_t longest = 0;
  for (std::uint32_t request = 0; request < request_count(); ++request) {
    const std::uint64_t tokens = header().requests[request].prompt_tokens + extent(request).steps;
    longest = std::max(longest, tokens / header().unit_tokens);
  }
  return longest;
}

std::string TraceReader::digest() const {
  return to_string(impl_->end() ? impl_->end()->digest : impl_->compute_digest(*this, {}));
}

void TraceReader::verify(const std::function<void(std::uint64_t)>& progress) const {
  const Digest found = impl_->compute_digest(*this, progress);
  if (impl_->end() && found != impl_->end()->digest) {
    throw TraceError(name(), "its content has the digest {}, its end record says {}", to_string(found),
                     to_string(impl_->end()->digest));
  }
}

// ---- RequestCursor ----

class RequestCursor::Impl {
 public:
  Impl(const TraceReader::Impl& trace, std::uint32_t request, std::uint64_t first, std::uint64_t last)
      : trace_(trace), request_(request), last_(last) {
    assert(first <= last && last <= trace.extent(request).steps);
    const auto& chunks = trace_.chunks(request_);
    const auto after = std::upper_bound(chunks.begin(), chunks.end(), first, [](std::uint64_t step, const auto& place) {
      return step < place.head.first_step;
    });
    next_chunk_ = first == last ? chunks.size() : static_cast<std::size_t>(after - chunks.begin()) - 1;
    // Decoding starts where the chunk does: what comes before `first` is decoded and passed over.
    decoded_ = first == last ? first : chunks[next_chunk_].head.first_step;
    while (decoded_ < first) {
      decode_block();
    }
    next_step_ = first;
  }

  bool next() {
    if (next_step_ >= last_) {
      return false;
    }
    current_ = next_step_++;
    if (current_ == decoded_) {
      decode_block();
    }
    return true;
  }

  std::uint64_t steps_ready() const noexcept { return std::min(decoded_, last_) - current_; }

  SelectionView selection(std::uint32_t layer, std::uint64_t ahead) const noexcept {
    const LaneBlock& lane = block_[layer];
    const std::size_t step = current_ + ahead - block_first_;
    const std::size_t from = lane.starts[step];
    return {.ids = lane.ids.data() + from,
            .scores = trace_.header().has_scores ? lane.scores.data() + from : nullptr,
            .size = static_cast<std::uint32_t>(lane.starts[step + 1] - from)};
  }

 private:
  /// The decoded selections of one lane for the steps of the block.
  struct LaneBlock {
    std::vector<EntryId> ids;
    std::vector<std::uint16_t> scores;
    std::vector<std::size_t> starts;
  };

  void decode_block() {
    const auto& chunks = trace_.chunks(request_);
    if (chunk_steps_left_ == 0) {
      lanes_.clear();  // before the next chunk is loaded: two at once would double the memory
      lanes_ = load_chunk(trace_.file(), trace_.header(), chunks[next_chunk_]);
      chunk_ = &chunks[next_chunk_].head;
      chunk_steps_left_ = chunk_->steps;
      chunk_accesses_ = 0;
      chunk_longest_ = 0;
      chunk_largest_ = 0;
      ++next_chunk_;
    }
    // Steps of one lane are decoded together, so that its planes stay in the cache; about 256 KiB of ids in all.
    constexpr std::uint64_t block_ids = std::uint64_t{1} << 16U;
    // Where selections differ much in length, their longest sets the bound: a file cannot ask for more by a small mean.
    const std::uint64_t ids_a_step = std::max<std::uint64_t>(1, chunk_->accesses / chunk_->steps);
    const std::uint64_t most_a_step = std::max<std::uint64_t>(1, lanes_.size() * chunk_->longest_selection / 16);
    const std::uint64_t steps = std::min<std::uint64_t>(
        std::clamp<std::uint64_t>(block_ids / std::max(ids_a_step, most_a_step), 1, 64), chunk_steps_left_);
    block_.resize(lanes_.size());
    for (std::size_t layer = 0; layer < lanes_.size(); ++layer) {
      decode_lane(lanes_[layer], block_[layer], steps);
    }
    block_first_ = decoded_;
    decoded_ += steps;
    chunk_steps_left_ -= static_cast<std::uint32_t>(steps);
    if (chunk_steps_left_ == 0) {
      check_chunk();
    }
  }

  void decode_lane(LaneDecoder& lane, LaneBlock& block, std::uint64_t steps) {
    block.starts.assign(1, 0);
    for (std::uint64_t step = 0; step < steps; ++step) {
      const std::size_t at = block.starts.back();
      const std::uint32_t length = lane.next_length();
      if (length > chunk_->longest_selection) {
        throw TraceError(chunk_name(trace_.file(), *chunk_), "a selection of {} ids, the chunk's head says at most {}",
                         length, chunk_->longest_selection);
      }
      block.ids.resize(std::max(block.ids.size(), at + length + decode_slack));
      if (trace_.header().has_scores) {
        block.scores.resize(std::max(block.scores.size(), at + length));
      }
      lane.next(block.ids.data() + at, trace_.header().has_scores ? block.scores.data() + at : nullptr);
      check_ids({block.ids.data() + at, length}, lane.largest_id(), decoded_ + step);
      block.starts.push_back(at + length);
    }
  }

  void check_ids(std::span<const EntryId> ids, std::uint32_t largest, std::uint64_t step) {
    const auto length = static_cast<std::uint32_t>(ids.size());
    chunk_accesses_ += length;
    chunk_longest_ = std::max(chunk_longest_, length);
    if (ids.empty()) {
      return;
    }
    chunk_largest_ = std::max<std::uint64_t>(chunk_largest_, std::uint64_t{largest} + 1);
    const auto& header = trace_.header();
    const std::uint64_t context = context_entries(header, header.requests[request_], step);
    if (header.ids == IdKind::logical && largest >= context) {
      throw TraceError(chunk_name(trace_.file(), *chunk_), "step {}: id {} lies outside the context of {} entries",
                       step, largest, context);
    }
  }

  void check_chunk() const {
    for (const LaneDecoder& lane : lanes_) {
      lane.check_exhausted();
    }
    if (chunk_accesses_ != chunk_->accesses || chunk_longest_ != chunk_->longest_selection ||
        chunk_largest_ != chunk_->id_limit) {
      throw TraceError(chunk_name(trace_.file(), *chunk_),
                       "holds {} ids below {} in selections of up to {}; its head says {}, {} and {}", chunk_accesses_,
                       chunk_largest_, chunk_longest_, chunk_->accesses, chunk_->id_limit, chunk_->longest_selection);
    }
  }

  const TraceReader::Impl& trace_;
  std::uint32_t request_;
  std::uint64_t last_;
  std::size_t next_chunk_ = 0;
  std::vector<LaneDecoder> lanes_;
  const ChunkHead* chunk_ = nullptr;
  std::uint32_t chunk_steps_left_ = 0;
  std::uint64_t chunk_accesses_ = 0, chunk_largest_ = 0;
  std::uint32_t chunk_longest_ = 0;
  std::vector<LaneBlock> block_;
  std::uint64_t block_first_ = 0;
  std::uint64_t decoded_ = 0;  ///< steps decoded so far: the step after the block
  std::uint64_t current_ = 0;
  std::uint64_t next_step_ = 0;
};

RequestCursor::RequestCursor(const TraceReader& reader, std::uint32_t request, std::uint64_t first, std::uint64_t last)
    : impl_(std::make_unique<Impl>(*reader.impl_, request, first, last)) {}
RequestCursor::~RequestCursor() = default;
RequestCursor::RequestCursor(RequestCursor&&) noexcept = default;
RequestCursor& RequestCursor::operator=(RequestCursor&&) noexcept = default;

bool RequestCursor::next() {
  return impl_->next();
}

std::uint64_t RequestCursor::steps_ready() const noexcept {
  return impl_->steps_ready();
}

SelectionView RequestCursor::selection(std::uint32_t layer, std::uint64_t ahead) const noexcept {
  return impl_->selection(layer, ahead);
}

}  // namespace dsasim
