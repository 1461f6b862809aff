#include "dsasim/report/prometheus.hpp"

#include "config/config_value.hpp"
#include "dsasim/checked.hpp"
#include "dsasim/error.hpp"
#include "dsasim/report/report.hpp"

#include <fmt/format.h>

#include <iterator>
#include <limits>
#include <vector>

namespace dsasim {
namespace {

constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();

bool is_null(const ConfigObject& object, const std::string& key) {
  return object.value().json.contains(key) && object.value().json[key].is_null();
}

std::uint64_t count(ConfigObject& counters, const char* key) {
  return counters.integer(key, 0, most);
}

/// Of misses that waited for a row: those that a prefetch avoided fetched nothing.
std::uint64_t demand_misses(ConfigObject& counters) {
  const std::uint64_t misses = count(counters, "misses");
  const std::uint64_t avoided = counters.has("avoided_misses") ? count(counters, "avoided_misses") : 0;
  if (avoided > misses) {
    throw ConfigError(counters.where(), "expected at most {} avoided misses, found {}", misses, avoided);
  }
  return misses - avoided;
}

/// In the layers of the model that each layer of the trace stands for: what a report sums is of its group's alone.
std::uint64_t bytes_in_model(ConfigObject& report, std::vector<ConfigObject>& timed) {
  std::vector<ConfigObject> layers = report.objects("layers");
  if (layers.size() != timed.size()) {
    throw ConfigError(report.where(), "/step_time/layers: expected {} layers, found {}", layers.size(), timed.size());
  }
  constexpr std::string_view what = "the fetched bytes in the model's layers";
  const std::uint64_t entry_bytes = report.object("config").integer("entry_bytes", 1, most);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::uint64_t rows = checked_product(demand_misses(layers[i]), count(timed[i], "hidden_layers"), what);
    bytes = checked_sum(bytes, checked_product(rows, entry_bytes, what), what);
  }
  return bytes;
}

/// A value of a label.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char byte : text) {
    if (byte == '\n') {
      out += "\\n";
      continue;
    }
    if (byte == '\\' || byte == '"') {
      out += '\\';
    }
    out += byte;
  }
  return out;
}

}  // namespace

ReportCounts report_counts(ConfigObject report) {
  if (!report.has("schema") || report.text("schema") != report_schema) {
    throw ConfigError(report.where(), "expected a report of `dsasim replay`, \"schema\": \"{}\"", report_schema);
  }
  ConfigObject totals = report.object("totals");
  ReportCounts found;
  const std::uint64_t hits = count(totals, totals.has("cache_hits") ? "cache_hits" : "hits");
  found.counts = {hits, count(totals, "misses"), std::nullopt};
  found.index_layers = report.objects("layers").size();
  const bool knows_bytes = !is_null(totals, "fetched_bytes");
  if (report.has("step_time")) {
    found.model_name = report.object("config").text("model");
    ConfigObject step_time = report.object("step_time");
    std::vector<ConfigObject> timed = step_time.objects("layers");
    found.model_layers = count(step_time, "hidden_layers");
    found.counts[2] = knows_bytes ? std::optional(bytes_in_model(report, timed)) : std::nullopt;
  } else if (knows_bytes) {
    found.counts[2] = count(totals, "fetched_bytes");
  }
  return found;
}

std::string prometheus_of(std::string_view report) {
  const ReportCounts found = report_counts(ConfigObject::parse("report", report));
  const std::string labels =
      found.model_name.empty() ? "" : fmt::format("{{model_name=\"{}\"}}", escaped(found.model_name));
  std::string out;
  for (std::size_t i = 0; i < buffer_counters.size(); ++i) {
    if (const auto& value = found.counts[i]) {
      const auto& [metric, field, help] = buffer_counters[i];
      fmt::format_to(std::back_inserter(out), "# HELP {0} {1}\n# TYPE {0} counter\n{0}{2} {3}\n", metric, help, labels,
                     *value);
    }
  }
  return out;
}

}  // namespace dsasim
