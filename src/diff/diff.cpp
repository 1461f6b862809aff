#include "dsasim/diff/diff.hpp"

#include "config/config_value.hpp"
#include "dsasim/config/names.hpp"
#include "dsasim/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;
__extension__ using Wide = __int128;

/// What a row of an array is of, where every row says it and no two say the same: rows are matched by it, so that one
/// that is missing does not shift the others.
constexpr std::array<std::string_view, 3> row_keys = {"layer", "request", "capacity_entries"};

/// What determined a result, rather than the result.
constexpr std::array<std::string_view, 2> asked_keys = {"config", "trace"};

bool is_time(std::string_view key) {
  return key.ends_with("_ns") || key.ends_with("_us") || key.ends_with("_ms") || key.ends_with("_s");
}

/// Exact for what holds an integer: all of 64 bits, with and without a sign.
Wide integer_of(const Json& number) {
  return number.is_number_unsigned() ? Wide{number.get<std::uint64_t>()} : Wide{number.get<std::int64_t>()};
}

/// A value as JSON, all of it in ASCII; of objects and arrays their size.
std::string text_of(const Json& value) {
  if (value.is_object() || value.is_array()) {
    return fmt::format("{{\"{}\":{}}}", value.is_object() ? "keys" : "length", value.size());
  }
  return value.dump(-1, ' ', /*ensure_ascii=*/true);
}

/// The row key that matches the rows of both arrays, or nothing.
std::string_view row_key(const Json& first, const Json& second) {
  const auto identifies = [](const Json& rows, std::string_view key) {
    std::set<std::uint64_t> seen;
    return std::all_of(rows.begin(), rows.end(), [&](const Json& row) {
      const auto found = row.is_object() ? row.find(key) : row.end();
      return row.is_object() && found != row.end() && found->is_number_unsigned() &&
             seen.insert(found->get<std::uint64_t>()).second;
    });
  };
  const auto* found = std::find_if(row_keys.begin(), row_keys.end(), [&](std::string_view key) {
    return !first.empty() && !second.empty() && identifies(first, key) && identifies(second, key);
  });
  return found == row_keys.end() ? std::string_view() : *found;
}

/// What two documents have in one place; null where one has nothing there.
struct Place {
  const Json* first = nullptr;
  const Json* second = nullptr;
  std::string path;
  std::vector<std::string> keys;  ///< of the path
};

class Comparer {
 public:
  Comparer(const DiffOptions& options, DiffResult& result) : options_(options), result_(result) {}

  void run(const Json& first, const Json& second) {
    open_.push_back({.first = &first, .second = &second, .path = "", .keys = {}});
    while (!open_.empty()) {
      const Place place = std::move(open_.back());
      open_.pop_back();
      std::vector<Place> inside = compare(place);
      std::move(inside.rbegin(), inside.rend(), std::back_inserter(open_));  // the first is next
    }
  }

 private:
  /// The places inside this one, which are to be compared.
  std::vector<Place> compare(const Place& place) {
    if (place.first == nullptr || place.second == nullptr) {
      add(place, place.first == nullptr ? DifferenceKind::only_in_second : DifferenceKind::only_in_first);
      return {};
    }
    const Json& first = *place.first;
    const Json& second = *place.second;
    const bool same_type = first.type() == second.type();
    if (same_type && first.is_object()) {
      return members(place);
    }
    if (same_type && first.is_array()) {
      return rows(place);
    }
    ++result_.compared_values;
    if (first.is_number() && second.is_number()) {
      compare_numbers(place);
    } else if (!same_type) {
      add(place, DifferenceKind::type);
    } else if (first != second) {
      add(place, DifferenceKind::value);
    }
    return {};
  }

  std::vector<Place> members(const Place& place) const {
    std::vector<Place> members;
    const auto add_member = [&](const std::string& key, const Json* first, const Json* second) {
      const bool is_tool = place.keys.empty() && key == "tool";
      if (is_tool || std::find(options_.ignored.begin(), options_.ignored.end(), key) != options_.ignored.end()) {
        return;
      }
      const std::string ascii = Json(key).dump(-1, ' ', /*ensure_ascii=*/true);
      members.push_back({.first = first,
                         .second = second,
                         .path = fmt::format("{}/{}", place.path, ascii.substr(1, ascii.size() - 2)),
                         .keys = place.keys});
      members.back().keys.push_back(key);
    };
    for (const auto& member : place.first->items()) {
      const auto other = place.second->find(member.key());
      add_member(member.key(), &member.value(), other == place.second->end() ? nullptr : &*other);
    }
    for (const auto& member : place.second->items()) {
      if (!place.first->contains(member.key())) {
        add_member(member.key(), nullptr, &member.value());
      }
    }
    return members;
  }

  std::vector<Place> rows(const Place& place) {
    const Json& first = *place.first;
    const Json& second = *place.second;
    const std::string_view key = row_key(first, second);
    if (!key.empty()) {
      return rows_by(key, place);
    }
    if (first.size() != second.size()) {
      add(place, DifferenceKind::length);
    }
    std::vector<Place> rows;
    for (std::size_t i = 0; i < std::min(first.size(), second.size()); ++i) {
      rows.push_back(
          {.first = &first[i], .second = &second[i], .path = fmt::format("{}[{}]", place.path, i), .keys = place.keys});
    }
    return rows;
  }

  static std::vector<Place> rows_by(std::string_view key, const Place& place) {
    std::map<std::uint64_t, Place> by_number;
    for (const Json& row : *place.first) {
      by_number[row.find(key)->get<std::uint64_t>()].first = &row;
    }
    for (const Json& row : *place.second) {
      by_number[row.find(key)->get<std::uint64_t>()].second = &row;
    }
    std::vector<Place> rows;
    for (auto& [number, row] : by_number) {
      row.path = fmt::format("{}[{}={}]", place.path, key, number);
      row.keys = place.keys;
      rows.push_back(std::move(row));
    }
    return rows;
  }

  void compare_numbers(const Place& place) {
    const Json& first = *place.first;
    const Json& second = *place.second;
    check_size(place.path, first);
    check_size(place.path, second);
    const bool counts = !first.is_number_float() && !second.is_number_float();
    if (counts ? integer_of(first) == integer_of(second) : first == second) {
      return;
    }
    const double change = counts ? static_cast<double>(integer_of(second) - integer_of(first))
                                 : second.get<double>() - first.get<double>();
    const double size = std::abs(first.get<double>());
    const Tolerance tolerance = tolerance_of(place, !counts || std::ranges::any_of(place.keys, is_time));
    if (std::abs(change) <= tolerance.absolute || std::abs(change) <= tolerance.relative * size) {
      ++result_.tolerated_values;
      return;
    }
    add(place, DifferenceKind::value);
    result_.differences.back().change = change;
    if (size != 0) {
      result_.differences.back().relative = change / size;
    }
  }

  /// An integer beyond 64 bits has been rounded by now, and equal would not mean equal.
  static void check_size(const std::string& path, const Json& number) {
    if (number.is_number_float() && std::abs(number.get<double>()) >= 0x1p63) {
      throw ConfigError(path, "expected numbers below 2^63, found {}", number.dump());
    }
  }

  Tolerance tolerance_of(const Place& place, bool is_measured) const {
    const auto& keys = place.keys;
    Tolerance best;
    std::size_t best_depth = 0;
    if (std::find(asked_keys.begin(), asked_keys.end(), keys.front()) != asked_keys.end()) {
      return best;
    }
    for (const Tolerance& tolerance : options_.tolerances) {
      const auto named = std::find(keys.rbegin(), keys.rend(), tolerance.field);
      const auto depth = static_cast<std::size_t>(keys.rend() - named);  // 0 for one without a field
      const bool reaches = tolerance.field.empty() || named != keys.rend();
      if (reaches && depth >= best_depth && (is_measured || depth == keys.size())) {
        best = tolerance;
        best_depth = depth;
      }
    }
    return best;
  }

  void add(const Place& place, DifferenceKind kind) {
    result_.differences.push_back({.path = place.path,
                                   .kind = kind,
                                   .first = place.first == nullptr ? "" : text_of(*place.first),
                                   .second = place.second == nullptr ? "" : text_of(*place.second)});
  }

  const DiffOptions& options_;
  DiffResult& result_;
  std::vector<Place> open_;
};

std::set<std::string> keys_of(const Json& document) {
  std::set<std::string> keys;
  for (std::vector<const Json*> open = {&document}; !open.empty();) {
    const Json& value = *open.back();
    open.pop_back();
    for (const auto& member : value.items()) {
      if (value.is_object()) {
        keys.insert(member.key());
      }
      if (member.value().is_structured()) {
        open.push_back(&member.value());
      }
    }
  }
  return keys;
}

void check_fields(const Json& first, const Json& second, const DiffOptions& options) {
  std::set<std::string> keys = keys_of(first);
  keys.merge(keys_of(second));
  const auto check = [&](const char* option, const std::string& field) {
    if (!field.empty() && !keys.contains(field)) {
      throw ConfigError(option, "neither document has a field {}",
                        unknown_name(field, std::vector(keys.begin(), keys.end())));
    }
  };
  for (const Tolerance& tolerance : options.tolerances) {
    check("`tolerance`", tolerance.field);
  }
  for (const std::string& field : options.ignored) {
    check("`ignore`", field);
  }
}

std::string schema_of(const ConfigObject& document) {
  const Json& json = document.value().json;
  const auto schema = json.find("schema");
  if (schema == json.end() || !schema->is_string() || !schema->get<std::string>().starts_with("dsasim-")) {
    throw ConfigError(document.where(), "expected a report of dsasim (\"schema\": \"dsasim-report/1\" or another), {}",
                      schema == json.end() ? "found no schema" : "found the schema " + text_of(*schema));
  }
  return schema->get<std::string>();
}

std::string version_of(const Json& document) {
  const auto tool = document.find("tool");
  const bool says = tool != document.end() && tool->is_object() && tool->contains("version");
  return says && (*tool)["version"].is_string() ? (*tool)["version"].get<std::string>() : "";
}

void sort_worst_first(std::vector<Difference>& differences) {
  const auto rank = [](const Difference& difference) {
    const bool asked = std::any_of(asked_keys.begin(), asked_keys.end(), [&](std::string_view key) {
      return difference.path.starts_with(fmt::format("/{}", key));
    });
    const double moved = difference.relative ? std::abs(*difference.relative) : std::numeric_limits<double>::infinity();
    return std::tuple(asked ? 0 : difference.change ? 2 : 1, asked ? 0.0 : -moved);
  };
  std::stable_sort(differences.begin(), differences.end(),
                   [&](const Difference& a, const Difference& b) { return rank(a) < rank(b); });
}

}  // namespace

DiffResult diff(const ConfigObject& first, const ConfigObject& second, const DiffOptions& options) {
  const Json& a = first.value().json;
  const Json& b = second.value().json;
  DiffResult result{.first_schema = schema_of(first),
                    .second_schema = schema_of(second),
                    .first_version = version_of(a),
                    .second_version = version_of(b)};
  check_fields(a, b, options);
  if (result.first_schema != result.second_schema) {
    result.differences.push_back({.path = "/schema", .first = text_of(a["schema"]), .second = text_of(b["schema"])});
    return result;
  }
  Comparer(options, result).run(a, b);
  sort_worst_first(result.differences);
  return result;
}

}  // namespace dsasim
