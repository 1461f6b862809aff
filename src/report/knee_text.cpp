#include "config/json_text.hpp"
#include "dsasim/report/knee_report.hpp"
#include "dsasim/version.hpp"
#include "report/choice_name.hpp"
#include "report/config_json.hpp"
#include "report/trace_json.hpp"
#include "report/trace_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iterator>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

Json config_json(const KneeResult& result) {
  Json out;
  out["target"] = result.target.name;
  out["at_most"] = result.target.at_most;
  out["scope"] = name_of(scope_names, result.config.asked.scope);
  add_capacities(out, result.capacities);
  out["caches"] = result.config.reservation.caches;
  add_replay_config(out, result.config);
  return out;
}

Json point_json(const std::optional<KneePoint>& point, std::string_view field) {
  if (!point) {
    return nullptr;
  }
  Json out{{"capacity_entries", point->capacity_entries}, {field, point->value}};
  add_reservation(out, point->reservation);
  out.erase("caches");  // those of the configuration
  return out;
}

std::string number_text(const KneeResult& result, double value) {
  return result.target.measure->unit.empty() ? fmt::format("{:.4f}", value) : fmt::format("{:.0f}", value);
}

std::string entries_text(const std::optional<KneePoint>& point) {
  return point ? grouped(point->capacity_entries) : "-";
}

/// Of all caches, in bytes where those of an entry are known.
std::string all_text(const std::optional<KneePoint>& point) {
  return !point                     ? "-"
         : point->reservation.bytes ? bytes_text(static_cast<double>(*point->reservation.bytes))
                                    : grouped(point->reservation.entries);
}

std::string value_text(const KneeResult& result, const std::optional<KneePoint>& point) {
  return point ? number_text(result, point->value) : "-";
}

std::string promise(const Knee& knee) {
  return knee.exact ? "exact" : fmt::format("of {} tried", knee.tried);
}

}  // namespace

std::string knee_json(const TraceReader& trace, const KneeResult& result) {
  Json out;
  out["schema"] = knee_schema;
  out["tool"] = {{"version", version()}};
  out["config"] = config_json(result);
  out["trace"] = trace_json(trace);
  for (const Knee& knee : result.knees) {
    out["knees"].push_back({{"policy", to_string(knee.policy)},
                            {"exact", knee.exact},
                            {"tried_capacities", knee.tried},
                            {"knee", point_json(knee.point, result.target.name)},
                            {"before", point_json(knee.before, result.target.name)},
                            {"best", point_json(knee.best, result.target.name)}});
  }
  return json_text(out);
}

std::string knee_table(const TraceReader& trace, const KneeResult& result) {
  std::string out;
  auto line = std::back_inserter(out);
  fmt::format_to(line, "{}\n", trace_text(trace));
  fmt::format_to(line, "the smallest capacity, {}, at which {} is at most {}\n", caches_text(result.config.asked),
                 result.target.name, result.target.at_most);
  if (result.target.measure->basis == Basis::step) {
    fmt::format_to(line, "{} is {}\n", result.target.name, kernels_text(result.config));
  } else if (result.target.measure->basis == Basis::time && !result.config.model_name.empty()) {
    fmt::format_to(line, "{} is of the trace's {} layers, not of the model's\n", result.target.name,
                   trace.layer_count());
  }
  const std::uint64_t caches = result.config.reservation.caches;
  fmt::format_to(line, "\n{:<28} {:>11} {:>13} {:>14} {:>14} {:>11} {:>14} {:>14}\n", "", "of a cache",
                 caches == 1 ? "of the cache" : fmt::format("of all {}", grouped(caches)), result.target.name, "",
                 "before it", result.target.name, "least of all");
  for (const Knee& knee : result.knees) {
    fmt::format_to(line, "{:<28} {:>11} {:>13} {:>14} {:>14} {:>11} {:>14} {:>14}\n", to_string(knee.policy),
                   entries_text(knee.point), all_text(knee.point), value_text(result, knee.point), promise(knee),
                   entries_text(knee.before), value_text(result, knee.before), number_text(result, knee.best.value));
  }
  return out;
}

}  // namespace dsasim
