#include "trace/block_cursor.hpp"

#include "dsasim/error.hpp"
#include "trace/machine_memory.hpp"

#include <algorithm>
#include <cassert>

namespace dsasim::trace {
std::uint32_t set_words(const TraceReader& trace, std::uint32_t request) {
  constexpr std::uint64_t most_words_an_id = 8;
  constexpr std::uint64_t always = 64;
  const std::uint64_t words = (trace.extent(request).id_limit + 63) / 64;
  return words <= most_words_an_id * trace.longest_selection() + always ? static_cast<std::uint32_t>(words) : 0;
}

BlockCursor::BlockCursor(const TraceReader& reader, std::uint32_t request, std::uint64_t first, std::uint64_t last)
    : trace_(*reader.file_), request_(request), last_(last), set_words_(set_words(reader, request)) {
  assert(first < last && last <= trace_.extent(request).steps);
  const auto& chunks = trace_.chunks(request_);
  const auto after = std::upper_bound(chunks.begin(), chunks.end(), first, [](std::uint64_t step, const auto& place) {
    return step < place.head.first_step;
  });
  next_chunk_ = static_cast<std::size_t>(after - chunks.begin()) - 1;
  block_end_ = first;
  for (std::size_t layer = 0; layer < trace_.header().layers.size(); ++layer) {
    lanes_.emplace_back(trace_.header().has_scores);
  }
}

double BlockCursor::bytes(const TraceReader& reader, std::uint32_t request) {
  const RequestExtent& extent = reader.extent(request);
  std::uint64_t payload_bytes = 0;
  for (const ChunkPlace& place : reader.file_->chunks(request)) {
    payload_bytes = std::max(payload_bytes, place.head.payload_bytes);
  }
  constexpr double arrays = 6;  // planes, and their listed words
  const double planes = arrays * written_bytes(extent.id_limit, LanePlanes::bytes_a_id / arrays, extent.layer_accesses);
  return static_cast<double>(payload_bytes) + static_cast<double>(reader.layer_count()) * (sizeof(Lane) + planes);
}

std::uint64_t BlockCursor::steps_available() {
  if (place_ != nullptr && block_end_ == head().first_step + head().steps) {
    check_chunk();
    place_ = nullptr;
  }
  if (block_end_ == last_) {
    return 0;
  }
  if (place_ == nullptr) {
    load_chunk();
  }
  return std::min(head().first_step + head().steps, last_) - block_end_;
}

void BlockCursor::load_chunk() {
  place_ = &trace_.chunks(request_)[next_chunk_++];
  payload_.load(trace_.file(), trace_.header(), *place_);
  chunk_from_ = block_end_;
  for (Lane& lane : lanes_) {
    lane.begun = false;
  }
}

std::uint64_t BlockCursor::steps_for(std::size_t lane_bytes) const noexcept {
  // Where selections differ much in length, their longest sets the bound: a file cannot ask for more by a small mean.
  const std::uint64_t mean = head().accesses / head().steps / lanes_.size();
  const std::uint64_t ids = std::max<std::uint64_t>(mean, head().longest_selection / 16) + 1;
  return std::clamp<std::uint64_t>(lane_bytes / (ids * sizeof(EntryId) + set_words_ * sizeof(std::uint64_t)), 1, 64);
}

void BlockCursor::begin_block(std::uint64_t steps) {
  assert(place_ != nullptr && steps > 0);
  block_first_ = block_end_;
  block_end_ += steps;
}

void BlockCursor::decode(std::uint32_t layer, SelectionForms forms, SelectionBlock& block) {
  Lane& lane = lanes_[layer];
  if (!lane.begun) {
    begin_lane(layer);
  }
  block.rows_.clear();
  block.has_scores_ = trace_.header().has_scores;
  block.set_words_ = forms.sets ? set_words_ : 0;
  block.words_.resize((block_end_ - block_first_) * block.set_words_);
  forms.ids = forms.ids || block.set_words_ == 0;
  for (std::uint64_t step = block_first_; step < block_end_; ++step) {
    append(lane, step, forms, block);
  }
  if (lane.decoder.steps_left() == 0) {
    lane.decoder.check_exhausted();
  }
}

void BlockCursor::begin_lane(std::uint32_t layer) {
  Lane& lane = lanes_[layer];
  lane.begun = true;
  lane.accesses = 0;
  lane.id_limit = 0;
  lane.longest = 0;
  lane.decoder.begin(payload_.unpack(layer, lane.unpacker), head().steps, head().id_limit, payload_.lane_name(layer));
  for (std::uint64_t step = head().first_step; step < chunk_from_; ++step) {
    const std::uint32_t length = lane.decoder.next_length();
    lane.decoder.next(nullptr, nullptr);
    count(lane, length, step);
  }
}

void BlockCursor::append(Lane& lane, std::uint64_t step, SelectionForms forms, SelectionBlock& block) const {
  LaneDecoder& decoder = lane.decoder;
  const std::size_t at = block.rows_.empty() ? 0 : block.rows_.back().at + block.rows_.back().size;
  const std::uint32_t length = decoder.next_length();
  if (length > head().longest_selection) {
    throw TraceError(chunk_name(trace_.file(), head()), "a selection of {} ids, the chunk's head says at most {}",
                     length, head().longest_selection);
  }
  const bool ascending = decoder.next_ascending();
  forms.ids = forms.ids || !ascending;
  if (forms.ids) {
    block.ids_.resize(std::max(block.ids_.size(), at + length + decode_slack));
  }
  if (block.has_scores_) {
    block.scores_.resize(std::max(block.scores_.size(), at + length));
  }
  decoder.next(forms.ids ? block.ids_.data() + at : nullptr, block.has_scores_ ? block.scores_.data() + at : nullptr);
  count(lane, length, step);
  if (block.set_words_ != 0) {
    // The planes may be longer than the sets, by the rest of a block, or shorter, if later chunks have larger ids.
    const auto set = decoder.set().first(std::min(decoder.set().size(), block.set_words_));
    const auto words = block.words_.begin() + static_cast<std::ptrdiff_t>(block.rows_.size() * block.set_words_);
    std::fill_n(std::copy(set.begin(), set.end(), words), block.set_words_ - set.size(), 0);
  }
  block.rows_.push_back({.at = at, .size = length, .ascending = ascending, .has_ids = forms.ids});
}

void BlockCursor::count(Lane& lane, std::uint32_t length, std::uint64_t step) const {
  lane.accesses += length;
  lane.longest = std::max(lane.longest, length);
  if (length == 0) {
    return;
  }
  const std::uint32_t largest = lane.decoder.largest_id();
  lane.id_limit = std::max<std::uint64_t>(lane.id_limit, std::uint64_t{largest} + 1);
  const auto& header = trace_.header();
  const std::uint64_t selectable = selectable_entries(header, header.requests[request_], step);
  if (header.ids == IdKind::logical && largest >= selectable) {
    throw TraceError(chunk_name(trace_.file(), head()), "step {}: id {} lies outside the context of {} entries", step,
                     largest, selectable);
  }
}

void BlockCursor::check_chunk() const {
  std::uint64_t accesses = 0;
  std::uint64_t id_limit = 0;
  std::uint32_t longest = 0;
  for (const Lane& lane : lanes_) {
    assert(lane.begun && lane.decoder.steps_left() == 0);
    accesses += lane.accesses;
    id_limit = std::max(id_limit, lane.id_limit);
    longest = std::max(longest, lane.longest);
  }
  if (accesses != head().accesses || longest != head().longest_selection || id_limit != head().id_limit) {
    throw TraceError(chunk_name(trace_.file(), head()),
                     "holds {} ids below {} in selections of up to {}; its head says {}, {} and {}", accesses, id_limit,
                     longest, head().accesses, head().id_limit, head().longest_selection);
  }
}

}  // namespace dsasim::trace
