#include "dsasim/report/report.hpp"

#include "config/config_value.hpp"
#include "dsasim/version.hpp"
#include "report/choice_name.hpp"
#include "report/trace_json.hpp"

#include <nlohmann/json.hpp>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

Json fetched_bytes(const Counters& counters, std::uint64_t entry_bytes) {
  return entry_bytes == 0 ? Json(nullptr) : Json(counters.fetched_rows * entry_bytes);
}

void add_counters(Json& out, const Counters& counters, std::uint64_t entry_bytes) {
  out["accesses"] = counters.accesses;
  out["hits"] = counters.hits;
  out["misses"] = counters.misses();
  out["compulsory_misses"] = counters.compulsory_misses;
  out["capacity_misses"] = counters.capacity_misses();
  out["evictions"] = counters.evictions;
  out["miss_ratio"] = counters.accesses == 0
                          ? Json(nullptr)
                          : Json(static_cast<double>(counters.misses()) / static_cast<double>(counters.accesses));
  out["fetched_bytes"] = fetched_bytes(counters, entry_bytes);
  out["missed_pages"] = counters.missed_pages;
  out["gather_ns"] = counters.gather_ns;
}

Json config_json(const EffectiveConfig& config) {
  Json out;
  out["policy"] = to_string(config.asked.policy);
  out["scope"] = name_of(scope_names, config.asked.scope);
  out["capacity"] = config.asked.capacity.text();
  out["capacity_entries"] =
      config.capacity_entries.size() == 1 ? Json(config.capacity_entries.front()) : Json(config.capacity_entries);
  out["entry_bytes"] = config.entry_bytes == 0 ? Json(nullptr) : Json(config.entry_bytes);
  out["page_tokens"] = config.page_tokens;
  out["order"] = name_of(order_names, config.asked.order);
  out["warm"] = name_of(warm_names, config.asked.warm);
  out["new_token"] = name_of(new_token_names, config.asked.new_token);
  out["steps"] = {config.steps.first, config.steps.last};
  out["warmup_steps"] = config.asked.warmup_steps;
  out["memory"] = config.memory_model;
  if (config.memory_config) {
    out["memory_parameters"] = config.memory_config->value().json;
  } else {
    out["miss_ns"] = config.asked.memory.miss_ns;
  }
  return out;
}

Json numbered(const char* what, const std::vector<Counters>& rows, std::uint64_t entry_bytes) {
  Json out = Json::array();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Json row;
    row[what] = i;
    add_counters(row, rows[i], entry_bytes);
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace

std::string report_json(const TraceReader& trace, const ReplayResult& result) {
  const std::uint64_t entry_bytes = result.config.entry_bytes;
  Json out;
  out["schema"] = report_schema;
  out["tool"] = {{"version", version()}};
  out["config"] = config_json(result.config);
  out["trace"] = trace_json(trace);
  add_counters(out["totals"], result.totals, entry_bytes);
  out["layers"] = numbered("layer", result.layers, entry_bytes);
  out["requests"] = numbered("request", result.requests, entry_bytes);
  return out.dump(2) + "\n";
}

}  // namespace dsasim
