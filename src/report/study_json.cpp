#include "config/json_text.hpp"
#include "dsasim/report/study_report.hpp"
#include "dsasim/version.hpp"
#include "report/choice_name.hpp"
#include "report/config_json.hpp"
#include "report/trace_json.hpp"

#include <nlohmann/json.hpp>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

Json point_json(const StudyPoint& point) {
  return {{"policy", point.policy},
          {"scope", name_of(scope_names, point.scope)},
          {"reserved_bytes", point.reserved_bytes},
          {"capacity_entries", point.capacity_entries},
          {"accesses", point.accesses},
          {"misses", point.misses},
          {"tpot_ns",
           {{"mean", point.tpot.mean_ns},
            {"p50", point.tpot.p50_ns},
            {"p95", point.tpot.p95_ns},
            {"p99", point.tpot.p99_ns},
            {"max", point.tpot.max_ns}}}};
}

}  // namespace

std::string study_json(const TraceReader& trace, const StudyConfig& config, const StudyResult& result) {
  const auto place = [](std::optional<std::size_t> index) { return index ? Json(*index) : Json(nullptr); };
  Json out;
  out["schema"] = study_schema;
  out["tool"] = {{"version", version()}};
  out["config"] = {
      {"llc_bytes", result.llc_bytes}, {"parts", config.parts}, {"entry_cost_bytes", result.entry_cost_bytes}};
  add_replay_config(out["config"], result.config);
  out["trace"] = trace_json(trace);
  out["nothing"] = point_json(result.nothing);
  out["all_hit_tpot_ns"] = result.all_hit_tpot_ns;
  out["best"] = place(result.best);
  out["knee"] = place(result.knee);
  out["belady"] = place(result.belady);
  out["points"] = Json::array();
  for (const StudyPoint& point : result.points) {
    out["points"].push_back(point_json(point));
  }
  return json_text(out);
}

}  // namespace dsasim
