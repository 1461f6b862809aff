#include "sweep/table.hpp"

#include "dsasim/config/config_object.hpp"
#include "dsasim/error.hpp"
#include "dsasim/report/report.hpp"
#include "report/choice_name.hpp"
#include "report/csv_cell.hpp"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <limits>

namespace dsasim {
namespace {

constexpr std::string_view part_schema = "dsasim-sweep-part/2";
constexpr std::string_view part_schema_of_all_versions = "dsasim-sweep-part/";
constexpr std::string_view part_prefix = "# ";

constexpr std::array<std::string_view, 7> columns_of_misses = {
    "accesses", "hits", "misses", "compulsory_misses", "capacity_misses", "miss_ratio", "fetched_bytes"};

}  // namespace

std::vector<std::string> sweep_columns() {
  std::vector<std::string> names;
  for (const auto& field : totals_fields({})) {
    names.push_back(field.first);
  }
  return names;
}

std::vector<std::string> sweep_keys() {
  std::vector<std::string> keys = {std::string(trace_field)};
  for (const ReplayField& field : replay_fields()) {
    keys.emplace_back(field.name);
  }
  return keys;
}

bool misses_suffice(std::span<const std::string> columns) {
  return !columns.empty() && std::all_of(columns.begin(), columns.end(), [](const std::string& column) {
    return std::find(columns_of_misses.begin(), columns_of_misses.end(), column) != columns_of_misses.end();
  });
}

std::vector<std::string> table_columns(const Grid& grid) {
  return grid.columns().empty() ? sweep_columns() : grid.columns();
}

std::string table_header(const Grid& grid) {
  std::string header = "point";
  for (const GridAxis& axis : grid.axes()) {
    header += "," + axis.key;
  }
  return fmt::format("{},capacity_entries,{},status,error\n", header, fmt::join(table_columns(grid), ","));
}

std::string totals_cells(const Grid& grid, const ReplayResult& result) {
  const auto fields = totals_fields(result);
  std::vector<std::string> cells;
  for (const std::string& column : table_columns(grid)) {
    const auto field = std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.first == column; });
    cells.push_back(field->second);
  }
  return fmt::format("{}", fmt::join(cells, ","));
}

std::string table_row(const Grid& grid, const PlannedPoint& point, const PointOutcome& outcome) {
  std::string row = std::to_string(point.number);
  for (std::size_t axis = 0; axis < grid.axes().size(); ++axis) {
    row += "," + csv_cell(grid.value(point.number, axis));
  }
  const bool ok = outcome.status == PointStatus::ok;
  const std::string no_cells(table_columns(grid).size() - 1, ',');
  return fmt::format("{},{},{},{},{}\n", row, point.capacity_entries, ok ? outcome.text : no_cells,
                     name_of(point_status_names, outcome.status), ok ? "" : csv_cell(outcome.text));
}

std::string part_line(const PartLine& part) {
  const nlohmann::ordered_json line = {{"schema", part_schema},
                                       {"sweep", part.sweep},
                                       {"shard", part.shard.number},
                                       {"shards", part.shard.count},
                                       {"points", part.points},
                                       {"rows", part.rows},
                                       {"without_result", part.without_result},
                                       {"hash", part.hash}};
  return fmt::format("{}{}\n", part_prefix, line.dump());
}

PartLine parse_part_line(const std::string& path, std::string_view line) {
  const auto refuse = [&] {
    throw ConfigError(path, "is no part of a sweep: expected a first line that begins with {}{{\"schema\":\"{}\"",
                      part_prefix, part_schema);
  };
  if (!line.starts_with(part_prefix)) {
    refuse();
  }
  ConfigObject object = ConfigObject::parse(path, line.substr(part_prefix.size()));
  if (const std::string schema = object.text("schema"); schema != part_schema) {
    if (schema.starts_with(part_schema_of_all_versions)) {
      throw ConfigError(path, "is a part by another version of dsasim ({}, expected {}); run its shard again", schema,
                        part_schema);
    }
    refuse();
  }
  constexpr std::uint64_t most_shards = std::numeric_limits<std::uint32_t>::max();
  PartLine part;
  part.sweep = object.text("sweep");
  part.shard.count = static_cast<std::uint32_t>(object.integer("shards", 1, most_shards));
  part.shard.number = static_cast<std::uint32_t>(object.integer("shard", 1, part.shard.count));
  part.points = object.integer("points", 1, Grid::most_points);
  part.rows = object.integer("rows", 0, part.points);
  part.without_result = object.integer("without_result", 0, part.rows);
  part.hash = object.text("hash");
  object.refuse_unread();
  return part;
}

}  // namespace dsasim
