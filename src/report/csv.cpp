#include "dsasim/report/csv.hpp"

#include "config/json_document.hpp"
#include "report/csv_cell.hpp"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;
using Row = std::vector<std::pair<std::string, std::string>>;  ///< column and cell

/// What says where a document comes from, rather than what was found.
constexpr std::array<std::string_view, 4> preamble = {"schema", "tool", "config", "trace"};

bool is_table(const Json& value) {
  return value.is_array() && !value.empty() && value.front().is_object();
}

std::string cell_of(const Json& value) {
  if (value.is_null()) {
    return "";
  }
  if (value.is_string()) {
    return value.get<std::string>();
  }
  if (!value.is_array()) {
    return value.dump();
  }
  std::vector<std::string> items;
  std::transform(value.begin(), value.end(), std::back_inserter(items), cell_of);
  return fmt::format("{}", fmt::join(items, " "));
}

/// The members of an object but the tables in it. Objects are not deep: json_document.hpp limits them.
void append_members(Row& row, const std::string& prefix, const Json& object) {  // NOLINT(misc-no-recursion)
  for (const auto& [key, value] : object.items()) {
    if (value.is_object()) {
      append_members(row, prefix + key + ".", value);
    } else if (!is_table(value)) {
      row.emplace_back(prefix + key, cell_of(value));
    }
  }
}

/// A row for each object of a table; one that has a table inside is a row for each of that table's.
void append_rows(std::vector<Row>& rows, const std::string& part, const Json& table) {
  for (const Json& object : table) {
    Row row = {{"part", part}};
    append_members(row, "", object);
    const auto inner = std::find_if(object.begin(), object.end(), is_table);
    if (inner == object.end()) {
      rows.push_back(std::move(row));
      continue;
    }
    for (const Json& member : *inner) {
      append_members(rows.emplace_back(row), "", member);
    }
  }
}

std::vector<Row> rows_of(const Json& document) {
  std::vector<Row> rows;
  Json rest = Json::object();
  for (const auto& [key, value] : document.items()) {
    if (std::find(preamble.begin(), preamble.end(), key) != preamble.end()) {
      continue;
    }
    if (is_table(value)) {
      append_rows(rows, key, value);
    } else if (key == "totals" || key == "nothing") {  // a row like those of the tables that follow
      append_rows(rows, key, Json::array({value}));
    } else {
      rest[key] = value;
    }
  }
  if (rows.empty()) {
    append_members(rows.emplace_back(), "", rest);
  }
  return rows;
}

}  // namespace

std::string csv_of(std::string_view document) {
  constexpr std::size_t most_keys = 1U << 20U;
  const std::vector<Row> rows = rows_of(parse_document<Json>("document", document, most_keys));
  std::vector<std::string> columns;
  std::map<std::string, std::size_t, std::less<>> place_of;
  for (const Row& row : rows) {
    for (const auto& cell : row) {
      if (place_of.try_emplace(cell.first, columns.size()).second) {
        columns.push_back(csv_cell(cell.first));
      }
    }
  }
  std::string out = fmt::format("{}\n", fmt::join(columns, ","));
  std::vector<std::string> cells;
  for (const Row& row : rows) {
    cells.assign(columns.size(), "");
    for (const auto& [column, cell] : row) {
      cells[place_of.find(column)->second] = csv_cell(cell);
    }
    out += fmt::format("{}\n", fmt::join(cells, ","));
  }
  return out;
}

}  // namespace dsasim
