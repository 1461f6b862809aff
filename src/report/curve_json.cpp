#include "config/json_text.hpp"
#include "dsasim/report/curve_report.hpp"
#include "dsasim/version.hpp"
#include "report/choice_name.hpp"
#include "report/config_json.hpp"
#include "report/trace_json.hpp"

#include <nlohmann/json.hpp>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

Json config_json(const CurveResult& result) {
  const ReplayConfig& asked = result.config.asked;
  Json out;
  out["policy"] = to_string(asked.policy);
  out["scope"] = name_of(scope_names, asked.scope);
  add_capacities(out, result.capacities);
  out["caches"] = result.config.reservation.caches;
  for (const Reservation& reservation : result.reservations) {
    Json all;
    add_reservation(all, reservation);
    out["reserved_entries"].push_back(all["reserved_entries"]);
    out["reserved_bytes"].push_back(all["reserved_bytes"]);
  }
  out["entry_bytes"] = entry_bytes_json(result.config);
  out["order"] = name_of(order_names, asked.order);
  out["warm"] = name_of(warm_names, asked.warm);
  out["new_token"] = name_of(new_token_names, asked.new_token);
  if (asked.resident_blocks > 0) {
    out["resident_blocks"] = asked.resident_blocks;
  }
  add_beside_policy(out, asked);
  out["steps"] = {result.config.steps.first, result.config.steps.last};
  out["warmup_steps"] = asked.warmup_steps;
  return out;
}

Json bins_json(const std::vector<ReuseBin>& bins) {
  Json out = Json::array();
  for (const ReuseBin& bin : bins) {
    out.push_back({{"first", bin.first}, {"last", bin.last}, {"accesses", bin.accesses}});
  }
  return out;
}

void add_curve(Json& out, const Curve& curve) {
  out["accesses"] = curve.accesses;
  out["compulsory_misses"] = curve.compulsory_misses;
  out["points"] = Json::array();
  for (const CurvePoint& point : curve.points) {
    const Json ratio = curve.accesses == 0
                           ? Json(nullptr)
                           : Json(static_cast<double>(point.misses) / static_cast<double>(curve.accesses));
    out["points"].push_back(
        {{"capacity_entries", point.capacity_entries}, {"misses", point.misses}, {"miss_ratio", ratio}});
  }
  if (curve.histograms) {
    out["reuse_distance_entries"] = bins_json(curve.histograms->distance_entries);
    out["reuse_interval_steps"] = bins_json(curve.histograms->interval_steps);
  }
}

}  // namespace

std::string curve_json(const TraceReader& trace, const CurveResult& result) {
  Json out;
  out["schema"] = curve_schema;
  out["tool"] = {{"version", version()}};
  out["config"] = config_json(result);
  out["trace"] = trace_json(trace);
  add_curve(out, result.total);
  out["layers"] = Json::array();
  for (std::size_t layer = 0; layer < result.layers.size(); ++layer) {
    Json row;
    row["layer"] = layer;
    add_curve(row, result.layers[layer]);
    out["layers"].push_back(std::move(row));
  }
  return json_text(out);
}

}  // namespace dsasim
