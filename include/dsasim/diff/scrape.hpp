#pragma once

#include "dsasim/diff/diff.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dsasim {

/// What two comparable documents of counters are called: of a report and of a scrape.
inline constexpr std::string_view counters_schema = "dsasim-counters/1";

/// What was read of a file.
struct NamedText {
  std::string path;
  std::string text;
};

/// Whether a text is to be read as a scrape of a server, Prometheus' text format, rather than as JSON.
bool is_scrape(std::string_view text) noexcept;

struct ScrapeOptions {
  std::optional<NamedText> since;  ///< an earlier scrape: what it counted is taken off
  std::uint64_t workers = 1;       ///< GPUs that count the same in one engine: the report's counts are multiplied
};

struct CounterDiff {
  std::string sources;  ///< what each input counts, a line each, for a person
  DiffResult result;    ///< of buffer_counters' fields that the report knows, and of `miss_ratio`
};

/// Compares what a report and a scrape count of the hot buffer (report/prometheus.hpp), one of the inputs being a
/// scrape. Series of a counter are summed: engines, and whatever else labels tell apart.
///
/// Throws ConfigError, with the line, for what is no scrape or lacks the counters; for counts that are not whole, or
/// that a double of the format does not hold exactly; for series that come twice, or that went backwards or were
/// created anew since the earlier scrape; for two scrapes; and as report_counts() and diff() do.
CounterDiff diff_counters(const NamedText& first, const NamedText& second, const ScrapeOptions& options,
                          const DiffOptions& diff_options);

}  // namespace dsasim
