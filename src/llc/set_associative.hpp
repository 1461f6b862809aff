#pragma once

#include "dsasim/llc/llc.hpp"
#include "llc/line_geometry.hpp"
#include "llc/modulo.hpp"
#include "llc/numbered_draws.hpp"
#include "llc/set_policy.hpp"
#include "llc/way_bytes.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace dsasim {

/// Sets of lines; the policy selects the victim of a set. A line lies in the set (line number modulo sets); a set's
/// ways fill in ascending order and are never emptied. Marked lines, at most `marked_quota` a set, are evicted only by
/// each other.
template <SetPolicy Policy>
class SetAssociative final : public Llc {
 public:
  SetAssociative(const LlcSpec& spec, std::uint32_t sets, std::uint32_t marked_quota)
      : geometry_(spec),
        set_of_(sets),
        shape_{.sets = sets, .ways = spec.ways, .seed = spec.seed},
        row_ways_(shape_.row_ways()),
        marked_quota_(marked_quota),
        policy_(shape_),
        lines_(std::size_t{sets} * row_ways_, no_line),
        tags_(lines_.size(), 0),
        sectors_(lines_.size(), 0),
        filled_ways_(sets, 0),
        marked_(sets, 0),
        marked_draws_(marked_quota == 0 ? 0 : sets, ~spec.seed),
        read_passed_(sets, 0) {}

  LlcReads read_rows(std::span<const std::uint64_t> addresses, std::uint64_t row_bytes, bool persisting,
                     std::vector<std::uint64_t>& missed) override {
    assert(row_bytes > 0);
    return persisting && marked_quota_ > 0 ? read_rows<true>(addresses, row_bytes, missed)
                                           : read_rows<false>(addresses, row_bytes, missed);
  }

  LlcReads read_stream(std::uint64_t address, std::uint64_t bytes) override {
    if (bytes == 0) {
      return {};
    }
    catch_up_all();
    const Stream stream = stream_of(address, bytes);
    LlcReads reads{.sectors = geometry_.sector_count(stream.range.first_byte, stream.range.last_byte),
                   .lines = stream.lines};
    const std::uint64_t sets = std::min<std::uint64_t>(reads.lines, shape_.sets);
    std::uint32_t set = stream.first_set;
    for (std::uint64_t i = 0; i < sets; ++i) {
      read_stream(set, stream, reads);
      set = next(set);
    }
    return reads;
  }

  void pass_stream(std::uint64_t address, std::uint64_t bytes) override {
    if (bytes == 0) {
      return;
    }
    if (passed_.size() == max_passed) {
      catch_up_all();
    }
    passed_.push_back(stream_of(address, bytes));
    tail_ = passed_.size();
    std::uint64_t lines_of_each_set = 0;
    while (lines_of_each_set < shape_.ways && tail_ > 0 && tail_ + max_tail > passed_.size()) {
      lines_of_each_set += passed_[--tail_].lines / shape_.sets;
    }
    tail_fills_ = lines_of_each_set >= shape_.ways && tail_is_disjoint();
  }

 private:
  static constexpr std::uint64_t no_line = ~std::uint64_t{0};
  static constexpr std::uint32_t no_way = max_llc_ways;  ///< std::countr_zero of no way

  static constexpr std::size_t max_passed = 4096;  ///< a step of 78 layers and 16 requests has 1,300; 40 bytes each
  static constexpr std::size_t max_tail = 64;

  struct Range {
    std::uint64_t first_byte;
    std::uint64_t last_byte;
  };

  struct Stream {
    Range range;
    std::uint64_t first_line;
    std::uint64_t lines;
    std::uint32_t first_set;
  };

  Stream stream_of(std::uint64_t address, std::uint64_t bytes) const noexcept {
    const Range range{.first_byte = address, .last_byte = address + (bytes - 1)};
    const std::uint64_t first_line = geometry_.line_of(range.first_byte);
    return {.range = range,
            .first_line = first_line,
            .lines = geometry_.line_of(range.last_byte) - first_line + 1,
            .first_set = set_of_(first_line)};
  }

  /// The stream's lines before the first one that is in the set.
  std::uint64_t lines_before(std::uint32_t set, const Stream& stream) const noexcept {
    return std::uint64_t{set} + (set < stream.first_set ? shape_.sets : 0) - stream.first_set;
  }

  /// The stream's lines in one set.
  void read_stream(std::uint32_t set, const Stream& stream, LlcReads& reads) {
    const std::uint64_t before = lines_before(set, stream);
    if (before < stream.lines) {
      const std::uint64_t line = stream.first_line + before;
      const std::uint64_t more = (stream.lines - 1 - before) / shape_.sets;
      read_column(set, line, line + more * shape_.sets, stream.range, reads);
    }
  }

  void catch_up_all() {
    if (passed_.empty()) {
      return;
    }
    for (std::uint32_t set = 0; set < shape_.sets; ++set) {
      catch_up(set);
    }
    passed_.clear();
    std::fill(read_passed_.begin(), read_passed_.end(), 0);
  }

  /// Reads the passed streams that the set has not read.
  void catch_up(std::uint32_t set) {
    const std::size_t first = std::exchange(read_passed_[set], static_cast<std::uint32_t>(passed_.size()));
    if (first == passed_.size() || (first <= tail_ && refill_from_tail(set))) {
      return;
    }
    LlcReads unasked;
    for (std::size_t i = first; i < passed_.size(); ++i) {
      read_stream(set, passed_[i], unasked);
    }
  }

  bool tail_is_disjoint() const noexcept {
    for (std::size_t i = tail_; i < passed_.size(); ++i) {
      for (std::size_t j = i + 1; j < passed_.size(); ++j) {
        const bool apart = passed_[i].first_line < passed_[j].first_line
                               ? passed_[j].first_line - passed_[i].first_line >= passed_[i].lines
                               : passed_[i].first_line - passed_[j].first_line >= passed_[j].lines;
        if (!apart) {
          return false;
        }
      }
    }
    return true;
  }

  /// LRU holds the lines that were read last, whatever it held before: those of the last streams, if they have one for
  /// each way. False, and nothing done, where more has to be known: of a set that is not full or has marked lines, and
  /// of a line that is not read whole, whose other sectors may be there.
  bool refill_from_tail(std::uint32_t set) noexcept {
    if constexpr (requires(Policy policy) { policy.refilled(set); }) {
      std::array<std::uint64_t, max_llc_ways> newest{};
      if (!tail_fills_ || filled_ways_[set] < shape_.ways || marked_[set] != 0 || !list_newest(set, newest)) {
        return false;
      }
      for (std::uint32_t way = 0; way < shape_.ways; ++way) {
        lines_[row_of(set) + way] = newest[way];
        tags_[row_of(set) + way] = tag_of(newest[way]);
        sectors_[row_of(set) + way] = geometry_.all_sectors();
      }
      policy_.refilled(set);
      return true;
    }
    return false;
  }

  /// The set's lines of the last streams, the newest first, one for each way. False if one of them is not read whole.
  bool list_newest(std::uint32_t set, std::array<std::uint64_t, max_llc_ways>& newest) const noexcept {
    std::uint32_t listed = 0;
    for (std::size_t i = passed_.size(); i-- > tail_ && listed < shape_.ways;) {
      const Stream& stream = passed_[i];
      const std::uint64_t before = lines_before(set, stream);
      const std::uint64_t count = before < stream.lines ? (stream.lines - 1 - before) / shape_.sets + 1 : 0;
      for (std::uint64_t left = count; left > 0 && listed < shape_.ways; --left) {
        const std::uint64_t line = stream.first_line + before + (left - 1) * shape_.sets;
        if (!is_whole(line, stream)) {
          return false;
        }
        newest[listed++] = line;
      }
    }
    return listed == shape_.ways;
  }

  bool is_whole(std::uint64_t line, const Stream& stream) const noexcept {
    const bool at_an_end = line == stream.first_line || line - stream.first_line + 1 == stream.lines;
    return !at_an_end ||
           geometry_.sectors_in(line, stream.range.first_byte, stream.range.last_byte) == geometry_.all_sectors();
  }

  std::uint32_t next(std::uint32_t set) const noexcept { return set + 1 == shape_.sets ? 0 : set + 1; }
  std::size_t row_of(std::uint32_t set) const noexcept { return std::size_t{set} * row_ways_; }

  template <bool persisting>
  LlcReads read_rows(std::span<const std::uint64_t> addresses, std::uint64_t row_bytes,
                     std::vector<std::uint64_t>& missed) {
    LlcReads reads{.rows = addresses.size()};
    const std::size_t prefetched = std::min<std::uint64_t>(geometry_.line_of(row_bytes) + 1, 8) * row_ways_;
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      if (i + 1 < addresses.size()) {
        // The lines of the next row's sets, which lie one after the other: all else that a look-up needs is a fifth as
        // large and stays in a core's own cache. (g++ drops a function that does nothing else but this.)
        const std::size_t first = row_of(set_of_(geometry_.line_of(addresses[i + 1])));
        const std::size_t end = std::min(lines_.size(), first + prefetched);
        for (std::size_t place = first; place < end; place += 64 / sizeof(std::uint64_t)) {
          __builtin_prefetch(&lines_[place]);
        }
      }
      read_row<persisting>({.first_byte = addresses[i], .last_byte = addresses[i] + (row_bytes - 1)}, reads, missed);
    }
    return reads;
  }

  template <bool persisting>
  void read_row(const Range& row, LlcReads& reads, std::vector<std::uint64_t>& missed) {
    const std::uint64_t last_line = geometry_.line_of(row.last_byte);
    std::uint64_t line = geometry_.line_of(row.first_byte);
    reads.lines += last_line - line + 1;
    reads.sectors += geometry_.sector_count(row.first_byte, row.last_byte);
    SectorMask any_missing = 0;
    for (std::uint32_t set = set_of_(line); line <= last_line; ++line, set = next(set)) {
      if (read_passed_[set] != passed_.size()) {
        catch_up(set);
      }
      const SectorMask missing = count_line<persisting>(set, line, row, reads);
      if (missing != 0) {
        geometry_.append_memory_lines(line, missing, missed);
      }
      any_missing |= missing;
    }
    reads.hit_rows += any_missing == 0 ? 1 : 0;
  }

  /// Reads what the range wants of the line; what is missing of it.
  template <bool persisting>
  SectorMask count_line(std::uint32_t set, std::uint64_t line, const Range& range, LlcReads& reads) {
    const SectorMask wanted = geometry_.sectors_in(line, range.first_byte, range.last_byte);
    const SectorMask present = read_line<persisting>(set, line, wanted);
    reads.hit_lines += present != 0 ? 1 : 0;
    reads.hit_sectors += static_cast<std::uint32_t>(std::popcount(static_cast<SectorMask>(wanted & present)));
    return static_cast<SectorMask>(wanted & ~present);
  }

  /// The sectors of the line that were present before: none only if the line was not.
  template <bool persisting>
  SectorMask read_line(std::uint32_t set, std::uint64_t line, SectorMask wanted) {
    const std::uint32_t way = way_of(set, line);
    if (way == no_way) {
      fill(set, persisting ? place_for_marked(set) : place(set), line, wanted);
      return 0;
    }
    if (persisting && marked_count(set) < marked_quota_) {
      marked_[set] |= 1U << way;
    }
    policy_.on_hit(set, way);
    SectorMask& sectors = sectors_[row_of(set) + way];
    const SectorMask present = sectors;
    sectors |= wanted;
    return present;
  }

  /// A byte by which nearly all lines of a set differ: one access finds the few ways that are worth a closer look.
  static std::uint8_t tag_of(std::uint64_t line) noexcept {
    return static_cast<std::uint8_t>(line * 0x9E3779B97F4A7C15U >> 56U);
  }

  std::uint32_t way_of(std::uint32_t set, std::uint64_t line) const noexcept {
    const std::size_t row = row_of(set);
    WayMask alike = ways_equal(&tags_[row], row_ways_, tag_of(line));
    while (alike != 0 && lines_[row + static_cast<std::uint32_t>(std::countr_zero(alike))] != line) {
      alike &= alike - 1;
    }
    return static_cast<std::uint32_t>(std::countr_zero(alike));
  }

  std::uint32_t marked_count(std::uint32_t set) const noexcept {
    return static_cast<std::uint32_t>(std::popcount(marked_[set]));
  }

  /// A way for a new line.
  std::uint32_t place(std::uint32_t set) noexcept {
    return filled_ways_[set] < shape_.ways ? filled_ways_[set]++
                                           : policy_.victim(set, shape_.all_ways() & ~marked_[set]);
  }

  std::uint32_t place_for_marked(std::uint32_t set) noexcept {
    if (marked_count(set) == marked_quota_) {
      return marked_draws_.draw(set, marked_[set]);
    }
    const std::uint32_t way = place(set);
    marked_[set] |= 1U << way;
    return way;
  }

  void fill(std::uint32_t set, std::uint32_t way, std::uint64_t line, SectorMask sectors) noexcept {
    lines_[row_of(set) + way] = line;
    tags_[row_of(set) + way] = tag_of(line);
    sectors_[row_of(set) + way] = sectors;
    policy_.on_fill(set, way);
  }

  /// A stream's lines in one set: `line`, and every so many sets one more until `last_line`. While the set holds a line
  /// that is still to come, which may be evicted before or hit, line by line; after that they all miss.
  void read_column(std::uint32_t set, std::uint64_t line, std::uint64_t last_line, const Range& range,
                   LlcReads& reads) {
    for (;;) {
      const WayMask coming = ways_between(set, line, last_line);
      if (coming == 0) {
        fill_all(set, line, last_line, range);
        return;
      }
      if ((coming & ~marked_[set]) == 0) {  // and marked lines stay: the next one of them is where a hit is
        const std::uint64_t next_hit = smallest_line(set, coming);
        if (next_hit != line) {
          fill_all(set, line, next_hit - shape_.sets, range);
          line = next_hit;
        }
      }
      count_line<false>(set, line, range, reads);
      if (line == last_line) {
        return;
      }
      line += shape_.sets;
    }
  }

  WayMask ways_between(std::uint32_t set, std::uint64_t first_line, std::uint64_t last_line) const noexcept {
    const std::uint64_t* lines = &lines_[row_of(set)];
    const std::uint64_t length = last_line - first_line;
    WayMask found = 0;
    for (std::uint32_t way = 0; way < shape_.ways; ++way) {
      found |= static_cast<WayMask>(lines[way] - first_line <= length ? 1 : 0) << way;
    }
    return found;
  }

  std::uint64_t smallest_line(std::uint32_t set, WayMask ways) const noexcept {
    std::uint64_t smallest = no_line;
    for (; ways != 0; ways &= ways - 1) {
      smallest = std::min(smallest, lines_[row_of(set) + static_cast<std::uint32_t>(std::countr_zero(ways))]);
    }
    return smallest;
  }

  /// Fills with lines of a column of which the set holds none.
  void fill_all(std::uint32_t set, std::uint64_t line, std::uint64_t last_line, const Range& range) {
    std::uint64_t fills = (last_line - line) / shape_.sets + 1;
    const WayMask candidates = shape_.all_ways() & ~marked_[set];
    const std::uint32_t min_sweep = policy_.min_sweep(candidates);
    for (; fills > 0 && (filled_ways_[set] < shape_.ways || fills < min_sweep); --fills, line += shape_.sets) {
      fill(set, place(set), line, geometry_.sectors_in(line, range.first_byte, range.last_byte));
    }
    if (fills > 0) {
      write(set, policy_.sweep(set, fills, candidates), last_line, line, range);
    }
  }

  /// Only the first and the last line of a range may have fewer than all sectors.
  void write(std::uint32_t set, const Swept& swept, std::uint64_t last_line, std::uint64_t first_line,
             const Range& range) noexcept {
    std::uint64_t* lines = &lines_[row_of(set)];
    std::uint8_t* tags = &tags_[row_of(set)];
    SectorMask* sectors = &sectors_[row_of(set)];
    const bool at_an_end =
        geometry_.line_of(range.first_byte) == first_line || geometry_.line_of(range.last_byte) == last_line;
    const std::uint64_t sets = shape_.sets;  // what is written below might be members, for all the compiler knows
    const SectorMask all_sectors = geometry_.all_sectors();
    for (WayMask rest = swept.replaced; rest != 0; rest &= rest - 1) {
      const auto way = static_cast<std::uint32_t>(std::countr_zero(rest));
      const std::uint64_t filled = last_line - swept.age[way] * sets;
      lines[way] = filled;
      tags[way] = tag_of(filled);
      sectors[way] = at_an_end ? geometry_.sectors_in(filled, range.first_byte, range.last_byte) : all_sectors;
    }
  }

  LineGeometry geometry_;
  Modulo set_of_;
  SetShape shape_;
  std::uint32_t row_ways_;
  std::uint32_t marked_quota_;
  Policy policy_;
  std::vector<std::uint64_t> lines_;  ///< row_ways_ a set; no_line if empty
  std::vector<std::uint8_t> tags_;    ///< tag_of the same line
  std::vector<SectorMask> sectors_;   ///< present, of the same line
  std::vector<std::uint8_t> filled_ways_;
  std::vector<WayMask> marked_;
  NumberedDraws marked_draws_;
  std::vector<Stream> passed_;              ///< streams that a set has yet to read
  std::vector<std::uint32_t> read_passed_;  ///< by set, how many of them it has read
  std::size_t tail_ = 0;                    ///< the first of the last ones that have a line for each way of each set
  bool tail_fills_ = false;                 ///< if there are so many, and none has a line of another
};

}  // namespace dsasim
