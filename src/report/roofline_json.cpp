#include "config/json_text.hpp"
#include "dsasim/report/roofline_report.hpp"
#include "dsasim/version.hpp"
#include "report/choice_name.hpp"

#include <nlohmann/json.hpp>

#include <optional>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

Json config_json(const Roofline& roofline) {
  const RooflineConfig& config = roofline.config;
  const WeightBytes& bytes = roofline.model.weight_bytes;
  const ModelArithmetic& type = roofline.model.arithmetic;
  Json out;
  out["model"] = roofline.model.name;
  out["gpu"] = roofline.gpu.name;
  out["context"] = config.context_tokens;
  out["batch"] = config.batch;
  out["rate"] = config.rate;
  out["gpus"] = or_null(config.gpus);
  out["attention"] = name_of(attention_names, config.attention);
  out["experts"] = name_of(expert_reads_names, config.experts);
  out["tp"] = config.tensor_parallel;
  out["entry_bytes"] = or_null(config.entry_bytes);
  out["entry_flops"] = or_null(config.entry_flops);
  out["weight_bytes"] = {
      {"attention", bytes.attention}, {"ffn", bytes.ffn}, {"experts", bytes.experts}, {"head", bytes.head}};
  out["arithmetic"] = {{"linear", name_of(arithmetic_names, type.linear)},
                       {"attention", name_of(arithmetic_names, type.attention)},
                       {"indexer", name_of(arithmetic_names, type.indexer)}};
  return out;
}

Json bytes_json(const RooflineBytes& bytes) {
  return {{"weights", bytes.weights},
          {"experts", bytes.experts},
          {"entries", bytes.entries},
          {"keys", bytes.keys},
          {"total", bytes.total()}};
}

}  // namespace

std::string roofline_json(const Roofline& roofline) {
  const RooflineFlops& flops = roofline.flops;
  Json out;
  out["schema"] = roofline_schema;
  out["tool"] = {{"version", version()}};
  out["config"] = config_json(roofline);
  out["model"] = {{"parameters", roofline.model.parameters()},
                  {"active_parameters", roofline.model.active_parameters()},
                  {"kv_bytes_per_token", roofline.model.kv_bytes_per_token()}};
  out["read_bytes"] = bytes_json(roofline.read);
  out["stored_bytes"] = bytes_json(roofline.stored);
  out["flops"] = {
      {"linear", flops.linear}, {"attention", flops.attention}, {"indexer", flops.indexer}, {"total", flops.total()}};
  out["gpus_needed"] = {{"bandwidth", roofline.needed.bandwidth},
                        {"compute", roofline.needed.compute},
                        {"capacity", roofline.needed.capacity}};
  out["gpus"] = roofline.gpus;
  out["bandwidth_used"] = roofline.bandwidth_used;
  out["compute_used"] = roofline.compute_used;
  out["capacity_used"] = roofline.capacity_used;
  out["rate_limit"] = roofline.rate_limit;
  return json_text(out);
}

}  // namespace dsasim
