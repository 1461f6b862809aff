#include "dsasim/diff/diff.hpp"

#include "config/config_value.hpp"
#include "dsasim/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

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

class Comparer {
 public:
  Comparer(const DiffOptions& options, DiffResult& result) : options_(options), result_(result) {}

  void compare_members(const Json& first, const Json& second) {
    for (const auto& [key, value] : first.items()) {
      const auto other = second.find(key);
      within_key(key, [&] {
        if (other == second.end()) {
          add(DifferenceKind::only_in_first, text_of(value), "");
        } else {
          compare(value, *other);
        }
      });
    }
    for (const auto& [key, value] : second.items()) {
      if (!first.contains(key)) {
        const std::string text = text_of(value);
        within_key(key, [&] { add(DifferenceKind::only_in_second, "", text); });
      }
    }
  }

 private:
  template <class F>
  void within(const std::string& step, F&& inside) {
    const std::size_t length = path_.size();
    path_ += step;
    inside();
    path_.resize(length);
  }

  template <class F>
  void within_key(const std::string& key, F&& inside) {
    const bool is_tool = keys_.empty() && key == "tool";
    if (is_tool || std::find(options_.ignored.begin(), options_.ignored.end(), key) != options_.ignored.end()) {
      return;
    }
    keys_.push_back(key);
    const std::string ascii = Json(key).dump(-1, ' ', /*ensure_ascii=*/true);
    within("/" + ascii.substr(1, ascii.size() - 2), inside);
    keys_.pop_back();
  }

  void compare(const Json& first, const Json& second) {
    if (first.is_number() && second.is_number()) {
      compare_numbers(first, second);
    } else if (first.type() != second.type()) {
      ++result_.compared_values;
      add(DifferenceKind::type, text_of(first), text_of(second));
    } else if (first.is_object()) {
      compare_members(first, second);
    } else if (first.is_array()) {
      compare_arrays(first, second);
    } else {
      ++result_.compared_values;
      if (first != second) {
        add(DifferenceKind::value, text_of(first), text_of(second));
      }
    }
  }

  void compare_arrays(const Json& first, const Json& second) {
    const std::string_view key = row_key(first, second);
    if (!key.empty()) {
      compare_rows(first, second, key);
      return;
    }
    if (first.size() != second.size()) {
      add(DifferenceKind::length, text_of(first), text_of(second));
    }
    for (std::size_t i = 0; i < std::min(first.size(), second.size()); ++i) {
      within(fmt::format("[{}]", i), [&] { compare(first[i], second[i]); });
    }
  }

  void compare_rows(const Json& first, const Json& second, std::string_view key) {
    using Pair = std::pair<const Json*, const Json*>;
    std::map<std::uint64_t, Pair> rows;
    for (const Json& row : first) {
      rows[row.find(key)->get<std::uint64_t>()].first = &row;
    }
    for (const Json& row : second) {
      rows[row.find(key)->get<std::uint64_t>()].second = &row;
    }
    for (const auto& [number, pair] : rows) {
      const auto& [a, b] = pair;
      within(fmt::format("[{}={}]", key, number), [&, &a = a, &b = b] {
        if (a == nullptr) {
          add(DifferenceKind::only_in_second, "", text_of(*b));
        } else if (b == nullptr) {
          add(DifferenceKind::only_in_first, text_of(*a), "");
        } else {
          compare(*a, *b);
        }
      });
    }
  }

  void compare_numbers(const Json& first, const Json& second) {
    ++result_.compared_values;
    check_size(first);
    check_size(second);
    const bool counts = !first.is_number_float() && !second.is_number_float();
    const double change = counts ? static_cast<double>(integer_of(second) - integer_of(first))
                                 : second.get<double>() - first.get<double>();
    if (counts ? integer_of(first) == integer_of(second) : first == second) {
      return;
    }
    const double size = std::abs(first.get<double>());
    const Tolerance tolerance = tolerance_here(!counts || is_time(keys_.back()));
    if (std::abs(change) <= tolerance.absolute || std::abs(change) <= tolerance.relative * size) {
      ++result_.tolerated_values;
      return;
    }
    add(DifferenceKind::value, text_of(first), text_of(second));
    result_.differences.back().change = change;
    if (size != 0) {
      result_.differences.back().relative = change / size;
    }
  }

  /// An integer beyond 64 bits has been rounded by now, and equal would not mean equal.
  void check_size(const Json& number) const {
    if (number.is_number_float() && std::abs(number.get<double>()) >= 0x1p63) {
      throw ConfigError(path_, "expected numbers below 2^63, found {}", number.dump());
    }
  }

  Tolerance tolerance_here(bool is_measured) const {
    Tolerance best;
    std::size_t best_depth = 0;
    if (std::find(asked_keys.begin(), asked_keys.end(), keys_.front()) != asked_keys.end()) {
      return best;
    }
    for (const Tolerance& tolerance : options_.tolerances) {
      const auto named = std::find(keys_.rbegin(), keys_.rend(), tolerance.field);
      const auto depth = static_cast<std::size_t>(keys_.rend() - named);  // 0 for one without a field
      const bool reaches = tolerance.field.empty() || named != keys_.rend();
      if (reaches && depth >= best_depth && (is_measured || depth == keys_.size())) {
        best = tolerance;
        best_depth = depth;
      }
    }
    return best;
  }

  void add(DifferenceKind kind, std::string first, std::string second) {
    result_.differences.push_back(
        {.path = path_, .kind = kind, .first = std::move(first), .second = std::move(second)});
  }

  const DiffOptions& options_;
  DiffResult& result_;
  std::string path_;
  std::vector<std::string> keys_;  ///< the keys of path_
};

void collect_keys(const Json& value, std::set<std::string>& keys) {
  for (const auto& [key, member] : value.items()) {
    if (value.is_object()) {
      keys.insert(key);
    }
    if (member.is_structured()) {
      collect_keys(member, keys);
    }
  }
}

void check_fields(const Json& first, const Json& second, const DiffOptions& options) {
  std::set<std::string> keys;
  collect_keys(first, keys);
  collect_keys(second, keys);
  const auto check = [&](const char* option, const std::string& field) {
    if (!field.empty() && !keys.contains(field)) {
      throw ConfigError(option, "neither document has a field \"{}\"; known: {}", field, fmt::join(keys, ", "));
    }
  };
  for (const Tolerance& tolerance : options.tolerances) {
    check("--tolerance", tolerance.field);
  }
  for (const std::string& field : options.ignored) {
    check("--ignore", field);
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
  Comparer(options, result).compare_members(a, b);
  sort_worst_first(result.differences);
  return result;
}

}  // namespace dsasim
