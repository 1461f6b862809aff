// What can be named: policies, memories, models and GPUs.

#include "command.hpp"
#include "result.hpp"

#include "dsasim/cache/policy_spec.hpp"
#include "dsasim/config/config_object.hpp"
#include "dsasim/memory/memory_model.hpp"
#include "dsasim/model/gpu.hpp"
#include "dsasim/model/model.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iterator>
#include <memory>
#include <string>

namespace dsasim::tool {
namespace {

using Json = nlohmann::ordered_json;

/// A list in the forms that it is printed in.
struct List {
  Json rows = Json::array();
  std::string text = {};

  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
  }
};

List policies() {
  List list;
  for (const PolicyDescription& policy : policy_descriptions()) {
    Json row = {{"policy", policy.name}, {"sentence", policy.sentence}, {"source", policy.source}};
    list.line("{:<10} {}\n", policy.name, policy.sentence);
    std::string parameters;
    for (const PolicyParameter& parameter : policy.parameters) {
      list.line("{:<10}   {}={} [{}]: {}\n", "", parameter.key, parameter.accepted, parameter.default_value,
                parameter.description);
      parameters += fmt::format("{}{}={}", parameters.empty() ? "" : " ", parameter.key, parameter.accepted);
    }
    row["parameters"] = parameters;
    list.line("{:<10}   {}\n", "", policy.source);
    list.rows.push_back(std::move(row));
  }
  return list;
}

List memories() {
  List list;
  const auto add = [&](std::string_view name, std::string_view model, std::string_view sentence,
                       std::string_view source) {
    list.rows.push_back({{"memory", name}, {"model", model}, {"sentence", sentence}, {"source", source}});
  };
  for (const MemoryDescription& model : memory_models()) {
    list.line("{:<10} {}\n{:<10}   {}\n", model.name, model.sentence, "", model.source);
    add(model.name, model.name, model.sentence, model.source);
  }
  for (const std::string_view name : config_names("memory")) {
    ConfigObject config = named_config("", "memory", std::string(name));
    const std::string model = config.text("model");
    const std::string description = config.text("description");
    list.line("{:<10} {}: {}\n", name, model, description);
    add(name, model, description, "");
  }
  return list;
}

List models() {
  constexpr double giga = 1e9;
  List list;
  for (const std::string_view name : config_names("models")) {
    const Model model = load_model(std::string(name));
    list.rows.push_back({{"model", name},
                         {"description", model.description},
                         {"parameters", model.parameters()},
                         {"active_parameters", model.active_parameters()},
                         {"layers", model.layers.size()},
                         {"kv_bytes_per_token", model.kv_bytes_per_token()},
                         {"source", model.source},
                         {"assumed", model.assumed}});
    list.line("{:<18} {}: {:.1f}G parameters ({:.1f}G active), {} layers, {:.1f} kB of KV a token\n", name,
              model.description, static_cast<double>(model.parameters()) / giga,
              static_cast<double>(model.active_parameters()) / giga, model.layers.size(),
              model.kv_bytes_per_token() / 1000);
    list.line("{:<18}   {}\n", "", model.source);
    if (!model.assumed.empty()) {
      list.line("{:<18}   assumed: {}\n", "", model.assumed);
    }
  }
  return list;
}

List gpus() {
  List list;
  for (const std::string_view name : config_names("gpus")) {
    const Gpu gpu = load_gpu(std::string(name));
    const auto or_null = [](const auto& peak) { return peak ? Json(*peak) : Json(nullptr); };
    list.rows.push_back({{"gpu", name},
                         {"description", gpu.description},
                         {"memory_bytes", gpu.memory_bytes},
                         {"memory_gb_s", gpu.memory_gb_s},
                         {"bf16_tflop_s", gpu.bf16_tflop_s},
                         {"fp8_tflop_s", or_null(gpu.fp8_tflop_s)},
                         {"fp4_tflop_s", or_null(gpu.fp4_tflop_s)},
                         {"source", gpu.source},
                         {"assumed", gpu.assumed}});
    std::string peaks = fmt::format("bf16 {}", gpu.bf16_tflop_s);
    peaks += gpu.fp8_tflop_s ? fmt::format(", fp8 {}", *gpu.fp8_tflop_s) : "";
    peaks += gpu.fp4_tflop_s ? fmt::format(", fp4 {}", *gpu.fp4_tflop_s) : "";
    list.line("{:<8} {}: {:.0f} GB at {} GB/s; {} TFLOP/s\n", name, gpu.description,
              static_cast<double>(gpu.memory_bytes) / 1e9, gpu.memory_gb_s, peaks);
    list.line("{:<8}   {}\n", "", gpu.source);
    if (!gpu.assumed.empty()) {
      list.line("{:<8}   assumed: {}\n", "", gpu.assumed);
    }
  }
  return list;
}

std::function<int()> add_list(CLI::App& app, const std::string& what, List (*make)()) {
  auto result = std::make_shared<Result>();
  result->add_options(app, "the list");
  return [result, what, make] {
    result->open();
    const List list = make();
    const auto json = [&] {
      const Json document = {{"schema", fmt::format("dsasim-{}/1", what)}, {what, list.rows}};
      return document.dump(2) + "\n";
    };
    result->write(json, [&] { return list.text; });
    return exit_done;
  };
}

}  // namespace

std::function<int()> add_policies(CLI::App& app) {
  return add_list(app, "policies", policies);
}

std::function<int()> add_memories(CLI::App& app) {
  return add_list(app, "memories", memories);
}

std::function<int()> add_models(CLI::App& app) {
  return add_list(app, "models", models);
}

std::function<int()> add_gpus(CLI::App& app) {
  return add_list(app, "gpus", gpus);
}

}  // namespace dsasim::tool
