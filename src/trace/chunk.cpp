#include "trace/chunk.hpp"

#include "dsasim/error.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace dsasim::trace {

std::uint64_t memory_limit(const ChunkHead& head) noexcept {
  return chunk_memory_bytes + chunk_memory_ratio * head.payload_bytes;
}

InputFile::InputFile(const std::filesystem::path& path) : name_(path.string()) {
  descriptor_ = ::open(name_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // NOLINT(cppcoreguidelines-pro-type-vararg)
  if (descriptor_ < 0) {
    throw SystemError(name_, "cannot be opened: {}", std::strerror(errno));
  }
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    throw SystemError(name_, "is not a regular file");
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

InputFile::~InputFile() {
  ::close(descriptor_);
}

void InputFile::read(std::uint64_t offset, std::span<std::uint8_t> bytes) const {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      throw SystemError(name_, "cannot read {} bytes at {}: {}", bytes.size(), offset,
                        got < 0 ? std::strerror(errno) : "the file has become shorter");
    }
    offset += static_cast<std::uint64_t>(got);
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

std::string chunk_name(const InputFile& file, const ChunkHead& head) {
  return fmt::format("{}: request {}, steps {}-{}", file.name(), head.request, head.first_step,
                     head.first_step + head.steps - 1);
}

ChunkSteps sum_of(std::span<const DecodeStep> steps, std::uint64_t steps_before) noexcept {
  ChunkSteps sum{.before = steps_before};
  for (const DecodeStep& step : steps) {
    sum.rows += step.queries;
    sum.most_tokens = std::max(sum.most_tokens, step.context_tokens + step.queries);
  }
  return sum;
}

void check_chunk_head(const ChunkHead& head, const TraceHeader& header, const ChunkSteps& steps,
                      const std::string& where) {
  if (head.first_step != steps.before || head.steps == 0) {
    throw TraceError(where, "a chunk of request {} has {} steps from {} on, expected step {} to come next",
                     head.request, head.steps, head.first_step, steps.before);
  }
  const std::uint64_t layers = header.layers.size();
  if (head.payload_bytes < 8 * layers || head.payload_bytes > max_chunk_bytes) {
    throw TraceError(where, "a chunk claims {} bytes, expected {} to {}", head.payload_bytes, 8 * layers,
                     max_chunk_bytes);
  }
  if (header.has_queries && steps.most_tokens > max_entry_ids * header.least_unit()) {
    throw TraceError(where, "a chunk of request {} claims a context of {} tokens, at most {} are allowed", head.request,
                     steps.most_tokens, max_entry_ids * header.least_unit());
  }
  const std::uint64_t selectable = begun_entries(steps.most_tokens, header.least_unit());
  if (head.id_limit > max_entry_ids || (header.ids == IdKind::logical && head.id_limit > selectable)) {
    throw TraceError(where, "a chunk of request {} claims ids up to {}, in a context of {} entries", head.request,
                     head.id_limit - 1, selectable);
  }
  __extension__ using Wide = unsigned __int128;
  if (head.longest_selection > head.id_limit || head.accesses > Wide{layers} * steps.rows * head.longest_selection) {
    throw TraceError(where, "a chunk of request {} claims {} ids in selections of up to {}, of {} ids", head.request,
                     head.accesses, head.longest_selection, head.id_limit);
  }
  if (header.has_queries && (head.longest_union < head.longest_selection || head.longest_union > head.id_limit)) {
    throw TraceError(where,
                     "a chunk of request {} claims steps that select {} ids, in selections of up to {}, of {} ids",
                     head.request, head.longest_union, head.longest_selection, head.id_limit);
  }
  if (head.accesses > 8 * memory_limit(head)) {  // each takes a bit of some stream at least
    throw TraceError(where, "a chunk of {} bytes claims {} ids; {} are allowed (docs/trace-format.md)",
                     head.payload_bytes, head.accesses, 8 * memory_limit(head));
  }
  const std::uint64_t memory =
      layers * (LanePlanes::bytes_for(head.id_limit) + std::uint64_t{4} * head.longest_selection) +
      std::uint64_t{4} * layers * steps.rows;
  if (memory > memory_limit(head)) {
    throw TraceError(where, "a chunk of {} bytes asks for {} bytes of memory; {} are allowed (docs/trace-format.md)",
                     head.payload_bytes, memory, memory_limit(head));
  }
  const Wide work_words = Wide{layers} * steps.rows * (head.id_limit / 64);
  const std::uint64_t work_limit = chunk_work_words + chunk_work_ratio * head.payload_bytes;
  if (work_words > work_limit) {
    throw TraceError(where,
                     "a chunk of {} bytes claims {} steps over {} ids in {} layers, more than its size allows "
                     "(docs/trace-format.md)",
                     head.payload_bytes, steps.rows, head.id_limit, layers);
  }
}

void ChunkPayload::load(const InputFile& file, const TraceHeader& header, const ChunkPlace& place) {
  name_ = chunk_name(file, place.head);
  id_limit_ = place.head.id_limit;
  bytes_.resize(place.head.payload_bytes);
  file.read(place.payload, bytes_);
  if (XXH3_64bits(bytes_.data(), bytes_.size()) != place.head.payload_hash) {
    throw TraceError(name_, "the chunk at byte {} does not match its checksum", place.offset);
  }
  const std::size_t layers = header.layers.size();
  std::span<const std::uint8_t> rest(bytes_);
  rest = rest.subspan(8 * layers);
  frames_.clear();
  for (std::size_t layer = 0; layer < layers; ++layer) {
    std::array<std::uint32_t, 2> sizes{};
    std::memcpy(sizes.data(), bytes_.data() + 8 * layer, sizeof sizes);
    if (sizes[0] > rest.size()) {
      throw TraceError(lane_name(layer), "claims {} bytes, {} are left in its chunk", sizes[0], rest.size());
    }
    frames_.push_back({.compressed = rest.first(sizes[0]), .plain_bytes = sizes[1]});
    rest = rest.subspan(sizes[0]);
  }
  if (!rest.empty()) {
    throw TraceError(name_, "the chunk holds {} bytes that belong to no layer", rest.size());
  }
  stream_bytes_left_ = static_cast<std::int64_t>(memory_limit(place.head));
}

StreamViews ChunkPayload::unpack(std::size_t layer, LaneUnpacker& unpacker) {
  const Frame& frame = frames_[layer];
  const auto limit = static_cast<std::uint64_t>(std::max<std::int64_t>(stream_bytes_left_, 0));
  const StreamViews streams =
      unpacker.unpack(frame.compressed, frame.plain_bytes, limit, stream_slack(id_limit_), lane_name(layer));
  std::int64_t bytes = 0;
  for (const auto& stream : streams) {
    bytes += static_cast<std::int64_t>(stream.size());
  }
  if (stream_bytes_left_.fetch_sub(bytes) < bytes) {
    throw TraceError(name_, "its streams come to more bytes than its size allows (docs/trace-format.md)");
  }
  return streams;
}

std::string ChunkPayload::lane_name(std::size_t layer) const {
  return fmt::format("{}, layer {}", name_, layer);
}

}  // namespace dsasim::trace
