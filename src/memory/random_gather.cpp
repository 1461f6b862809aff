#include "dsasim/memory/random_gather.hpp"

#include "dsasim/checked.hpp"
#include "dsasim/error.hpp"
#include "dsasim/xoshiro.hpp"

#include <algorithm>
#include <limits>
#include <vector>

namespace dsasim {
namespace {

constexpr std::uint64_t line_bytes = 64;

std::uint64_t share_of(std::uint64_t rows, double fraction) {
  return rounded(static_cast<double>(rows) * fraction, "a share of the rows");
}

/// Every line that a row touches, row after row.
std::vector<std::uint64_t> random_lines(const RandomGather& random, std::uint64_t rows) {
  constexpr std::uint64_t most_lines = std::uint64_t{1} << 26U;  // 512 MB
  constexpr std::uint64_t most_rows = std::numeric_limits<std::uint32_t>::max();
  if (random.row_bytes == 0 || rows == 0) {
    return {};
  }
  const std::uint64_t pool_rows = random.pool_bytes / random.row_bytes;
  if (pool_rows == 0 || pool_rows > most_rows) {
    throw ConfigError("`pool_bytes`", "expected room for 1 to {} rows of {} bytes, found {} bytes", most_rows,
                      random.row_bytes, random.pool_bytes);
  }
  if (rows > most_lines / (random.row_bytes / line_bytes + 2)) {
    throw ConfigError("`rows`", "{} rows of {} bytes from memory are more than {} lines", rows, random.row_bytes,
                      most_lines);
  }
  std::vector<std::uint64_t> lines;
  auto positions = Xoshiro256::numbered(random.seed, 0);
  for (std::uint64_t row = 0; row < rows; ++row) {
    const std::uint64_t first = positions.below(static_cast<std::uint32_t>(pool_rows)) * random.row_bytes;
    for (std::uint64_t line = first / line_bytes; line <= (first + random.row_bytes - 1) / line_bytes; ++line) {
      lines.push_back(line * line_bytes);
    }
  }
  return lines;
}

}  // namespace

RandomGatherTime price(const RandomGather& random, MemoryModel& model) {
  const std::uint64_t hot = share_of(random.rows, random.hot_fraction);
  const std::uint64_t reserved = share_of(random.rows, random.reserved_fraction);
  if (hot + reserved > random.rows) {
    throw ConfigError("`hot`", "{} hot and {} reserved rows are more than the {} of the gather", hot, reserved,
                      random.rows);
  }
  const auto bytes = [&](std::uint64_t rows) {
    return static_cast<double>(rows) * static_cast<double>(random.row_bytes);
  };
  const std::uint64_t kept = share_of(hot, model.kept_share(bytes(hot), bytes(random.rows - reserved - hot)));
  const std::uint64_t missed = random.rows - reserved;
  Gather gather{.row_bytes = random.row_bytes,
                .hit_rows = reserved,
                .missed_rows = missed,
                .missed_pages = missed - kept,
                .llc_rows = kept,
                .swap_in = random.swap_in};
  std::vector<std::uint64_t> lines;
  if (model.needs().lines) {
    lines = random_lines(random, missed - kept);
    gather.lines = lines;
  }
  RandomGatherTime time{.gather = gather, .launch_ns = model.launch_ns(gather), .gather_ns = model.gather_ns(gather)};
  time.gather.lines = {};
  return time;
}

}  // namespace dsasim
