#include "dsasim/report/html_report.hpp"

#include "config/json_document.hpp"
#include "dsasim/llc/llc.hpp"
#include "dsasim/report/allocate_report.hpp"
#include "dsasim/report/analysis_report.hpp"
#include "dsasim/report/compare_report.hpp"
#include "dsasim/report/curve_report.hpp"
#include "dsasim/report/plan_report.hpp"
#include "dsasim/report/report.hpp"
#include "dsasim/report/step_report.hpp"
#include "dsasim/report/study_report.hpp"
#include "dsasim/version.hpp"
#include "report/html_page.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

/// Above these whole numbers a browser's are not exact: it gets their digits as text.
constexpr std::uint64_t most_exact = std::uint64_t{1} << 53U;

bool is_inexact(const Json& value) {
  if (value.is_number_unsigned()) {
    return value.get<std::uint64_t>() > most_exact;
  }
  return value.is_number_integer() && value.get<std::int64_t>() < -static_cast<std::int64_t>(most_exact);
}

/// Whether a list is of objects with the same keys in the same order, and long enough for columns to be shorter.
bool has_columns(const Json& list) {
  constexpr std::size_t worthwhile = 8;
  if (list.size() < worthwhile || !list.front().is_object() || list.front().empty()) {
    return false;
  }
  const auto same_key = [](const auto& one, const auto& other) { return one.first == other.first; };
  const auto& first = list.front().get_ref<const Json::object_t&>();
  return std::all_of(list.begin(), list.end(), [&](const Json& row) {
    return row.is_object() && std::equal(first.begin(), first.end(), row.get_ref<const Json::object_t&>().begin(),
                                         row.get_ref<const Json::object_t&>().end(), same_key);
  });
}

/// As documents.js unpacks it: lists of like objects, such as a curve's points, have their keys once. Documents are not
/// deep: json_document.hpp limits them.
Json packed(const Json& value) {  // NOLINT(misc-no-recursion)
  if (value.is_object()) {
    Json out = Json::object();
    for (const auto& [key, member] : value.items()) {
      out.push_back({key, packed(member)});
    }
    return out;
  }
  if (!value.is_array()) {
    return is_inexact(value) ? Json(value.dump()) : value;
  }
  Json items = Json::array();
  if (!has_columns(value)) {
    std::transform(value.begin(), value.end(), std::back_inserter(items), packed);
    return items;
  }
  Json keys = Json::array();
  for (const auto& [key, member] : value.front().items()) {
    keys.push_back(key);
  }
  for (const Json& row : value) {
    Json cells = Json::array();
    std::transform(row.begin(), row.end(), std::back_inserter(cells), packed);
    items.push_back(std::move(cells));
  }
  return {{"$columns", std::move(keys)}, {"$rows", std::move(items)}};
}

Json parsed(const HtmlReport::Document& document) {
  constexpr std::size_t most_keys = 1U << 20U;
  Json json = parse_document<Json>(document.name, document.text, most_keys);
  const auto known = html_schemas();
  const auto schema = json.is_object() ? json.find("schema") : json.end();
  if (!json.is_object() || schema == json.end() || !schema->is_string()) {
    throw ConfigError(document.name, "expected a JSON document of dsasim with a \"schema\", found none");
  }
  if (std::find(known.begin(), known.end(), schema->get_ref<const std::string&>()) == known.end()) {
    throw ConfigError(document.name, "/schema: expected one that has pictures ({}), found {}", fmt::join(known, ", "),
                      printable_message(schema->dump(-1, ' ', false, Json::error_handler_t::replace)));
  }
  return json;
}

/// Whether the sums of rows are the totals of a report.
bool is_of(const StepGrid& grid, const Json& document) {
  const Json totals = document.value("totals", Json());
  if (document["schema"] != report_schema || !totals.is_object()) {
    return false;
  }
  for (std::size_t i = 0; i < grid.measures().size(); ++i) {
    const Json total = grid.is_known(i) ? Json(grid.total(i)) : Json(nullptr);
    if (totals.value(grid.measures()[i], Json(false)) != total) {
      return false;
    }
  }
  return true;
}

Json grid_json(const StepGrid& grid) {
  Json out = {{"rows", grid.rows()},           {"first_step", grid.first_step()},
              {"last_step", grid.last_step()}, {"steps_per_column", grid.steps_per_column()},
              {"layers", Json::array()},       {"cells", Json::object()}};
  for (const StepGrid::Layer& layer : grid.layers()) {
    out["layers"].push_back(layer.layer);
  }
  for (std::size_t i = 0; i < grid.measures().size(); ++i) {
    if (!grid.is_known(i)) {
      continue;
    }
    Json& rows = out["cells"][grid.measures()[i]] = Json::array();
    for (const StepGrid::Layer& layer : grid.layers()) {
      const auto* cells = layer.cells[i].data();
      rows.push_back(std::vector<std::uint64_t>(cells, cells + grid.columns()));
    }
  }
  return packed(out);
}

/// The GPU that a report names, if it is one with a last-level cache.
std::optional<Gpu> gpu_of(const std::string& name, const Json& document) {
  const Json config = document.value("config", Json::object());
  const Json gpu = config.is_object() ? config.value("gpu_parameters", Json()) : Json();
  if (!gpu.is_object() || !config.value("gpu", Json()).is_string() || !gpu.value("llc", Json()).is_string()) {
    return std::nullopt;
  }
  Gpu found;
  found.name = config["gpu"];
  found.llc = gpu["llc"];
  if (const Json part = gpu.value("llc_set_aside_bytes", Json()); part.is_number_unsigned()) {
    found.llc_set_aside_bytes = part.get<std::uint64_t>();
  }
  try {
    parse_llc(found.llc);
  } catch (const ConfigError& error) {
    throw ConfigError(name, "/config/gpu_parameters/llc: {}", error.what());
  }
  return found;
}

std::vector<Gpu> gpus_of(const HtmlReport& report, const std::vector<Json>& documents) {
  std::vector<Gpu> gpus = report.gpus;
  for (std::size_t i = 0; report.gpus.empty() && i < documents.size(); ++i) {
    const auto gpu = gpu_of(report.documents[i].name, documents[i]);
    if (gpu && std::none_of(gpus.begin(), gpus.end(), [&](const Gpu& one) { return one.name == gpu->name; })) {
      gpus.push_back(*gpu);
    }
  }
  if (gpus.empty()) {
    gpus.push_back(load_gpu("h200"));
  }
  return gpus;
}

/// Gives each grid to the first report that has none yet and whose totals are its sums.
void place_grids(Json& page, const HtmlReport& report, const std::vector<Json>& documents) {
  for (const StepGrid& grid : report.grids) {
    std::size_t at = 0;
    while (at < documents.size() && (page["documents"][at].contains("steps") || !is_of(grid, documents[at]))) {
      ++at;
    }
    if (grid.rows() == 0) {
      throw ConfigError(grid.where(), "expected rows, found none");
    }
    if (at == documents.size()) {
      throw ConfigError(grid.where(),
                        "its columns add up to {} misses of {} accesses; expected the totals of a report "
                        "among the documents",
                        grid.total(2), grid.total(0));
    }
    page["documents"][at]["steps"] = grid_json(grid);
  }
}

/// Inside <script> nothing but its end and a comment's begin are special, and both begin with '<'.
void append_for_script(std::string& out, std::string_view json) {
  for (const char c : json) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
}

}  // namespace

std::vector<std::string_view> html_schemas() {
  return {report_schema, curve_schema, compare_schema, analysis_schema,  comparison_schema,
          step_schema,   plan_schema,  study_schema,   allocation_schema};
}

std::string html_report(const HtmlReport& report) {
  std::vector<Json> documents;
  documents.reserve(report.documents.size());
  Json page = {{"tool", {{"version", version()}}}, {"documents", Json::array()}, {"gpus", Json::array()}};
  for (const HtmlReport::Document& document : report.documents) {
    documents.push_back(parsed(document));
    page["documents"].push_back({{"name", document.name}, {"document", packed(documents.back())}});
  }
  place_grids(page, report, documents);
  for (const Gpu& gpu : gpus_of(report, documents)) {
    page["gpus"].push_back(
        {{"name", gpu.name},
         {"llc_bytes", parse_llc(gpu.llc).bytes},
         {"set_aside_bytes", gpu.llc_set_aside_bytes ? packed(*gpu.llc_set_aside_bytes) : Json(nullptr)}});
  }
  const HtmlPage html = html_page();
  std::string out(html.before);
  append_for_script(out, page.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace));
  return out.append(html.after);
}

}  // namespace dsasim
