#include "config/json_document.hpp"
#include "diff/scrape.hpp"
#include "dsasim/checked.hpp"
#include "dsasim/config/config_object.hpp"
#include "dsasim/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <optional>
#include <utility>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

/// Takes off what `before` counted, series by series: one that it has not began later.
Scrape difference(Scrape after, const Scrape& before) {
  for (std::size_t i = 0; i < buffer_counters.size(); ++i) {
    const std::string_view metric = buffer_counters[i].metric;
    for (const auto& [labels, sample] : before.series[i]) {
      const auto found = after.series[i].find(labels);
      if (found == after.series[i].end()) {
        throw ConfigError(after.path, "expected {}{}, which {} has; found none: the server restarted in between",
                          metric, printable_message(labels), before.path);
      }
      const auto created = after.created[i].find(labels);
      const auto created_before = before.created[i].find(labels);
      const bool is_new = created != after.created[i].end() && created_before != before.created[i].end() &&
                          created->second != created_before->second;
      ScrapeSample& now = found->second;
      if (now.value < sample.value || is_new) {
        throw ConfigError(fmt::format("{}: line {}", after.path, now.line),
                          "{}{}: expected a counter that went on from {} in {}, found {}: the server restarted in "
                          "between",
                          metric, printable_message(labels), sample.value, before.path, now.value);
      }
      now.value -= sample.value;
    }
  }
  return after;
}

/// One side of the comparison.
struct Side {
  BufferCounts counts;
  std::string source;  ///< what they are of, in words
};

Side side_of(const Scrape& scrape, const std::optional<NamedText>& since) {
  Side side;
  for (std::size_t i = 0; i < buffer_counters.size(); ++i) {
    std::uint64_t sum = 0;
    for (const auto& [labels, sample] : scrape.series[i]) {
      sum = checked_sum(sum, sample.value, buffer_counters[i].metric);
    }
    side.counts[i] = sum;
  }
  const std::size_t series = scrape.series.front().size();
  side.source = fmt::format("{} series of each counter", series);
  if (!scrape.model_names.empty()) {
    side.source += fmt::format(", model {}", fmt::join(scrape.model_names, ", "));
  }
  if (since) {
    side.source += fmt::format(", since {}", since->path);
  }
  return side;
}

Side side_of(const ReportCounts& report, std::uint64_t workers) {
  Side side{.counts = report.counts, .source = {}};
  for (std::size_t i = 0; i < buffer_counters.size(); ++i) {
    if (side.counts[i]) {
      side.counts[i] = checked_product(*side.counts[i], workers, buffer_counters[i].field);
    }
  }
  side.source = fmt::format("hits and misses of {} layers that own an index", report.index_layers);
  if (!side.counts[2]) {
    side.source += ", no bytes: those of an entry are not known";
  } else if (report.model_layers) {
    side.source += fmt::format(", bytes in {} layers of {}", *report.model_layers, report.model_name);
  }
  if (workers > 1) {
    side.source += fmt::format(", times {} workers", workers);
  }
  return side;
}

std::optional<double> miss_ratio(const BufferCounts& counts) {
  const std::uint64_t accesses = checked_sum(*counts[0], *counts[1], "hits and misses");
  return accesses == 0 ? std::nullopt : std::optional(static_cast<double>(*counts[1]) / static_cast<double>(accesses));
}

/// With what both sides know.
ConfigObject document_of(const Side& side, const Side& other) {
  Json out = {{"schema", counters_schema}};
  for (std::size_t i = 0; i < buffer_counters.size(); ++i) {
    if (side.counts[i] && other.counts[i]) {
      out[std::string(buffer_counters[i].field)] = *side.counts[i];
    }
  }
  if (const auto ratio = miss_ratio(side.counts); ratio && miss_ratio(other.counts)) {
    out["miss_ratio"] = *ratio;
  }
  return ConfigObject::parse(std::string(counters_schema), out.dump());
}

std::string line_of(const std::string& path, const Side& side) {
  std::string out = fmt::format("{}: hits {}, misses {}", path, *side.counts[0], *side.counts[1]);
  if (const auto ratio = miss_ratio(side.counts)) {
    out += fmt::format(" ({:.2f}%)", 100 * *ratio);
  }
  if (side.counts[2]) {
    out += fmt::format(", {} bytes", *side.counts[2]);
  }
  return fmt::format("{}; {}\n", out, side.source);
}

}  // namespace

CounterDiff diff_counters(const NamedText& first, const NamedText& second, const ScrapeOptions& options,
                          const DiffOptions& diff_options) {
  const bool scrape_first = is_scrape(first.text);
  if (scrape_first && is_scrape(second.text)) {
    throw ConfigError(second.path, "expected a report beside the scrape {}, found another scrape", first.path);
  }
  const NamedText& report_file = scrape_first ? second : first;
  Scrape scrape = read_scrape(scrape_first ? first : second);
  if (options.since) {
    scrape = difference(std::move(scrape), read_scrape(*options.since));
  }
  const Side server = side_of(scrape, options.since);
  const Side replayed =
      side_of(report_counts(ConfigObject::parse(report_file.path, report_file.text)), options.workers);
  const Side& a = scrape_first ? server : replayed;
  const Side& b = scrape_first ? replayed : server;
  return {.sources = line_of(first.path, a) + line_of(second.path, b),
          .result = diff(document_of(a, b), document_of(b, a), diff_options)};
}

}  // namespace dsasim
