#include "dsasim/checked.hpp"
#include "dsasim/config/number_of.hpp"
#include "dsasim/config/values.hpp"
#include "dsasim/report/html_report.hpp"
#include "dsasim/report/report.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <utility>

namespace dsasim {
namespace {

constexpr std::size_t key_columns = 3;  // step, layer, request

/// The text before the next comma, which is taken off the row.
std::string_view take_cell(std::string_view& row) {
  const std::size_t comma = std::min(row.find(','), row.size());
  const std::string_view cell = row.substr(0, comma);
  row.remove_prefix(std::min(comma + 1, row.size()));
  return cell;
}

std::string_view header() {
  static const std::string line = step_csv_header({});
  return std::string_view(line).substr(0, line.size() - 1);
}

}  // namespace

StepGrid::StepGrid(std::string where) : where_(std::move(where)) {
  std::string_view names = header();
  for (std::size_t i = 0; i < key_columns; ++i) {
    take_cell(names);
  }
  while (!names.empty()) {
    measures_.emplace_back(take_cell(names));
  }
  known_.assign(measures_.size(), true);
  totals_.assign(measures_.size(), 0);
}

StepGrid StepGrid::read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string line(header().size(), '\0');
  if (!in) {
    throw SystemError(path, "cannot be opened");
  }
  in.read(line.data(), static_cast<std::streamsize>(line.size()));
  if (line != header() || (in.get() != '\n' && !in.eof())) {
    throw ConfigError(path + ":1", "expected the header that `dsasim replay --per-step` writes: {}", header());
  }
  StepGrid grid(path);
  while (std::getline(in, line)) {
    grid.add(line);
  }
  if (in.bad()) {
    throw SystemError(path, "cannot be read");
  }
  return grid;
}

void StepGrid::add(std::string_view row) {
  const auto place = [&] { return fmt::format("{}:{}", where_, rows_ + 2); };
  if (static_cast<std::size_t>(std::count(row.begin(), row.end(), ',')) + 1 != key_columns + measures_.size()) {
    throw ConfigError(place(), "expected {} cells", key_columns + measures_.size());
  }
  const auto number = [&](std::string_view cell, std::uint64_t most) {
    const auto value = number_of<std::uint64_t>(cell);
    return value && *value <= most ? *value : parse_number<std::uint64_t>(place(), cell, 0, most);  // says why
  };
  constexpr std::uint64_t any = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t step = number(take_cell(row), any - 1);
  Layer& layer = layer_of(static_cast<std::uint32_t>(number(take_cell(row), most_layers - 1)));
  number(take_cell(row), any);  // request
  first_step_ = rows_ == 0 ? step : first_step_;
  if (step < first_step_) {
    throw ConfigError(place(), "expected rows in the order of the replay, from step {} on; found step {}", first_step_,
                      step);
  }
  last_step_ = std::max(last_step_, step);
  while ((step - first_step_) / steps_per_column_ >= most_columns) {
    double_columns();
  }
  const std::size_t column = (step - first_step_) / steps_per_column_;
  for (std::size_t measure = 0; measure < measures_.size(); ++measure) {
    const std::string_view cell = take_cell(row);
    if (cell.empty()) {
      known_[measure] = false;
      continue;
    }
    const std::uint64_t value = number(cell, any);
    totals_[measure] = checked_sum(totals_[measure], value, measures_[measure]);
    layer.cells[measure][column] += value;  // at most the total
  }
  ++rows_;
}

std::size_t StepGrid::columns() const noexcept {
  return rows_ == 0 ? 0 : (last_step_ - first_step_) / steps_per_column_ + 1;
}

StepGrid::Layer& StepGrid::layer_of(std::uint32_t layer) {
  const auto found = std::lower_bound(layers_.begin(), layers_.end(), layer,
                                      [](const Layer& one, std::uint32_t number) { return one.layer < number; });
  if (found != layers_.end() && found->layer == layer) {
    return *found;
  }
  Layer fresh{.layer = layer, .cells = {}};
  fresh.cells.resize(measures_.size());
  return *layers_.insert(found, std::move(fresh));
}

void StepGrid::double_columns() {
  for (Layer& layer : layers_) {
    for (auto& cells : layer.cells) {
      for (std::size_t i = 0; i < most_columns / 2; ++i) {
        cells[i] = cells[2 * i] + cells[2 * i + 1];
      }
      std::fill(cells.begin() + most_columns / 2, cells.end(), 0);
    }
  }
  steps_per_column_ *= 2;
}

}  // namespace dsasim
