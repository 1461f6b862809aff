#pragma once

#include "dsasim/llc/llc.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace dsasim {

/// Sectors of a line, a bit each: bit 0 is at the line's first byte.
using SectorMask = std::uint8_t;

/// How addresses divide into lines, sectors, and the 64-byte lines that memory delivers.
class LineGeometry {
 public:
  explicit LineGeometry(const LlcSpec& spec)
      : line_shift_(static_cast<std::uint32_t>(std::countr_zero(spec.line_bytes))),
        sector_shift_(static_cast<std::uint32_t>(std::countr_zero(spec.sector_bytes))),
        all_sectors_(static_cast<SectorMask>((1U << (spec.line_bytes / spec.sector_bytes)) - 1)) {
    for (std::uint32_t byte = 0; byte < spec.line_bytes; byte += memory_line_bytes) {
      memory_lines_[memory_lines_in_line_++] = sectors_in(0, byte, std::uint64_t{byte} + memory_line_bytes - 1);
    }
  }

  std::uint64_t line_of(std::uint64_t address) const noexcept { return address >> line_shift_; }
  SectorMask all_sectors() const noexcept { return all_sectors_; }

  /// Those of the line that the bytes from `first` to `last` touch; they touch one at least.
  SectorMask sectors_in(std::uint64_t line, std::uint64_t first, std::uint64_t last) const noexcept {
    const std::uint64_t line_first = line << line_shift_;
    const std::uint64_t line_last = line_first | ((std::uint64_t{1} << line_shift_) - 1);
    const std::uint64_t first_sector = (std::max(first, line_first) - line_first) >> sector_shift_;
    const std::uint64_t last_sector = (std::min(last, line_last) - line_first) >> sector_shift_;
    return static_cast<SectorMask>((2U << last_sector) - (1U << first_sector));
  }

  /// From the sector that holds `first_byte` to the one that holds `last_byte`.
  std::uint64_t sector_count(std::uint64_t first_byte, std::uint64_t last_byte) const noexcept {
    return (last_byte >> sector_shift_) - (first_byte >> sector_shift_) + 1;
  }

  /// The addresses of the 64-byte lines in which any of these sectors of the line lies.
  void append_memory_lines(std::uint64_t line, SectorMask sectors, std::vector<std::uint64_t>& addresses) const {
    for (std::uint32_t i = 0; i < memory_lines_in_line_; ++i) {
      if ((memory_lines_[i] & sectors) != 0) {
        addresses.push_back((line << line_shift_) + std::uint64_t{i} * memory_line_bytes);
      }
    }
  }

 private:
  static constexpr std::uint32_t memory_line_bytes = 64;

  std::uint32_t line_shift_;
  std::uint32_t sector_shift_;
  SectorMask all_sectors_;
  std::uint32_t memory_lines_in_line_ = 0;
  std::array<SectorMask, 16> memory_lines_{};  ///< the sectors in each 64-byte line of a line
};

}  // namespace dsasim
