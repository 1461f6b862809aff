#include "replay/future.hpp"

#include "dsasim/error.hpp"
#include "trace/batch_cursor.hpp"
#include "trace/machine_memory.hpp"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

namespace dsasim {
namespace {

/// The windows of a replay's steps, in order: cut where the longest request's chunks begin, so that walking them from
/// the end decodes hardly anything twice. Other requests' chunks may be longer and are then decoded from their
/// beginnings for each window, so there is a limit to the windows.
std::vector<StepRange> make_windows(const TraceReader& trace, StepRange steps) {
  std::uint32_t longest = 0;
  for (std::uint32_t request = 1; request < trace.request_count(); ++request) {
    longest = trace.extent(request).steps > trace.extent(longest).steps ? request : longest;
  }
  constexpr std::uint64_t most_windows = 4096;
  const std::uint64_t least_steps = (steps.last - steps.first) / most_windows;
  std::vector<StepRange> windows = {{.first = steps.first, .last = steps.last}};
  for (const std::uint64_t start : trace.chunk_starts(longest)) {
    const std::uint64_t cut = start + trace.header().requests[longest].start_step;
    if (cut > windows.back().first + least_steps && cut < steps.last) {
      windows.back().last = cut;
      windows.push_back({.first = cut, .last = steps.last});
    }
  }
  return windows;
}

/// A block of all layers: by layer and active request.
void decode_lanes(trace::BatchCursor& batch, std::uint32_t layers, std::vector<trace::SelectionBlock>& lanes) {
  const auto active = batch.active();
  lanes.resize(std::max(lanes.size(), layers * active.size()));
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    for (std::size_t i = 0; i < active.size(); ++i) {
      batch.decode(active[i], layer, {.ids = true, .sets = false}, lanes[layer * active.size() + i]);
    }
  }
}

}  // namespace

ScratchFile::ScratchFile() {
  const char* folder = std::getenv("TMPDIR");
  std::string name = std::string(folder != nullptr && *folder != '\0' ? folder : "/tmp") + "/dsasim-XXXXXX";
  descriptor_ = ::mkstemp(name.data());
  if (descriptor_ < 0) {
    throw SystemError(name, "cannot create a scratch file ($TMPDIR): {}", std::strerror(errno));
  }
  ::unlink(name.c_str());
}

ScratchFile::~ScratchFile() {
  ::close(descriptor_);
}

void ScratchFile::append(std::span<const NextUse> values) {
  auto bytes = std::as_bytes(values);
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      throw SystemError("scratch file in $TMPDIR", "cannot be written after {} bytes: {}", size_, std::strerror(errno));
    }
    size_ += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void ScratchFile::read(std::uint64_t offset, std::span<NextUse> values) const {
  auto bytes = std::as_writable_bytes(values);
  while (!bytes.empty()) {
    const ssize_t got = ::pread(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      throw SystemError("scratch file in $TMPDIR", "cannot be read at {}: {}", offset, std::strerror(errno));
    }
    offset += static_cast<std::uint64_t>(got);
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

Future::Future(const TraceReader& trace, const ReplayConfig& config, StepRange steps, const DirectoryLayout& layout)
    : trace_(trace), layout_(layout), order_(trace, config), walked_(layout.caches.size()) {
  for (const auto& cache : layout_.caches) {
    last_use_.emplace_back(cache.directory_entries);
  }
  const auto windows = make_windows(trace, steps);
  Window window;
  for (std::size_t i = windows.size(); i-- > 0;) {
    decode(windows[i], window);
    walk_back(window);
    if (i > 0) {
      blocks_.push_back({.offset = file_.size(), .count = current_.size()});
      file_.append(current_);
    }
  }
}

double Future::bytes(const TraceReader& trace, const DirectoryLayout& layout) {
  double sum = static_cast<double>(trace.accesses()) * sizeof(std::uint32_t);
  for (const auto& cache : layout.caches) {
    sum += trace::written_bytes(cache.directory_entries, sizeof(std::uint32_t), cache.used_entries);
  }
  return sum;
}

void Future::decode(StepRange window_steps, Window& window) {
  window.entries.clear();
  window.selections.clear();
  trace::BatchCursor batch(trace_, window_steps);
  std::vector<trace::SelectionBlock> lanes;  // by layer and active request; kept, with their memory
  constexpr std::size_t block_bytes = std::size_t{1} << 19U;
  while (batch.next_block(block_bytes / layout_.streams.size())) {
    const auto active = batch.active();
    decode_lanes(batch, trace_.layer_count(), lanes);
    std::vector<std::vector<std::uint32_t>> rows;
    for (const std::uint32_t request : active) {
      rows.push_back(first_rows(trace_, request, batch.block()));
    }
    for (std::uint64_t step = batch.block().first; step < batch.block().last && !active.empty(); ++step) {
      for (std::uint32_t layer = 0; layer < trace_.layer_count(); ++layer) {
        for (std::size_t i = 0; i < active.size(); ++i) {
          add_selection(window, stream_of(layer, active[i]), step,
                        rows_at(lanes[layer * active.size() + i], rows[i], step - batch.block().first));
        }
      }
      if (trace_.rejects_queries()) {
        add_forgotten(window, step, active);
      }
    }
  }
}

std::uint32_t Future::stream_of(std::uint32_t layer, std::uint32_t request) const noexcept {
  return layer * trace_.request_count() + request;
}

DecodeStep Future::step_of(std::uint32_t request, std::uint64_t step) const {
  return trace_.queries(request, step - trace_.header().requests[request].start_step);
}

EntriesApart Future::entries_apart(std::uint32_t stream, std::uint64_t step) const {
  const auto& of = layout_.streams[stream];
  return order_.apart(step_of(of.request, step), of.layer, of.request, step, layout_.capacity(of));
}

std::size_t Future::count(std::uint32_t layer, std::uint32_t request, std::uint64_t step, const SelectionRows& rows) {
  const std::uint32_t stream = stream_of(layer, request);
  const EntriesApart apart = entries_apart(stream, step);
  std::size_t count = apart.inserted.size();
  if (order_.unites_steps(layout_.capacity(layout_.streams[stream]))) {
    return count + order_.united(rows, apart).size();
  }
  for (std::uint32_t query = 0; query < rows.count; ++query) {
    count += order_.accesses(rows[query], apart).size();
  }
  return count;
}

void Future::add_selection(Window& window, std::uint32_t stream, std::uint64_t step, const SelectionRows& rows) {
  const EntriesApart apart = entries_apart(stream, step);
  for (std::uint32_t id = apart.inserted.first; id < apart.inserted.last; ++id) {
    window.entries.push_back(EntryId{id});
  }
  std::uint32_t accesses = 0;
  const auto add = [&](std::span<const EntryId> ids) {
    window.entries.insert(window.entries.end(), ids.begin(), ids.end());
    accesses += static_cast<std::uint32_t>(ids.size());
  };
  if (order_.unites_steps(layout_.capacity(layout_.streams[stream]))) {
    add(order_.united(rows, apart));
  } else {
    for (std::uint32_t query = 0; query < rows.count; ++query) {
      add(order_.accesses(rows[query], apart));
    }
  }
  window.selections.push_back(
      {.stream = stream, .accesses = accesses, .inserts = apart.inserted.size(), .forgotten = {}});
}

/// After the selections of a step.
void Future::add_forgotten(Window& window, std::uint64_t step, std::span<const std::uint32_t> active) const {
  for (std::uint32_t layer = 0; layer < trace_.layer_count(); ++layer) {
    for (const std::uint32_t request : active) {
      const std::uint32_t stream = stream_of(layer, request);
      const CacheUnit& unit = layout_.streams[stream].unit;
      const IdRange gone =
          forgotten_ids(step_of(request, step), unit.tokens, unit.ids(trace_.extent(request).id_limit));
      if (!gone.empty()) {
        window.selections.push_back({.stream = stream, .accesses = 0, .inserts = 0, .forgotten = gone});
      }
    }
  }
}

void Future::walk_back(const Window& window) {
  current_.resize(window.entries.size());
  at_ = 0;
  std::size_t at = window.entries.size();
  for (std::size_t i = window.selections.size(); i-- > 0;) {
    const Selection& selection = window.selections[i];
    const auto& stream = layout_.streams[selection.stream];
    if (std::uint64_t{walked_[stream.cache]} + selection.accesses >= never_again) {
      throw ConfigError("`policy`", "belady: a cache has more than {} accesses; replay a part with `steps`",
                        never_again);
    }
    for (std::uint32_t id = selection.forgotten.first; id < selection.forgotten.last; ++id) {
      last_use_[stream.cache][stream.base + id] = 0;  // its accesses from here on are another entry's
    }
    for (std::uint32_t j = 0; j < selection.accesses; ++j) {
      --at;
      current_[at] = use_before(stream.cache, stream.base + value(window.entries[at]), true);
    }
    for (std::uint32_t j = 0; j < selection.inserts; ++j) {
      --at;
      current_[at] = use_before(stream.cache, stream.base + value(window.entries[at]), false);
    }
  }
  assert(at == 0);
}

/// The distance from here, the place before all accesses walked so far, to the entry's next use. If `access`, here is
/// an access of it; otherwise an insert, whose distance counts from the next access.
NextUse Future::use_before(std::uint32_t cache, std::uint32_t key, bool access) {
  std::uint32_t& last_use = last_use_[cache][key];
  const std::uint32_t walked = walked_[cache];
  const NextUse distance = last_use == 0 ? never_again : walked - last_use + (access ? 1 : 0);
  if (access) {
    last_use = ++walked_[cache];
  }
  return distance;
}

NextUse Future::first_use(std::uint32_t cache, std::uint32_t key) const noexcept {
  const std::uint32_t last_use = last_use_[cache][key];
  return last_use == 0 ? never_again : walked_[cache] - last_use;
}

void Future::forget_first_uses() {
  last_use_ = std::vector<ZeroedArray<std::uint32_t>>();
}

void Future::load_next_block() {
  assert(!blocks_.empty());
  current_.resize(blocks_.back().count);
  file_.read(blocks_.back().offset, current_);
  blocks_.pop_back();
  at_ = 0;
}

std::span<const NextUse> Future::next(std::size_t count) {
  while (at_ == current_.size() && count > 0) {
    load_next_block();
  }
  assert(at_ + count <= current_.size());
  at_ += count;
  return {current_.data() + at_ - count, count};
}

}  // namespace dsasim
