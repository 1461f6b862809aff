#pragma once

#include "dsasim/sweep/sweep.hpp"
#include "sweep/journal.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The table that a sweep writes: a row for each point, its number, its options as the grid has them, what its
// capacity is in entries, the totals of its replay, and how it ended.

namespace dsasim {

/// True if curve() knows all of the columns: no pages, times or evictions among them.
bool misses_suffice(std::span<const std::string> columns);

/// The columns of a grid that names none are all.
std::vector<std::string> table_columns(const Grid& grid);

std::string table_header(const Grid& grid);
/// The cells of totals, as they go to the journal.
std::string totals_cells(const Grid& grid, const ReplayResult& result);
std::string table_row(const Grid& grid, const PlannedPoint& point, const PointOutcome& outcome);

/// What the first line of a part says.
struct PartLine {
  std::string sweep;  ///< fingerprint of the whole
  Shard shard;
  std::uint64_t points = 0;          ///< of the whole
  std::uint64_t rows = 0;            ///< of the part
  std::uint64_t without_result = 0;  ///< of the rows
  std::string hash;                  ///< of all that follows the line
};
std::string part_line(const PartLine& part);
/// Throws ConfigError if the line is none.
PartLine parse_part_line(const std::string& path, std::string_view line);

}  // namespace dsasim
