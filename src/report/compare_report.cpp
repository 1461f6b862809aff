#include "dsasim/report/compare_report.hpp"

#include "config/json_text.hpp"
#include "dsasim/report/text_plot.hpp"
#include "dsasim/version.hpp"
#include "report/choice_name.hpp"
#include "report/config_json.hpp"
#include "report/trace_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>
#include <vector>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

Json row_json(const CompareResult& result, const CompareCells& cells, std::size_t policy, std::size_t capacity) {
  const CompareCell& cell = cells[policy][capacity];
  const auto closed = result.gap_closed(cells, policy, capacity);
  const auto accesses = static_cast<double>(cell.accesses);
  return {{"policy", to_string(result.policies[policy])},
          {"capacity", result.capacities[capacity].text()},
          {"capacity_entries", cell.capacity_entries},
          {"accesses", cell.accesses},
          {"misses", cell.misses},
          {"miss_ratio", cell.accesses == 0 ? Json(nullptr) : Json(static_cast<double>(cell.misses) / accesses)},
          {"bound", policy >= result.asked},
          {"gap_closed", or_null(closed)}};
}

/// Adds the rows of one trace, or of all together.
void add_rows(Json& rows, const CompareResult& result, const CompareCells& cells, const std::string& trace) {
  for (std::size_t policy = 0; policy < result.policies.size(); ++policy) {
    for (std::size_t capacity = 0; capacity < result.capacities.size(); ++capacity) {
      Json row;
      if (!trace.empty()) {
        row["trace"] = trace;
      }
      row.update(row_json(result, cells, policy, capacity));
      rows.push_back(std::move(row));
    }
  }
}

/// The fewest misses of the policies that were asked for.
std::uint64_t fewest_misses(const CompareResult& result, std::size_t capacity) {
  std::uint64_t fewest = result.together.front()[capacity].misses;
  for (std::size_t policy = 1; policy < result.asked; ++policy) {
    fewest = std::min(fewest, result.together[policy][capacity].misses);
  }
  return fewest;
}

template <class CellText>
void append_table(std::string& out, const CompareResult& result, std::size_t policies, const CellText& text) {
  auto line = std::back_inserter(out);
  fmt::format_to(line, "{:<28}", "");
  for (const Capacity& capacity : result.capacities) {
    fmt::format_to(line, " {:>10}", capacity.text());
  }
  for (std::size_t policy = 0; policy < policies; ++policy) {
    const std::string name = short_name(result.policies[policy]);
    fmt::format_to(line, "\n{:<28}", policy < result.asked ? name : name + " (bound)");
    for (std::size_t capacity = 0; capacity < result.capacities.size(); ++capacity) {
      fmt::format_to(line, " {:>10}", text(policy, capacity));
    }
  }
  out += "\n";
}

}  // namespace

std::string compare_json(const CompareResult& result) {
  Json out;
  out["schema"] = compare_schema;
  out["tool"] = {{"version", version()}};
  out["config"]["scope"] = name_of(scope_names, result.config.asked.scope);
  add_replay_config(out["config"], result.config);
  out["rows"] = Json::array();
  for (std::size_t trace = 0; trace < result.traces.size(); ++trace) {
    add_rows(out["rows"], result, result.cells[trace], result.traces[trace]);
  }
  if (result.traces.size() > 1) {
    out["together"] = Json::array();
    add_rows(out["together"], result, result.together, "");
  }
  return json_text(out);
}

std::string compare_table(const CompareResult& result) {
  std::string out;
  auto line = std::back_inserter(out);
  fmt::format_to(line, "{}\nmiss ratio, {}; * the best of a column\n\n", traces_text(result.traces, "accesses"),
                 caches_text(result.config.asked));
  append_table(out, result, result.policies.size(), [&](std::size_t policy, std::size_t capacity) {
    const CompareCell& cell = result.together[policy][capacity];
    const bool best = policy < result.asked && cell.misses == fewest_misses(result, capacity);
    return fmt::format("{}{}", best ? "*" : "", ratio_text(cell.misses, cell.accesses));
  });
  if (result.asked > 1) {
    fmt::format_to(line, "\nshare of the gap between {} and its bound that is closed\n\n",
                   short_name(result.policies.front()));
    append_table(out, result, result.asked, [&](std::size_t policy, std::size_t capacity) {
      const auto closed = result.gap_closed(result.together, policy, capacity);
      return closed ? fmt::format("{:.1f}%", 100 * *closed) : std::string("-");
    });
  }
  return out;
}

std::string compare_plot(const CompareResult& result, unsigned columns) {
  std::vector<TextLine> lines;
  for (std::size_t policy = 0; policy < result.policies.size(); ++policy) {
    TextLine& line = lines.emplace_back();
    line.name = short_name(result.policies[policy]) + (policy < result.asked ? "" : " (bound)");
    for (const CompareCell& cell : result.together[policy]) {
      if (cell.capacity_entries > 0 && cell.accesses > 0) {
        line.points.push_back({.x = static_cast<double>(cell.capacity_entries),
                               .y = static_cast<double>(cell.misses) / static_cast<double>(cell.accesses)});
      }
    }
    std::sort(line.points.begin(), line.points.end(), [](const auto& a, const auto& b) { return a.x < b.x; });
  }
  return text_plot(lines, columns);
}

}  // namespace dsasim
