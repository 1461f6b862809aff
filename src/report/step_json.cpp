#include "config/json_text.hpp"
#include "dsasim/report/step_report.hpp"
#include "dsasim/version.hpp"
#include "report/choice_name.hpp"
#include "report/config_json.hpp"
#include "report/energy_report.hpp"

#include <nlohmann/json.hpp>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

Json config_json(const StepReport& of, const StepPrediction& step) {
  const StepWorkload& workload = step.workload;
  Json out;
  out["model"] = of.model.name;
  out["gpu"] = of.gpu.name;
  out["kernels"] = of.table.name();
  out["batch"] = workload.batch;
  out["context"] = workload.context_tokens;
  add_deployment(out, workload.deployment, step.kv);
  return out;
}

Json parts_json(const StepParts& parts) {
  Json out = Json::object();
  for (const auto& [name, part] : step_part_names) {
    out[std::string(name)] = parts[part];
  }
  return out;
}

/// Of one layer of the type; null if the model has none.
Json of_layer(const LayerTime* type, StepPart part) {
  return type == nullptr ? Json(nullptr) : Json(type->parts[part]);
}

Json module_json(const LayerTime* type) {
  return type == nullptr ? Json(nullptr) : Json(type->module_ns());
}

Json layer_types_json(const StepPrediction& step) {
  Json out = Json::array();
  for (const LayerTime& type : step.layer_types) {
    const char* const selection = type.layer.owns_indexer ? "own" : type.layer.top_k != 0 ? "shared" : "none";
    out.push_back({{"layers", type.layers},
                   {"index", selection},
                   {"ffn", type.layer.experts == 0 ? "dense" : "experts"},
                   {"ns", type.parts.total_ns()},
                   {"parts", parts_json(type.parts)}});
  }
  return out;
}

}  // namespace

void add_deployment(Json& out, const Deployment& deployment, std::optional<KvType> kv) {
  out["tp"] = deployment.tensor_parallel;
  out["ep"] = deployment.expert_parallel;
  out["dp_attention"] = deployment.dp_attention;
  out["kv_dtype"] = kv ? Json(name_of(kv_type_names, *kv)) : Json(nullptr);
  out["expert_spread"] = name_of(expert_spread_names, deployment.spread);
  out["host_ns"] = deployment.host_ns;
}

std::string step_json(const StepReport& of, const StepPrediction& step) {
  const LayerTime* const owner = step.owner();
  const LayerTime* const selecting = owner != nullptr ? owner : step.sharer();
  Json out;
  out["schema"] = step_schema;
  out["tool"] = {{"version", version()}};
  out["config"] = config_json(of, step);
  out["lower_bound"] = of.table.lower_bound();
  out["tpot_ns"] = step.tpot_ns();
  out["attention_module_ns"] = module_json(owner);
  out["attention_module_shared_ns"] = module_json(step.sharer());
  out["sparse_attention_ns"] = of_layer(selecting, StepPart::attention);
  out["indexer_ns"] = of_layer(owner, StepPart::indexer);
  out["topk_ns"] = of_layer(owner, StepPart::topk);
  out["experts_ns"] = of_layer(step.mixture(), StepPart::experts);
  out["all_reduce_ns"] = step.workload.deployment.tensor_parallel == 1 || step.workload.deployment.dp_attention
                             ? Json(nullptr)
                             : Json(step.all_reduce_ns);
  out["heads_per_gpu"] = step.kv ? Json(step.heads_per_gpu) : Json(nullptr);
  out["parts"] = parts_json(step.parts);
  out["layer_types"] = layer_types_json(step);
  if (step.energy) {
    out["energy"] = energy_json(*step.energy);
  }
  return json_text(out);
}

}  // namespace dsasim
