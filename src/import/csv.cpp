// Format "csv": a header line that names the columns request, step, layer, id and, if there are scores, score, in any
// order, and, where steps have several queries or requests pause, query and accepted (how many of the step's queries
// are accepted); then one line for each selected id. The lines of a selection follow each other, in logged order; an
// empty id is a selection without ids. Nothing is quoted. The last line ends as the others do: a file that was cut
// within a number cannot be told from a whole one otherwise.
#include "byte_source.hpp"
#include "dsasim/config/number_of.hpp"
#include "dsasim/error.hpp"
#include "dsasim/types.hpp"
#include "float16.hpp"
#include "formats.hpp"
#include "row_file.hpp"
#include "text_lines.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace dsasim {
namespace {

enum Column : std::uint8_t {
  request_column,
  step_column,
  layer_column,
  id_column,
  score_column,
  query_column,
  accepted_column,
  unread_column
};
constexpr std::array<std::string_view, 7> column_names{"request", "step", "layer", "id", "score", "query", "accepted"};
constexpr std::string_view comment = "#";

/// A line, taken apart.
struct Record {
  std::string request;
  std::uint64_t step = 0;
  std::uint32_t layer = 0;
  std::uint64_t query = 0;
  std::uint64_t accepted = 1;
  std::optional<std::int64_t> id;
  std::uint16_t score = 0;
};

/// What each column of a header line is. Empty unless request, step, layer and id are among them, and query and
/// accepted both or none.
std::vector<Column> columns_of(std::string_view header) {
  std::vector<Column> out;
  std::array<bool, column_names.size()> seen{};
  while (true) {
    const std::size_t comma = header.find(',');
    const auto* const known = std::find(column_names.begin(), column_names.end(), header.substr(0, comma));
    const auto column = static_cast<Column>(known - column_names.begin());
    if (column != unread_column && std::exchange(seen.at(column), true)) {
      return {};  // twice
    }
    out.push_back(column);
    if (comma == std::string_view::npos) {
      break;
    }
    header.remove_prefix(comma + 1);
  }
  const bool whole = std::all_of(seen.begin(), seen.begin() + score_column, [](bool found) { return found; });
  return whole && seen[query_column] == seen[accepted_column] ? out : std::vector<Column>();
}

bool is_before_header(std::string_view line) {
  return line.empty() || line.starts_with(comment);
}

class CsvRows final : public RowReader {
 public:
  explicit CsvRows(const std::filesystem::path& path) : lines_(path) {
    std::string_view line;
    bool any = lines_.next(line);
    while (any && is_before_header(line)) {
      any = lines_.next(line);
    }
    columns_ = columns_of(any ? line : "");
    if (columns_.empty()) {
      throw TraceError(lines_.place(),
                       "{}, expected a header of the columns request, step, layer, id and, if there is "
                       "one, score, or query and accepted, in any order and divided by commas",
                       any ? fmt::format("found \"{}\"", printable(line)) : "is missing");
    }
    has_scores_ = std::find(columns_.begin(), columns_.end(), score_column) != columns_.end();
    has_queries_ = std::find(columns_.begin(), columns_.end(), query_column) != columns_.end();
    header_ = line;
    has_next_ = read_record();
  }

  bool has_scores() const noexcept { return has_scores_; }
  bool has_queries() const noexcept { return has_queries_; }

  /// The names of the columns that are not read. One without a name is the index that pandas writes.
  std::vector<std::string> unread() const {
    std::vector<std::string> out;
    std::string_view rest = header_;
    for (const Column column : columns_) {
      const std::string_view name = rest.substr(0, rest.find(','));
      if (column == unread_column && !name.empty()) {
        out.push_back(printable(name));
      }
      rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    }
    return out;
  }

  bool next(SelectionRow& row) override {
    if (!has_next_) {
      return false;
    }
    place_ = lines_.place();
    row.request = next_.request;
    row.step = next_.step;
    row.layer = next_.layer;
    row.query = next_.query;
    row.accepted = next_.accepted;
    row.ids.clear();
    row.scores.clear();
    do {
      append_id(row);
      has_next_ = read_record();
    } while (has_next_ && next_.request == row.request && next_.step == row.step && next_.layer == row.layer &&
             next_.query == row.query);
    return true;
  }

  std::string place() const override { return place_; }

 private:
  void append_id(SelectionRow& row) {
    if (!next_.id) {
      return;
    }
    constexpr std::size_t most_ids = std::size_t{1} << 24U;
    if (row.ids.size() == most_ids) {
      throw TraceError(lines_.place(), "the selection has more than {} ids", most_ids);
    }
    row.ids.push_back(*next_.id);
    if (has_scores_) {
      row.scores.push_back(next_.score);
    }
  }

  bool read_record() {
    std::string_view line;
    do {
      if (!lines_.next(line)) {
        return false;
      }
    } while (line.empty());
    std::string_view rest = line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const bool last = i + 1 == columns_.size();
      const std::size_t comma = rest.find(',');
      if (last != (comma == std::string_view::npos)) {
        throw TraceError(lines_.place(), "found \"{}\", expected {} columns: {}", printable(line), columns_.size(),
                         printable(header_));
      }
      texts_[columns_[i]] = rest.substr(0, comma);
      rest.remove_prefix(last ? rest.size() : comma + 1);
    }
    take_record();
    return true;
  }

  void take_record() {
    next_.request = texts_[request_column];
    next_.step = number(step_column);
    next_.layer = static_cast<std::uint32_t>(number(layer_column));
    if (has_queries_) {
      next_.query = number(query_column);
      next_.accepted = number(accepted_column);
    }
    next_.id.reset();
    if (!texts_[id_column].empty()) {
      next_.id = static_cast<std::int64_t>(number(id_column));
    }
    next_.score = has_scores_ && next_.id ? score() : std::uint16_t{0};
  }

  std::uint64_t number(Column column) const {
    const std::string_view text = texts_.at(column);
    const auto out = number_of<std::uint64_t>(text);
    if (!out || *out >= max_entry_ids) {
      throw TraceError(lines_.place(), "{} is \"{}\", expected a whole number below {}", column_names.at(column),
                       printable(text), max_entry_ids);
    }
    return *out;
  }

  std::uint16_t score() const {
    const std::string_view text = texts_[score_column];
    const auto out = number_of<double>(text);
    if (!out) {
      throw TraceError(lines_.place(), "score is \"{}\", expected a number", printable(text));
    }
    return float16_from(*out);
  }

  TextLines lines_;
  std::string header_;
  std::vector<Column> columns_;  ///< from left to right
  bool has_scores_ = false;
  bool has_queries_ = false;
  std::array<std::string_view, unread_column + 1> texts_;  ///< of the line that is taken apart
  Record next_;                                            ///< the first of the next selection
  bool has_next_ = false;
  std::string place_;
};

std::unique_ptr<RowReader> open_rows(const std::filesystem::path& path) {
  return std::make_unique<CsvRows>(path);
}

std::unique_ptr<CaptureFile> open_csv(const std::filesystem::path& path, const ImportOptions& options) {
  const CsvRows rows(path);
  return row_file(
      path,
      {.open = open_rows, .has_scores = rows.has_scores(), .has_queries = rows.has_queries(), .unread = rows.unread()},
      options);
}

/// Whether the first line that is no comment names the columns.
bool has_header(std::span<const unsigned char> bytes) {
  const std::string text(bytes.begin(), bytes.end());
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    line.remove_suffix(line.ends_with('\r') ? 1 : 0);
    if (!is_before_header(line)) {
      return !columns_of(line).empty();
    }
  }
  return false;
}

}  // namespace

ImportFormat csv_format() {
  return {.name = "csv",
          .description = "one line for each id; columns request, step, layer, id and perhaps score, in any order",
          .recognises = [](const CaptureStart& start) { return has_header(start.bytes); },
          .open = open_csv,
          .names_steps = true};
}

}  // namespace dsasim
