#include "trace/lane.hpp"

#include <algorithm>
#include <utility>

namespace dsasim::trace {
namespace {

/// The bits of `bits` at the places set in `mask`, packed together: x86's PEXT in software.
std::uint64_t extract_bits(std::uint64_t bits, std::uint64_t mask) {
  std::uint64_t packed = 0;
  for (unsigned at = 0; mask != 0; ++at, mask &= mask - 1) {
    packed |= ((bits >> static_cast<unsigned>(std::countr_zero(mask))) & 1U) << at;
  }
  return packed;
}

void push_u32(std::vector<std::uint8_t>& bytes, std::uint32_t value) {
  for (unsigned shift = 0; shift < 32; shift += 8) {
    bytes.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

}  // namespace

std::size_t LaneEncoder::append(std::span<const EntryId> ids, std::span<const std::uint16_t> scores) {
  std::uint32_t largest = 0;
  for (const EntryId id : ids) {
    largest = std::max(largest, value(id));
  }
  planes_.reserve_ids(ids.empty() ? 0 : std::uint64_t{largest} + 1);
  planes_.clear(planes_.next);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::uint64_t& word = planes_.next[value(ids[i]) / 64];
    const std::uint64_t bit = std::uint64_t{1} << (value(ids[i]) % 64);
    if ((word & bit) != 0) {
      return i;
    }
    word |= bit;
    planes_.live[value(ids[i]) / (64 * block_words)] = 1;
  }
  push_u32(bytes_[static_cast<std::size_t>(Stream::lengths)], static_cast<std::uint32_t>(ids.size()));
  encode(ids);
  if (has_scores_) {
    for (const std::uint16_t score : scores) {
      bytes_[static_cast<std::size_t>(Stream::scores_low)].push_back(static_cast<std::uint8_t>(score & 0xFFU));
      bytes_[static_cast<std::size_t>(Stream::scores_high)].push_back(static_cast<std::uint8_t>(score >> 8U));
    }
  }
  planes_.advance();
  return ids.size();
}

template <class ExtractBits>
DSASIM_INLINE void LaneEncoder::encode_set(ExtractBits extract_bits) {
  std::int64_t last_far = -1;
  for (std::size_t block = 0; block < planes_.words() / block_words; ++block) {
    if (planes_.live[block] == 0) {
      continue;
    }
    constexpr std::size_t most_bytes = block_words * sizeof(std::uint64_t);
    BitWriter::Run steady = steady_.begin(most_bytes);
    BitWriter::Run wavering = wavering_.begin(most_bytes);
    BitWriter::Run returning = returning_.begin(most_bytes);
    for (std::size_t word = block * block_words; word < (block + 1) * block_words; ++word) {
      const std::uint64_t selected = planes_.next[word];
      const std::uint64_t window = planes_.window_new[word] | planes_.window_old[word];
      if ((selected | window) == 0) {
        continue;
      }
      const std::uint64_t one = planes_.one_ago[word];
      const std::uint64_t two = planes_.two_ago[word];
      const std::uint64_t recent = window & ~(one | two);
      const auto put_class = [&](BitWriter::Run & run, std::uint64_t members) __attribute__((always_inline)) {
        run.put(extract_bits(selected, members), static_cast<unsigned>(std::popcount(members)));
      };
      put_class(steady, one & two);
      put_class(wavering, one ^ two);
      put_class(returning, recent);
      encode_far(selected & ~(one | two | recent), word, last_far);
      planes_.window_new[word] |= selected;
    }
    steady_.end(steady);
    wavering_.end(wavering);
    returning_.end(returning);
  }
}

DSASIM_INLINE void LaneEncoder::encode_order(std::span<const EntryId> ids) {
  auto& orders = bytes_[static_cast<std::size_t>(Stream::orders)];
  const bool ascending = std::is_sorted(ids.begin(), ids.end());
  if (ascending && orders.empty()) {
    return;  // the stream begins with the first selection that needs it
  }
  orders.resize(planes_.steps, 0);
  orders.push_back(ascending ? 0 : 1);
  if (ascending) {
    return;
  }
  word_rank_.resize(planes_.words());
  std::uint32_t before = 0;
  for (std::size_t word = 0; word < planes_.words(); ++word) {
    word_rank_[word] = before;
    before += static_cast<std::uint32_t>(std::popcount(planes_.next[word]));
  }
  ranks_.resize(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::uint64_t below = planes_.next[value(ids[i]) / 64] & low_mask(value(ids[i]) % 64);
    ranks_[i] = word_rank_[value(ids[i]) / 64] + static_cast<std::uint32_t>(std::popcount(below));
  }
  for (unsigned byte = 0; byte < 4 && (byte == 0 || (ids.size() - 1) >> (8 * byte) != 0); ++byte) {
    auto& plane = bytes_[static_cast<std::size_t>(Stream::ranks_byte_0) + byte];
    const std::size_t begin = plane.size();
    plane.resize(begin + ids.size());
    std::transform(ranks_.begin(), ranks_.end(), plane.begin() + static_cast<std::ptrdiff_t>(begin),
                   [byte](std::uint32_t rank) { return static_cast<std::uint8_t>(rank >> (8 * byte)); });
  }
}

void LaneEncoder::encode(std::span<const EntryId> ids) {
#if defined(__x86_64__)
  if (supported(InstructionSet::bmi2)) {
    encode_bmi2(ids);
    return;
  }
#endif
  encode_set(extract_bits);
  encode_order(ids);
}

#if defined(__x86_64__)
DSASIM_BMI2 void LaneEncoder::encode_bmi2(std::span<const EntryId> ids) {
  encode_set([](std::uint64_t bits, std::uint64_t mask) DSASIM_BMI2 { return _pext_u64(bits, mask); });
  encode_order(ids);
}
#endif

void LaneEncoder::encode_far(std::uint64_t far, std::size_t word, std::int64_t& last_far) {
  for (; far != 0; far &= far - 1) {
    const std::int64_t id = static_cast<std::int64_t>(word) * 64 + std::countr_zero(far);
    const GapCode code = encode_gap(static_cast<std::uint32_t>(id - last_far - 1));
    bytes_[static_cast<std::size_t>(Stream::far_symbols)].push_back(code.symbol);
    far_extra_.put(code.extra, code.extra_bits);
    last_far = id;
  }
}

StreamBytes LaneEncoder::take() {
  auto& orders = bytes_[static_cast<std::size_t>(Stream::orders)];
  if (!orders.empty()) {
    orders.resize(planes_.steps, 0);
  }
  bytes_[static_cast<std::size_t>(Stream::steady)] = steady_.take();
  bytes_[static_cast<std::size_t>(Stream::wavering)] = wavering_.take();
  bytes_[static_cast<std::size_t>(Stream::returning)] = returning_.take();
  bytes_[static_cast<std::size_t>(Stream::far_extra)] = far_extra_.take();
  planes_ = {};
  return std::exchange(bytes_, {});
}

}  // namespace dsasim::trace
