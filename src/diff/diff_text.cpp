#include "config/json_text.hpp"
#include "dsasim/diff/diff.hpp"
#include "dsasim/version.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

/// By DifferenceKind.
constexpr std::array kind_names = {"value", "type", "length", "only_in_first", "only_in_second"};

Json document_json(const std::string& schema, const std::string& version) {
  return {{"schema", schema}, {"version", version.empty() ? Json(nullptr) : Json(version)}};
}

bool is_whole(double change) {
  return change == std::floor(change) && std::abs(change) < 0x1p53;
}

Json change_json(const Difference& difference) {
  return difference.change && is_whole(*difference.change) ? Json(static_cast<std::int64_t>(*difference.change))
                                                           : or_null(difference.change);
}

std::string shortened(const std::string& text) {
  constexpr std::size_t most = 18;
  return text.empty() ? "-" : text.size() <= most ? text : text.substr(0, most - 3) + "...";
}

std::string change_text(const Difference& difference) {
  if (!difference.change) {
    return kind_names[static_cast<std::size_t>(difference.kind)];
  }
  return is_whole(*difference.change) ? fmt::format("{:+.0f}", *difference.change)
                                      : fmt::format("{:+.4g}", *difference.change);
}

std::string relative_text(const Difference& difference) {
  return difference.relative ? fmt::format("{:+.3g}%", 100 * *difference.relative) : "";
}

/// "/config" differs in ...: the keys right below that do.
void append_asked(std::string& out, const DiffResult& result, std::string_view part) {
  const std::string prefix = fmt::format("/{}/", part);
  std::vector<std::string> keys;
  for (const Difference& difference : result.differences) {
    if (difference.path.starts_with(prefix)) {
      const std::string key =
          difference.path.substr(prefix.size(), difference.path.find_first_of("/[", prefix.size()) - prefix.size());
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
        keys.push_back(key);
      }
    }
  }
  if (!keys.empty()) {
    fmt::format_to(std::back_inserter(out), "The {} differs: {}.\n", part, fmt::join(keys, ", "));
  }
}

void append_rows(std::string& out, const std::vector<Difference>& differences) {
  constexpr std::size_t shown = 20;
  auto line = std::back_inserter(out);
  std::size_t width = 0;
  for (std::size_t i = 0; i < std::min(shown, differences.size()); ++i) {
    width = std::max(width, differences[i].path.size());
  }
  fmt::format_to(line, "\n{:<{}} {:>18} {:>18} {:>14} {:>10}\n", "", width, "first", "second", "change", "relative");
  for (std::size_t i = 0; i < std::min(shown, differences.size()); ++i) {
    const Difference& difference = differences[i];
    std::string row =
        fmt::format("{:<{}} {:>18} {:>18} {:>14} {:>10}", difference.path, width, shortened(difference.first),
                    shortened(difference.second), change_text(difference), relative_text(difference));
    row.resize(row.find_last_not_of(' ') + 1);
    out += row + '\n';
  }
  if (differences.size() > shown) {
    fmt::format_to(line, "  ... {} more; --json has all\n", differences.size() - shown);
  }
}

}  // namespace

std::string diff_json(const DiffResult& result) {
  Json out;
  out["schema"] = diff_schema;
  out["tool"] = {{"version", version()}};
  out["equal"] = result.differences.empty();
  out["first"] = document_json(result.first_schema, result.first_version);
  out["second"] = document_json(result.second_schema, result.second_version);
  out["compared_values"] = result.compared_values;
  out["tolerated_values"] = result.tolerated_values;
  out["differences"] = Json::array();
  for (const Difference& difference : result.differences) {
    const auto value = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json::parse(text); };
    out["differences"].push_back({{"path", difference.path},
                                  {"kind", kind_names[static_cast<std::size_t>(difference.kind)]},
                                  {"first", value(difference.first)},
                                  {"second", value(difference.second)},
                                  {"change", change_json(difference)},
                                  {"relative", or_null(difference.relative)}});
  }
  return json_text(out);
}

std::string diff_table(const DiffResult& result) {
  std::string out;
  auto line = std::back_inserter(out);
  if (result.first_schema != result.second_schema) {
    return fmt::format("Nothing to compare: the first is {}, the second {}.\n", result.first_schema,
                       result.second_schema);
  }
  const std::string tolerated = result.tolerated_values == 0
                                    ? ""
                                    : fmt::format(", {} within {} tolerance", result.tolerated_values,
                                                  result.tolerated_values == 1 ? "its" : "their");
  if (result.differences.empty()) {
    fmt::format_to(line, "Equal: {}, {} values{}.\n", result.first_schema, result.compared_values, tolerated);
  } else {
    fmt::format_to(line, "Different: {}, {} differences in {} values{}.\n", result.first_schema,
                   result.differences.size(), result.compared_values, tolerated);
  }
  if (result.first_version != result.second_version) {
    fmt::format_to(line, "Made by dsasim {} and {}.\n", result.first_version, result.second_version);
  }
  append_asked(out, result, "config");
  append_asked(out, result, "trace");
  const auto differs = [&](std::string_view path) {
    return std::ranges::any_of(result.differences,
                               [&](const Difference& d) { return d.path == path && d.kind == DifferenceKind::value; });
  };
  if (differs("/trace/replay_digest") && !differs("/trace/digest")) {
    out += "Both traces hold the same selections. Start steps, groups, entry bytes, pages or what ids are differ.\n";
  }
  if (!result.differences.empty()) {
    append_rows(out, result.differences);
  }
  return out;
}

}  // namespace dsasim
