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

Json point_json(const StudyPoint& point, double nothing_ns) {
  return {{"policy", short_name(point.policy)},
          {"scope", name_of(scope_names, point.scope)},
          {"reserved_bytes", point.reserved_bytes},
          {"caches", point.caches},
          {"capacity_entries", point.capacity_entries},
          {"accesses", point.accesses},
          {"misses", point.misses},
          {"tpot_ns", tpot_json(point.tpot)},
          {"gain", gain_json(NetGain{.ns = nothing_ns - point.tpot.mean_ns, .error_ns = point.gain_error_ns})},
          {"set_aside_ns", point.set_aside_ns}};
}

}  // namespace

std::string study_json(const TraceReader& trace, const StudyConfig& config, const StudyResult& result) {
  Json out;
  out["schema"] = study_schema;
  out["tool"] = {{"version", version()}};
  out["config"] = {{"llc_bytes", result.llc_bytes},
                   {"llc_set_aside_bytes", or_null(result.set_aside_bytes)},
                   {"parts", config.parts},
                   {"entry_cost_bytes", result.entry_cost_bytes}};
  add_replay_config(out["config"], result.config);
  out["config"]["hidden_layers"] = result.hidden_layers;
  out["trace"] = trace_json(trace);
  out["lower_bound"] = result.config.lower_bound;
  const double nothing_ns = result.nothing.tpot.mean_ns;
  out["nothing"] = point_json(result.nothing, nothing_ns);
  out["all_hit_tpot_ns"] = result.all_hit_tpot_ns;
  out["perfect_gain"] = gain_json(result.perfect_gain);
  out["best"] = or_null(result.best);
  out["best_uncharged"] = or_null(result.best_uncharged);
  out["knee"] = or_null(result.knee);
  out["belady"] = or_null(result.belady);
  out["points"] = Json::array();
  for (const StudyPoint& point : result.points) {
    out["points"].push_back(point_json(point, nothing_ns));
  }
  out["not_tried"] = Json::array();
  for (const StudyGap& gap : result.gaps) {
    out["not_tried"].push_back({{"policy", short_name(gap.policy)},
                                {"scope", name_of(scope_names, gap.scope)},
                                {"reserved_bytes", gap.reserved_bytes},
                                {"reason", gap.reason}});
  }
  return json_text(out);
}

}  // namespace dsasim
