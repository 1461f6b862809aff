#include "dsasim/sweep/grid.hpp"

#include "config/config_value.hpp"
#include "dsasim/config/config_object.hpp"
#include "dsasim/config/names.hpp"
#include "dsasim/error.hpp"
#include "dsasim/replay/fields.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace dsasim {
namespace {

constexpr std::string_view skip_key = "skip";
constexpr std::string_view columns_key = "columns";

/// For each axis that it names, the values that it means: by axis, by number of the value.
using SkipRule = std::vector<std::pair<std::size_t, std::vector<bool>>>;

template <class Range>
bool contains(const Range& range, std::string_view text) {
  return std::find(range.begin(), range.end(), text) != range.end();
}

/// The values of a key, each a line of its own at most and given once.
std::vector<std::string> distinct_values(ConfigObject& object, const std::string& key) {
  std::vector<std::string> values = object.texts(key);
  std::unordered_set<std::string_view> seen;
  for (const std::string& value : values) {
    if (std::any_of(value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; })) {
      throw ConfigError(object.where(), "/{}: expected text without control characters", key);
    }
    if (!seen.insert(value).second) {
      throw ConfigError(object.where(), "/{}: \"{}\" is there twice", key, value);
    }
  }
  return values;
}

/// Of very many, some.
std::string known_values(std::span<const std::string> values) {
  constexpr std::size_t shown = 20;
  return fmt::format("{}{}", fmt::join(values.first(std::min(shown, values.size())), ", "),
                     values.size() > shown ? fmt::format(", ... ({} in all)", values.size()) : "");
}

/// Of more points than there may be, how many there are.
std::string product_text(const std::vector<GridAxis>& axes) {
  std::string factors;
  double product = 1;
  for (const GridAxis& axis : axes) {
    if (axis.values.size() > 1) {
      factors += fmt::format("{}{}", factors.empty() ? "" : " x ", axis.values.size());
    }
    product *= static_cast<double>(axis.values.size());
  }
  return factors.find('x') == std::string::npos ? factors : fmt::format("{} = {:.15g}", factors, product);
}

SkipRule parse_rule(ConfigObject& rule, const std::vector<GridAxis>& axes) {
  SkipRule parsed;
  if (rule.keys().empty()) {
    throw ConfigError(rule.where(), "expected values to skip, found {{}}, which would skip everything");
  }
  for (const std::string& key : rule.keys()) {
    const auto axis = std::find_if(axes.begin(), axes.end(), [&](const GridAxis& a) { return a.key == key; });
    if (axis == axes.end()) {
      std::vector<std::string> keys;
      std::transform(axes.begin(), axes.end(), std::back_inserter(keys), [](const GridAxis& a) { return a.key; });
      throw ConfigError(rule.where(), "the grid has no key {}", unknown_name(key, keys));
    }
    std::vector<bool> meant(axis->values.size());
    const std::vector<std::string> values = distinct_values(rule, key);
    std::unordered_set<std::string_view> named(values.begin(), values.end());
    for (std::size_t i = 0; i < axis->values.size(); ++i) {
      meant[i] = named.erase(axis->values[i]) == 1;
    }
    const auto unknown = std::ranges::find_if(values, [&](const std::string& value) { return named.contains(value); });
    if (unknown != values.end()) {
      throw ConfigError(rule.where(), "/{}: the grid has no value \"{}\"; known: {}", key, *unknown,
                        known_values(axis->values));
    }
    parsed.emplace_back(static_cast<std::size_t>(axis - axes.begin()), std::move(meant));
  }
  return parsed;
}

std::vector<std::string> parse_columns(ConfigObject& object, std::span<const std::string> known) {
  std::vector<std::string> columns = distinct_values(object, std::string(columns_key));
  for (const std::string& column : columns) {
    if (!contains(known, column)) {
      throw ConfigError(object.where(), "/{}: unknown column {}", columns_key,
                        unknown_name(column, std::vector<std::string>(known.begin(), known.end())));
    }
  }
  return columns;
}

}  // namespace

Grid Grid::read(const std::string& path, std::span<const std::string> known,
                std::span<const std::string> known_columns) {
  return parse(path, read_text(path, max_config_bytes), known, known_columns);
}

Grid Grid::parse(const std::string& where, std::string_view text, std::span<const std::string> known,
                 std::span<const std::string> known_columns) {
  ConfigObject object = ConfigObject::parse(where, text);
  Grid grid;
  grid.where_ = where;
  for (const std::string& key : object.keys()) {
    if (key == columns_key) {
      grid.columns_ = parse_columns(object, known_columns);
    } else if (key != skip_key && !contains(known, key)) {
      std::vector<std::string_view> keys(known.begin(), known.end());
      keys.insert(keys.end(), {skip_key, columns_key});
      throw ConfigError(where, "unknown key {}", unknown_name(key, keys));
    } else if (key != skip_key) {
      grid.axes_.push_back({.key = key, .values = distinct_values(object, key)});
    }
  }
  if (!object.has(trace_field)) {
    throw ConfigError(where, "expected a key \"{}\", found none", trace_field);
  }
  grid.strides_.resize(grid.axes_.size());
  for (std::size_t axis = grid.axes_.size(); axis-- > 0;) {
    grid.strides_[axis] = grid.product_;
    grid.product_ *= grid.axes_[axis].values.size();
    if (grid.product_ > most_points) {
      throw ConfigError(where, "expected at most {} points, found {}; divide it", most_points,
                        product_text(grid.axes_));
    }
  }
  std::vector<SkipRule> rules;
  if (object.has(skip_key)) {
    grid.skip_ = object.value().json.at(skip_key).dump();
    for (ConfigObject& rule : object.objects(skip_key)) {
      rules.push_back(parse_rule(rule, grid.axes_));
    }
  }
  for (std::uint32_t place = 0; place < grid.product_; ++place) {
    const auto has = [&](const auto& condition) {
      return condition.second[place / grid.strides_[condition.first] % condition.second.size()];
    };
    if (std::none_of(rules.begin(), rules.end(),
                     [&](const SkipRule& rule) { return std::all_of(rule.begin(), rule.end(), has); })) {
      grid.places_.push_back(place);
    }
  }
  if (grid.places_.empty()) {
    throw ConfigError(where, "/{}: skips every point", skip_key);
  }
  return grid;
}

}  // namespace dsasim
