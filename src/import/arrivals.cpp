#include "dsasim/import/arrivals.hpp"

#include "byte_source.hpp"
#include "dsasim/config/number_of.hpp"
#include "dsasim/error.hpp"
#include "json_fields.hpp"
#include "text_lines.hpp"
#include "text_stream.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <queue>
#include <string_view>
#include <utility>

namespace dsasim {
namespace {

constexpr std::size_t most_arrivals = std::size_t{1} << 20U;
/// In steps, milliseconds or tokens: sums of them stay exact.
constexpr std::uint64_t most = std::uint64_t{1} << 40U;

enum Value : std::uint8_t { time_value, input_value, output_value, unread_value };
using Values = std::array<std::optional<std::uint64_t>, 3>;

/// Checks an arrival that was read at `place` and appends it.
class ArrivalList {
 public:
  /// Of a file whose times are called so, `step_ms` of them to a step.
  ArrivalList(std::string_view time_name, double step_ms) : time_name_(time_name), step_ms_(step_ms) {}

  void add(const Values& values, const std::string& place) {
    if (arrivals_.size() == most_arrivals) {
      throw TraceError(place, "is one arrival more than {}", most_arrivals);
    }
    const std::uint64_t time = number(values[time_value], time_name_, 0, place);
    if (time < last_time_) {
      throw TraceError(place, "{} is {}, before that of the arrival above, {}; expected them in order", time_name_,
                       time, last_time_);
    }
    last_time_ = time;
    Arrival arrival;
    arrival.step = static_cast<std::uint64_t>(std::ceil(static_cast<double>(time) / step_ms_));
    if (values[input_value] || values[output_value] || lengths_) {
      arrival.prompt_tokens = number(values[input_value], "input_length", 1, place);
      arrival.output_tokens = number(values[output_value], "output_length", 1, place);
      if (!lengths_ && !arrivals_.empty()) {
        throw TraceError(place, "has lengths, and the arrivals above have none");
      }
      lengths_ = true;
    }
    arrivals_.push_back(arrival);
  }

  std::vector<Arrival> take(const std::string& file) {
    if (arrivals_.empty()) {
      throw TraceError(file, "has no arrivals");
    }
    return std::move(arrivals_);
  }

 private:
  static std::uint64_t number(const std::optional<std::uint64_t>& value, std::string_view name, std::uint64_t least,
                              const std::string& place) {
    if (!value) {
      throw TraceError(place, "has no {}", name);
    }
    if (*value < least || *value > most) {
      throw TraceError(place, "{} is {}, expected {} to {}", name, *value, least, most);
    }
    return *value;
  }

  std::string_view time_name_;
  double step_ms_;
  std::uint64_t last_time_ = 0;
  bool lengths_ = false;
  std::vector<Arrival> arrivals_;
};

std::vector<Arrival> read_json(const ArrivalOptions& options) {
  if (!options.step_ms) {
    throw ConfigError("`step_ms`", "expected the time of a decode step: {} has times in milliseconds", options.file);
  }
  ArrivalList arrivals("timestamp", *options.step_ms);
  JsonFields fields(options.file, {{"timestamp"}, {"input_length"}, {"output_length"}});
  Values values;
  for (JsonFields::Event event = fields.next(); event != JsonFields::Event::end; event = fields.next()) {
    if (event == JsonFields::Event::field) {
      values.at(fields.field()) = fields.unsigned_number();
    } else {
      arrivals.add(values, fields.place());
      values = {};
    }
  }
  return arrivals.take(options.file);
}

/// Of a line of the CSV, each cell with what its column is.
template <class Take>
void for_each_cell(std::string_view line, const Take& take) {
  for (std::size_t column = 0; true; ++column) {
    const std::size_t comma = line.find(',');
    take(column, line.substr(0, comma));
    if (comma == std::string_view::npos) {
      return;
    }
    line.remove_prefix(comma + 1);
  }
}

std::vector<Value> columns_of(std::string_view header, const std::string& place) {
  constexpr std::array<std::string_view, 3> names{"start_step", "input_length", "output_length"};
  std::vector<Value> columns;
  for_each_cell(header, [&](std::size_t /*column*/, std::string_view cell) {
    columns.push_back(static_cast<Value>(std::ranges::find(names, cell) - names.begin()));
  });
  const auto count = [&columns](Value value) { return std::ranges::count(columns, value); };
  if (count(time_value) != 1 || count(input_value) > 1 || count(input_value) != count(output_value)) {
    throw TraceError(place,
                     "expected JSON lines, or a header with the column start_step and perhaps input_length and "
                     "output_length, found \"{}\"",
                     printable(header));
  }
  return columns;
}

std::vector<Arrival> read_csv(const ArrivalOptions& options) {
  if (options.step_ms) {
    throw ConfigError("`step_ms`", "goes with arrivals that have times; {} has steps", options.file);
  }
  TextLines lines(options.file);
  std::string_view line;
  if (!lines.next(line)) {
    throw TraceError(options.file, "has no arrivals");
  }
  const std::vector<Value> columns = columns_of(line, lines.place());
  ArrivalList arrivals("start_step", 1);
  while (lines.next(line)) {
    Values values;
    std::size_t cells = 0;
    for_each_cell(line, [&](std::size_t column, std::string_view cell) {
      ++cells;
      if (column >= columns.size() || columns[column] == unread_value) {
        return;
      }
      values.at(columns[column]) = number_of<std::uint64_t>(cell);
      if (!values.at(columns[column])) {
        throw TraceError(lines.place(), "expected a whole number in column {}, found \"{}\"", column + 1,
                         printable(cell));
      }
    });
    if (cells != columns.size()) {
      throw TraceError(lines.place(), "has {} columns, expected {}", cells, columns.size());
    }
    arrivals.add(values, lines.place());
  }
  return arrivals.take(options.file);
}

}  // namespace

bool arrivals_have_times(const std::string& file) {
  const std::vector<unsigned char> start = read_first_text(file);
  const auto first = std::ranges::find_if(start, [](unsigned char c) { return c > ' '; });
  return first != start.end() && (*first == '{' || *first == '[');
}

std::vector<Arrival> read_arrivals(const ArrivalOptions& options) {
  return arrivals_have_times(options.file) ? read_json(options) : read_csv(options);
}

std::vector<std::uint32_t> start_steps(std::span<const Arrival> arrivals, std::span<const std::uint64_t> steps,
                                       const ArrivalOptions& options) {
  if (arrivals.size() < steps.size()) {
    throw ConfigError("`arrivals`", "{}: expected an arrival for each of {} requests, found {}", options.file,
                      steps.size(), arrivals.size());
  }
  const std::size_t places = options.max_batch.value_or(std::numeric_limits<std::uint32_t>::max());
  std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> ends;  // of those that have a place
  std::vector<std::uint32_t> starts;
  starts.reserve(steps.size());
  for (std::size_t request = 0; request < steps.size(); ++request) {
    std::uint64_t start = arrivals[request].step;
    if (ends.size() == places) {  // whoever is over first gives its place up
      start = std::max(start, ends.top());
      ends.pop();
    }
    ends.push(start + steps[request]);
    if (start > std::numeric_limits<std::uint32_t>::max()) {
      throw ConfigError("`arrivals`", "{}: request {} would begin at step {}, expected no more than {}", options.file,
                        request, start, std::numeric_limits<std::uint32_t>::max());
    }
    starts.push_back(static_cast<std::uint32_t>(start));
  }
  return starts;
}

}  // namespace dsasim
