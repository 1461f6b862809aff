#include "dsasim/config/config_object.hpp"
#include "dsasim/error.hpp"
#include "dsasim/sweep/sweep.hpp"
#include "sweep/journal.hpp"
#include "sweep/table.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace dsasim {
namespace {

struct Part {
  std::string path;
  PartLine line;
  std::string text;  ///< behind that line
};

Part read_part(const std::string& path) {
  std::string text = read_text(path, max_table_bytes);
  const std::size_t end = std::min(text.find('\n'), text.size());
  Part part{.path = path, .line = parse_part_line(path, {text.data(), end}), .text = ""};
  text.erase(0, std::min(end + 1, text.size()));
  part.text = std::move(text);
  if (text_hash(part.text) != part.line.hash) {
    throw ConfigError(path, "is damaged: its rows do not match the hash in its first line");
  }
  return part;
}

void require_same_sweep(const Part& part, const Part& first) {
  if (part.line.sweep != first.line.sweep) {
    throw ConfigError(part.path, "is of another sweep than {}: their grids, traces, configurations or versions differ",
                      first.path);
  }
  if (part.line.shard.count != first.line.shard.count) {
    throw ConfigError(part.path, "is one of {} shards, {} one of {}", part.line.shard.count, first.path,
                      first.line.shard.count);
  }
}

/// A row of the table, and which part it is from.
struct Row {
  const Part* part = nullptr;
  std::string_view text;
};

/// Enters the part's rows by their points; returns the table's header.
std::string_view enter_rows(const Part& part, std::vector<Row>& rows) {
  const std::string_view text = part.text;
  const std::size_t header_end = text.find('\n') + 1;
  for (std::size_t at = header_end; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    const std::string_view row = text.substr(at, end - at);
    std::size_t point = rows.size();
    std::from_chars(row.data(), row.data() + row.size(), point);
    if (point >= rows.size()) {
      throw ConfigError(part.path, "expected a row of a point below {}, found {}", rows.size(),
                        row.substr(0, row.find('\n')));
    }
    if (rows[point].part != nullptr) {
      throw ConfigError(part.path, "has point {}, and so has {}", point, rows[point].part->path);
    }
    rows[point] = {.part = &part, .text = row};
    at = end;
  }
  return text.substr(0, header_end);
}

/// Says which shards to run again.
void require_all(const std::vector<Row>& rows, const std::vector<Part>& parts) {
  const auto gap = std::find_if(rows.begin(), rows.end(), [](const Row& row) { return row.part == nullptr; });
  if (gap == rows.end()) {
    return;
  }
  const std::uint32_t shards = parts.front().line.shard.count;
  std::string missing;
  std::size_t named = 0;
  for (std::uint32_t number = 1; number <= shards && named < 10; ++number) {
    if (std::none_of(parts.begin(), parts.end(), [&](const Part& p) { return p.line.shard.number == number; })) {
      missing += fmt::format("{}{}", named++ == 0 ? "" : ", ", number);
    }
  }
  throw ConfigError("merge", "point {} is in no part; missing of {} shards: {}{}", gap - rows.begin(), shards, missing,
                    named == 10 ? ", ..." : "");
}

}  // namespace

MergedParts merge_parts(const std::vector<std::string>& paths) {
  std::vector<Part> parts;
  for (const std::string& path : paths) {
    parts.push_back(read_part(path));
    require_same_sweep(parts.back(), parts.front());
  }
  MergedParts merged;
  merged.points = parts.front().line.points;
  std::vector<Row> rows(merged.points);
  for (const Part& part : parts) {
    merged.table = enter_rows(part, rows);
    merged.without_result += part.line.without_result;
  }
  require_all(rows, parts);
  for (const Row& row : rows) {
    merged.table += row.text;
  }
  return merged;
}

}  // namespace dsasim
