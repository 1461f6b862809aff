#include "dsasim/config/number_of.hpp"
#include "dsasim/error.hpp"
#include "dsasim/report/gather_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <vector>

namespace dsasim {
namespace {

constexpr std::uint64_t most_rows = std::uint64_t{1} << 30U;
constexpr std::uint64_t most_row_bytes = std::uint64_t{1} << 30U;

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  while (line.find(',') != std::string_view::npos) {
    fields.push_back(line.substr(0, line.find(',')));
    line.remove_prefix(line.find(',') + 1);
  }
  fields.push_back(line);
  return fields;
}

class Columns {
 public:
  Columns(std::string path, std::string_view header) : path_(std::move(path)), names_(fields_of(header)) {
    at_.rows = require("rows");
    at_.row_bytes = require("row_bytes");
    at_.hot = find("hot_fraction");
    at_.reserved = find("reserved_fraction");
    at_.requests = find("requests");
    if (at_.requests) {
      constexpr std::string_view swap_in = "requests with most_rows, selected and slots";
      at_.most_rows = require("most_rows", swap_in);
      at_.selected = require("selected", swap_in);
      at_.slots = require("slots", swap_in);
    }
  }

  RandomGather read(std::string_view line, std::size_t number, const RandomGather& defaults) const {
    const auto fields = fields_of(line);
    const std::string where = fmt::format("{}:{}", path_, number);
    if (fields.size() != names_.size()) {
      throw ConfigError(where, "expected {} fields as in the header, found {}", names_.size(), fields.size());
    }
    RandomGather random = defaults;
    random.rows = number_of<std::uint64_t>(where, "rows", fields[at_.rows], at_.requests ? 0 : 1, most_rows);
    random.row_bytes = number_of<std::uint64_t>(where, "row_bytes", fields[at_.row_bytes], 0, most_row_bytes);
    if (at_.hot) {
      random.hot_fraction = number_of<double>(where, "hot_fraction", fields[*at_.hot], 0, 1);
    }
    if (at_.reserved) {
      random.reserved_fraction = number_of<double>(where, "reserved_fraction", fields[*at_.reserved], 0, 1);
    }
    if (at_.requests) {
      random.swap_in = swap_in_of(where, fields, random.rows);
    }
    return random;
  }

 private:
  struct Places {
    std::size_t rows = 0;
    std::size_t row_bytes = 0;
    std::optional<std::size_t> hot;
    std::optional<std::size_t> reserved;
    std::optional<std::size_t> requests;
    std::size_t most_rows = 0;  ///< these with requests
    std::size_t selected = 0;
    std::size_t slots = 0;
  };

  SwapIn swap_in_of(const std::string& where, const std::vector<std::string_view>& fields, std::uint64_t rows) const {
    const auto number = [&](std::string_view column, std::size_t at, std::uint64_t least, std::uint64_t most) {
      return number_of<std::uint64_t>(where, column, fields[at], least, most);
    };
    const std::uint64_t requests = number("requests", *at_.requests, 1, most_rows);
    return {.requests = requests,
            .most_missed_rows = number("most_rows", at_.most_rows, (rows + requests - 1) / requests, rows),
            .selected_rows = number("selected", at_.selected, 0, most_rows),
            .slots = number("slots", at_.slots, 0, most_rows)};
  }

  std::optional<std::size_t> find(std::string_view name) const {
    const auto found = std::find(names_.begin(), names_.end(), name);
    return found == names_.end() ? std::nullopt : std::optional(static_cast<std::size_t>(found - names_.begin()));
  }

  std::size_t require(std::string_view name, std::string_view columns = "row_bytes and rows") const {
    const auto place = find(name);
    if (!place) {
      throw ConfigError(path_ + ":1", "expected a header with the columns {}, found no {}", columns, name);
    }
    return *place;
  }

  template <class T>
  static T number_of(const std::string& where, std::string_view column, std::string_view text, T least, T most) {
    const auto value = dsasim::number_of<T>(text);
    if (!value || !(*value >= least && *value <= most)) {
      throw ConfigError(where, "{}: expected a number from {} to {}, found \"{}\"", column, least, most, text);
    }
    return *value;
  }

  std::string path_;
  std::vector<std::string_view> names_;
  Places at_;
};

/// Without the line feed, and without the carriage return that some programs write before it.
bool next_line(std::istream& in, std::string& line) {
  if (!std::getline(in, line)) {
    return false;
  }
  if (line.ends_with('\r')) {
    line.pop_back();
  }
  return true;
}

}  // namespace

std::string priced_csv(const std::string& path, const RandomGather& defaults, MemoryModel& model) {
  std::ifstream in(path, std::ios::binary);
  std::string header;
  if (!in || (!next_line(in, header) && in.bad())) {
    throw SystemError(path, "cannot be read");
  }
  const Columns columns(path, header);
  std::string out = header + ",predicted_us,gather_ns\n";
  std::string line;
  for (std::size_t number = 2; next_line(in, line); ++number) {
    const RandomGather random = columns.read(line, number, defaults);
    const RandomGatherTime time = price(random, model);
    fmt::format_to(std::back_inserter(out), "{},{:.6f},{:.3f}\n", line, time.launch_ns / 1000, time.gather_ns);
  }
  return out;
}

}  // namespace dsasim
