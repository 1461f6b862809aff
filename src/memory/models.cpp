#include "dsasim/config/named_parameters.hpp"
#include "dsasim/config/names.hpp"
#include "dsasim/error.hpp"
#include "dsasim/memory/memory_model.hpp"
#include "memory/analytic.hpp"
#include "memory/hbm/hbm_memory.hpp"
#include "memory/host.hpp"
#include "memory/nvme.hpp"
#include "memory/serial.hpp"

#include <algorithm>
#include <array>

namespace dsasim {
namespace {

/// Keeps the time of any gather within what an integer of nanoseconds holds.
constexpr double max_miss_ns = 1e9;

std::unique_ptr<MemoryModel> make_serial(const MemorySpec& spec, ConfigObject& /*config*/) {
  const double miss_ns = spec.serial_miss_ns();
  if (!(miss_ns >= 0 && miss_ns <= max_miss_ns)) {
    throw ConfigError("`miss_ns`", "expected 0 to {:.0f} nanoseconds, found {}", max_miss_ns, miss_ns);
  }
  return std::make_unique<SerialMemory>(miss_ns);
}

std::unique_ptr<MemoryModel> make_hbm(const MemorySpec& /*spec*/, ConfigObject& config) {
  return std::make_unique<HbmMemory>(DramConfig::read(config));
}

std::unique_ptr<MemoryModel> make_analytic(const MemorySpec& /*spec*/, ConfigObject& config) {
  return std::make_unique<AnalyticMemory>(read_analytic(config));
}

std::unique_ptr<MemoryModel> make_host(const MemorySpec& /*spec*/, ConfigObject& config) {
  return std::make_unique<HostMemory>(read_host(config));
}

std::unique_ptr<MemoryModel> make_nvme(const MemorySpec& /*spec*/, ConfigObject& config) {
  return std::make_unique<NvmeMemory>(read_nvme(config));
}

constexpr std::array models = {
    MemoryDescription{.name = "serial",
                      .sentence = "Every missed page costs --miss-ns (200), one after the other: an upper bound.",
                      .source = "N. Levy, arXiv 2603.13430, Table 4",
                      .default_config = "",
                      .miss_time = "",
                      .make = make_serial},
    MemoryDescription{
        .name = "analytic",
        .sentence = "Overlapped misses on a GPU: a gather takes as long as its slowest miss or as its bytes.",
        .source = "this project, fitted to measurements of an NVIDIA H200 (docs/memory.md)",
        .default_config = "h200",
        .miss_time = "hbm_ns",
        .make = make_analytic},
    MemoryDescription{.name = "hbm",
                      .sentence = "Banks, rows, queues and refresh of HBM, from the addresses of the missed lines.",
                      .source = "JEDEC JESD235, JESD238; compared with DRAMsim3 and Ramulator 2.1 (docs/memory-hbm.md)",
                      .default_config = "hbm3",
                      .miss_time = "overhead_ns",
                      .make = make_hbm},
    MemoryDescription{.name = "host",
                      .sentence = "KV in host memory: each call and each byte over the link has its price.",
                      .source = "swap-in times of HiSparse, arXiv 2608.07009",
                      .default_config = "pcie5",
                      .miss_time = "call_ns",
                      .make = make_host},
    MemoryDescription{
        .name = "nvme",
        .sentence = "KV on drives: missed rows are read in whole blocks, as many a second as the drives can.",
        .source = "data sheets of drives (docs/memory.md)",
        .default_config = "pm1743",
        .miss_time = "latency_ns",
        .make = make_nvme},
};

const MemoryDescription* find_model(std::string_view name) {
  const auto* found = std::find_if(models.begin(), models.end(), [&](const auto& model) { return model.name == name; });
  return found == models.end() ? nullptr : found;
}

std::vector<std::string_view> known_names() {
  std::vector<std::string_view> names;
  std::transform(models.begin(), models.end(), std::back_inserter(names), [](const auto& model) { return model.name; });
  const auto configs = config_names("memory");
  names.insert(names.end(), configs.begin(), configs.end());
  return names;
}

ConfigObject open_memory_config(std::string_view option, const std::string& name) {
  const auto configs = config_names("memory");
  if (!is_config_file(name) && std::find(configs.begin(), configs.end(), name) == configs.end()) {
    throw ConfigError(option, "unknown memory model {}, or a FILE.json", unknown_name(name, known_names()));
  }
  return named_config(option, "memory", name);
}

/// The model that a configuration is for: its key "model".
const MemoryDescription& model_of(ConfigObject& config) {
  const std::string name = config.text("model");
  const MemoryDescription* model = find_model(name);
  if (model == nullptr || model->default_config.empty()) {
    throw ConfigError(config.where(), "/model: unknown memory model \"{}\"", name);
  }
  return *model;
}

}  // namespace

std::span<const MemoryDescription> memory_models() {
  return models;
}

MemorySpec parse_memory(std::string_view text, std::string_view option) {
  NamedParameters given = parse_named_parameters(option, text);
  MemorySpec spec;
  spec.option = option;
  spec.name = std::move(given.name);
  spec.parameters = std::move(given.parameters);
  return spec;
}

Memory make_memory(const MemorySpec& spec) {
  Memory memory;
  const MemoryDescription* model = find_model(spec.name.empty() ? "serial" : spec.name);
  if (model != nullptr && model->default_config.empty()) {
    if (!spec.parameters.empty()) {
      throw ConfigError(spec.option, "{} has no parameter \"{}\"", spec.name, spec.parameters.front().first);
    }
    ConfigObject none = ConfigObject::parse(spec.name, "{}");
    memory.model = model->make(spec, none);
  } else {
    memory.config = open_memory_config(spec.option, model != nullptr ? std::string(model->default_config) : spec.name);
    for (const auto& [key, value] : spec.parameters) {
      memory.config->set(spec.option, key, value);
    }
    model = &model_of(*memory.config);
    if (spec.miss_ns) {
      throw ConfigError("`miss_ns`", "is of `memory` serial alone; what a miss takes with {} is `memory` {},{}={}",
                        spec.name, spec.name, model->miss_time, *spec.miss_ns);
    }
    if (memory.config->has("energy")) {
      memory.energy = read_energy_cost(memory.config->object("energy"));
    }
    memory.model = model->make(spec, *memory.config);
    memory.config->refuse_unread();
  }
  memory.model_name = model->name;
  return memory;
}

}  // namespace dsasim
