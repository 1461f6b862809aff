#pragma once

#include "dsasim/llc/llc.hpp"
#include "llc/line_geometry.hpp"
#include "llc/modulo.hpp"
#include "llc/numbered_draws.hpp"
#include "llc/set_policy.hpp"
#include "llc/way_bytes.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
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
        marked_draws_(marked_quota == 0 ? 0 : sets, ~spec.seed) {}

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
    const Range range{.first_byte = address, .last_byte = address + (bytes - 1)};
    const std::uint64_t first_line = geometry_.line_of(range.first_byte);
    const std::uint64_t last_line = geometry_.line_of(range.last_byte);
    LlcReads reads{.sectors = geometry_.sector_count(range.first_byte, range.last_byte),
                   .lines = last_line - first_line + 1};
    const std::uint64_t sets = std::min<std::uint64_t>(reads.lines, shape_.sets);
    std::uint32_t set = set_of_(first_line);
    for (std::uint64_t line = first_line; line < first_line + sets; ++line) {
      read_column(set, line, line + (last_line - line) / shape_.sets * shape_.sets, range, reads);
      set = next(set);
    }
    return reads;
  }

 private:
  static constexpr std::uint64_t no_line = ~std::uint64_t{0};
  static constexpr std::uint32_t no_way = max_llc_ways;  ///< std::countr_zero of no way

  struct Range {
    std::uint64_t first_byte;
    std::uint64_t last_byte;
  };

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
};

}  // namespace dsasim
