#include "config/json_text.hpp"
#include "dsasim/report/allocate_report.hpp"
#include "dsasim/version.hpp"
#include "report/choice_name.hpp"
#include "report/config_json.hpp"
#include "report/trace_json.hpp"

#include <nlohmann/json.hpp>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

Json config_json(const AllocateResult& result) {
  Json out;
  out["policy"] = to_string(result.config.asked.policy);
  out["scope"] = name_of(scope_names, result.config.asked.scope);
  out["over"] = name_of(over_names, result.over);
  out["minimise"] = name_of(minimise_names, result.minimise);
  out["budget"] = result.budget.text();
  out["min"] = result.least.text();
  out["max"] = result.most ? Json(result.most->text()) : Json(nullptr);
  out["granularity_entries"] = result.granularity;
  add_replay_config(out, result.config);
  return out;
}

Json split_json(const AllocateResult& result, const Allocation& allocation) {
  Json out;
  out[result.budget_in_bytes ? "bytes" : "entries"] = allocation.cost;
  out[result.budget_in_bytes ? "unspent_bytes" : "unspent_entries"] = result.budget_cost - allocation.cost;
  out[name_of(minimise_names, result.minimise)] = allocation.predicted_total;
  if (allocation.replayed) {
    out["replayed"] = {{"misses", allocation.replayed->misses()}, {"gather_ns", allocation.replayed->gather_ns}};
  } else {
    out["replayed"] = nullptr;
  }
  return out;
}

Json part_json(const AllocateResult& result, std::size_t part, std::size_t requests) {
  Json out;
  if (result.over == Over::streams) {
    out["layer"] = part / requests;
    out["request"] = part % requests;
  } else {
    out["layer"] = part;
  }
  out["accesses"] = result.part_accesses[part];
  for (const auto& [name, allocation] : result.splits()) {
    out[std::string(name)] = {{"capacity_entries", allocation->capacity_entries[part]},
                              {name_of(minimise_names, result.minimise), allocation->predicted[part]}};
  }
  return out;
}

}  // namespace

std::string allocation_json(const TraceReader& trace, const AllocateResult& result) {
  Json out;
  out["schema"] = allocation_schema;
  out["tool"] = {{"version", version()}};
  out["config"] = config_json(result);
  out["trace"] = trace_json(trace);
  out["budget"] = {{result.budget_in_bytes ? "bytes" : "entries", result.budget_cost},
                   {"caches", result.caches},
                   {"context_entries", result.context_entries}};
  for (const auto& [name, allocation] : result.splits()) {
    out["splits"][std::string(name)] = split_json(result, *allocation);
  }
  out["capacity_entries"] = result.optimal.capacity_entries;
  Json& parts = out[name_of(over_names, result.over)];
  for (std::size_t part = 0; part < result.part_accesses.size(); ++part) {
    parts.push_back(part_json(result, part, trace.request_count()));
  }
  return json_text(out);
}

}  // namespace dsasim
