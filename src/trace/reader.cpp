#include "dsasim/trace/reader.hpp"

#include "dsasim/error.hpp"
#include "trace/block_cursor.hpp"
#include "trace/digest.hpp"
#include "trace/selection_block.hpp"
#include "trace/trace_file.hpp"

#include <algorithm>
#include <optional>

namespace dsasim {

using namespace trace;

namespace {

Digest compute_digest(const TraceReader& reader, const std::function<void(std::uint64_t)>& progress) {
  std::vector<std::uint64_t> steps;
  std::vector<Digest> digests;
  std::uint64_t accesses_before = 0;
  for (std::uint32_t request = 0; request < reader.request_count(); ++request) {
    RequestDigest digest;
    RequestCursor cursor(reader, request, 0, reader.extent(request).steps);
    while (cursor.next()) {
      const DecodeStep& step = cursor.queries();
      if (reader.header().has_queries) {
        digest.add(step);
      }
      for (std::uint32_t query = 0; query < step.queries; ++query) {
        for (std::uint32_t layer = 0; layer < reader.layer_count(); ++layer) {
          const SelectionView selection = cursor.selection_of(query, layer);
          digest.add({selection.ids, selection.size});
          accesses_before += selection.size;
        }
      }
      if (progress) {
        progress(accesses_before);
      }
    }
    steps.push_back(reader.extent(request).steps);
    digests.push_back(digest.value());
  }
  return trace_digest(reader.header(), steps, digests);
}

}  // namespace

TraceReader::TraceReader(const std::filesystem::path& path, const ReadOptions& options)
    : file_(std::make_unique<const TraceFile>(path, options)) {}
TraceReader::~TraceReader() = default;
TraceReader::TraceReader(TraceReader&&) noexcept = default;
TraceReader& TraceReader::operator=(TraceReader&&) noexcept = default;

const std::string& TraceReader::name() const noexcept {
  return file_->file().name();
}
const TraceHeader& TraceReader::header() const noexcept {
  return file_->header();
}
const RequestExtent& TraceReader::extent(std::uint32_t request) const noexcept {
  return file_->extent(request);
}
std::uint32_t TraceReader::request_count() const noexcept {
  return static_cast<std::uint32_t>(header().requests.size());
}
std::uint32_t TraceReader::layer_count() const noexcept {
  return static_cast<std::uint32_t>(header().layers.size());
}
std::vector<std::uint64_t> TraceReader::chunk_starts(std::uint32_t request) const {
  std::vector<std::uint64_t> starts;
  for (const ChunkPlace& place : file_->chunks(request)) {
    starts.push_back(place.head.first_step);
  }
  return starts;
}
bool TraceReader::truncated() const noexcept {
  return !file_->end();
}
std::uint64_t TraceReader::file_bytes() const noexcept {
  return file_->file().size();
}
std::uint64_t TraceReader::chunk_count() const noexcept {
  return file_->chunk_count();
}
std::uint32_t TraceReader::longest_selection() const noexcept {
  return file_->longest_selection();
}

std::uint32_t TraceReader::longest_union() const noexcept {
  return file_->longest_union();
}
DecodeStep TraceReader::queries(std::uint32_t request, std::uint64_t step) const noexcept {
  return file_->queries(request, step);
}
std::uint32_t TraceReader::most_queries() const noexcept {
  return file_->most_queries();
}
bool TraceReader::rejects_queries() const noexcept {
  return file_->rejects_queries();
}

void TraceReader::require_single_queries(std::string_view what) const {
  if (header().has_queries) {
    throw ConfigError(name(), "its steps have up to {} queries; {} is not supported for such traces", most_queries(),
                      what);
  }
}

void TraceReader::require_equal_stores(std::string_view what) const {
  if (!header().stores.empty()) {
    throw ConfigError(name(), "its layers {}; {} is not supported for such traces",
                      header().shares_stores() ? "share KV stores" : "read KV stores that differ", what);
  }
}

std::uint64_t TraceReader::accesses() const noexcept {
  return file_->accesses();
}
std::uint64_t TraceReader::id_limit() const noexcept {
  return file_->id_limit();
}
std::uint64_t TraceReader::longest_request_steps() const noexcept {
  return file_->longest_request_steps();
}
std::uint64_t TraceReader::batch_steps() const noexcept {
  return file_->batch_steps();
}
std::uint64_t TraceReader::longest_context_entries() const noexcept {
  return file_->longest_context_tokens() / header().least_unit();
}

std::uint64_t TraceReader::busy_steps(const StepRange& range) const {
  std::vector<StepRange> runs;
  for (std::uint32_t request = 0; request < request_count(); ++request) {
    const std::uint64_t start = header().requests[request].start_step;
    const std::uint64_t first = std::max(range.first, start);
    const std::uint64_t last = std::min(range.last, start + extent(request).steps);
    if (!header().has_queries) {
      runs.push_back({.first = first, .last = last});
      continue;
    }
    for (std::uint64_t step = first; step < last; ++step) {  // without the pauses
      if (queries(request, step - start).queries == 0) {
        continue;
      }
      if (runs.empty() || runs.back().last != step) {
        runs.push_back({.first = step, .last = step});
      }
      runs.back().last = step + 1;
    }
  }
  std::ranges::sort(runs, {}, &StepRange::first);
  std::uint64_t busy = 0;
  std::uint64_t counted_to = range.first;
  for (const StepRange& run : runs) {
    const std::uint64_t first = std::max(run.first, counted_to);
    busy += run.last > first ? run.last - first : 0;
    counted_to = std::max(counted_to, run.last);
  }
  return busy;
}

std::string TraceReader::digest() const {
  return identity().front().text;
}

TraceIdentity TraceReader::identity() const {
  return trace_identity(header(), file_->end() ? file_->end()->digest : compute_digest(*this, {}));
}

void TraceReader::verify(const std::function<void(std::uint64_t)>& progress) const {
  const Digest found = compute_digest(*this, progress);
  if (file_->end() && found != file_->end()->digest) {
    throw TraceError(name(), "its content has the digest {}, its end record says {}", to_string(found),
                     to_string(file_->end()->digest));
  }
}

// ---- RequestCursor ----

/// All lanes of a block of steps, decoded when the first of these steps is reached.
class RequestCursor::Impl {
 public:
  Impl(const TraceReader& reader, std::uint32_t request, std::uint64_t first, std::uint64_t last)
      : next_step_(first), blocks_(reader.layer_count()) {
    if (first < last) {
      cursor_.emplace(reader, request, first, last);
    }
  }

  bool next() {
    if (block_steps_ != 0 && ++current_ < block_steps_) {
      step_ = cursor_->queries(next_step_++);
      return true;
    }
    const std::uint64_t available = cursor_ ? cursor_->steps_available() : 0;
    if (available == 0) {
      return false;
    }
    // 256 KiB of ids in all: they stay in the second-level cache.
    constexpr std::size_t block_bytes = std::size_t{1} << 18U;
    block_steps_ = std::min(available, cursor_->steps_for(block_bytes / blocks_.size()));
    current_ = 0;
    cursor_->begin_block(block_steps_);
    for (std::uint32_t layer = 0; layer < blocks_.size(); ++layer) {
      cursor_->decode(layer, {.ids = true, .sets = false}, blocks_[layer]);
    }
    step_ = cursor_->queries(next_step_++);
    first_row_ = step_.first_row;
    return true;
  }

  std::uint64_t steps_ready() const noexcept { return block_steps_ - current_; }

  SelectionView selection(std::uint32_t layer, std::uint64_t ahead) const noexcept {
    return blocks_[layer][current_ + ahead];
  }

  const DecodeStep& queries() const noexcept { return step_; }

  SelectionView selection_of(std::uint32_t query, std::uint32_t layer) const noexcept {
    return blocks_[layer][step_.first_row - first_row_ + query];
  }

 private:
  std::uint64_t next_step_;
  DecodeStep step_;                     ///< the current one
  std::uint64_t first_row_ = 0;         ///< of the block
  std::optional<BlockCursor> cursor_;   ///< none if there are no steps
  std::vector<SelectionBlock> blocks_;  ///< by layer
  std::uint64_t block_steps_ = 0;
  std::uint64_t current_ = 0;  ///< step of the block
};

RequestCursor::RequestCursor(const TraceReader& reader, std::uint32_t request, std::uint64_t first, std::uint64_t last)
    : impl_(std::make_unique<Impl>(reader, request, first, last)) {}
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

const DecodeStep& RequestCursor::queries() const noexcept {
  return impl_->queries();
}

SelectionView RequestCursor::selection_of(std::uint32_t query, std::uint32_t layer) const noexcept {
  return impl_->selection_of(query, layer);
}

}  // namespace dsasim
