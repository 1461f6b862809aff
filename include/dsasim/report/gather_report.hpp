#pragma once

#include "dsasim/memory/random_gather.hpp"

#include <string>
#include <string_view>

namespace dsasim {

inline constexpr std::string_view gather_schema = "dsasim-gather/1";

/// What `gather` predicts, for programs: docs/report.md.
std::string gather_json(const RandomGather& random, const RandomGatherTime& time, const MemorySpec& spec,
                        const Memory& memory);
std::string gather_table(const RandomGather& random, const RandomGatherTime& time, const MemorySpec& spec,
                         const Memory& memory);

/// Prices every line of a CSV file of numbers with a header that names the columns `row_bytes` and `rows`, and perhaps
/// `hot_fraction` and `reserved_fraction`; other columns may hold anything. Returns the file with two columns more,
/// `predicted_us` (the whole launch) and `gather_ns` (inside the kernel). What the file does not say is as in
/// `defaults`. Throws ConfigError with file and line, SystemError if it cannot be read.
std::string priced_csv(const std::string& path, const RandomGather& defaults, MemoryModel& model);

}  // namespace dsasim
