#include "trace/block_cursor.hpp"

#include "dsasim/error.hpp"
#include "trace/machine_memory.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <functional>

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
  const std::uint64_t rows =
      trace_.queries(request_, block_end_).first_row - trace_.queries(request_, block_first_).first_row;
  block.words_.resize(rows * block.set_words_);
  forms.ids = forms.ids || block.set_words_ == 0;
  for (std::uint64_t step = block_first_; step < block_end_; ++step) {
    take_step(layer, step, forms, &block);
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
  lane.longest_union = 0;
  lane.decoder.begin(payload_.unpack(layer, lane.unpacker), static_cast<std::uint32_t>(place_->rows), head().id_limit,
                     payload_.lane_name(layer));
  for (std::uint64_t step = head().first_step; step < chunk_from_; ++step) {
    take_step(layer, step, {}, nullptr);
  }
}

void BlockCursor::take_step(std::uint32_t layer, std::uint64_t step, SelectionForms forms, SelectionBlock* block) {
  Lane& lane = lanes_[layer];
  const DecodeStep at = trace_.queries(request_, step);
  for (std::uint32_t query = 0; query < at.queries; ++query) {
    const std::uint32_t length = lane.decoder.next_length();
    if (block == nullptr) {
      lane.decoder.next(nullptr, nullptr);
    } else {
      append(lane, forms, *block);
    }
    count(lane, layer, length, step, at.seen_by(query));
    if (trace_.header().has_queries) {
      count_union(lane, query, at);
    }
  }
}

/// What is replayed as one selection is never longer than the chunk's head says.
void BlockCursor::count_union(Lane& lane, std::uint32_t query, const DecodeStep& step) const {
  const auto set = lane.decoder.set();
  if (query == 0) {
    lane.step_set.assign(set.begin(), set.end());
  } else {
    std::transform(set.begin(), set.end(), lane.step_set.begin(), lane.step_set.begin(), std::bit_or<>());
  }
  if (query + 1 < step.queries) {
    return;
  }
  std::uint32_t selected = 0;
  for (const std::uint64_t word : lane.step_set) {
    selected += static_cast<std::uint32_t>(std::popcount(word));
  }
  lane.longest_union = std::max(lane.longest_union, selected);
  if (selected > head().longest_union) {
    throw TraceError(chunk_name(trace_.file(), head()), "a step that selects {} ids, the chunk's head says at most {}",
                     selected, head().longest_union);
  }
}

void BlockCursor::append(Lane& lane, SelectionForms forms, SelectionBlock& block) const {
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
  if (block.set_words_ != 0) {
    // The planes may be longer than the sets, by the rest of a block, or shorter, if later chunks have larger ids.
    const auto set = decoder.set().first(std::min(decoder.set().size(), block.set_words_));
    const auto words = block.words_.begin() + static_cast<std::ptrdiff_t>(block.rows_.size() * block.set_words_);
    std::fill_n(std::copy(set.begin(), set.end(), words), block.set_words_ - set.size(), 0);
  }
  block.rows_.push_back({.at = at, .size = length, .ascending = ascending, .has_ids = forms.ids});
}

void BlockCursor::count(Lane& lane, std::uint32_t layer, std::uint32_t length, std::uint64_t step,
                        std::uint64_t tokens) const {
  lane.accesses += length;
  lane.longest = std::max(lane.longest, length);
  if (length == 0) {
    return;
  }
  // Before the chunk's end, where all is compared: a replay sizes its caches by RequestExtent::layer_accesses.
  if (lane.accesses > head().accesses) {
    throw TraceError(chunk_name(trace_.file(), head()), "layer {} holds more ids than the {} of the chunk's head",
                     layer, head().accesses);
  }
  const std::uint32_t largest = lane.decoder.largest_id();
  lane.id_limit = std::max<std::uint64_t>(lane.id_limit, std::uint64_t{largest} + 1);
  const auto& header = trace_.header();
  const std::uint64_t selectable = begun_entries(tokens, header.unit_of(layer));
  if (header.ids == IdKind::logical && largest >= selectable) {
    throw TraceError(chunk_name(trace_.file(), head()), "step {}: id {} lies outside the context of {} entries", step,
                     largest, selectable);
  }
}

void BlockCursor::check_chunk() const {
  std::uint64_t accesses = 0;
  std::uint64_t id_limit = 0;
  std::uint32_t longest = 0;
  std::uint32_t longest_union = 0;
  for (const Lane& lane : lanes_) {
    longest_union = std::max(longest_union, lane.longest_union);
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
  if (trace_.header().has_queries && longest_union != head().longest_union) {
    throw TraceError(chunk_name(trace_.file(), head()), "has steps of up to {} ids; its head says {}", longest_union,
                     head().longest_union);
  }
}

}  // namespace dsasim::trace
