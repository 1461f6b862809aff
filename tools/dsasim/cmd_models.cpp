#include "command.hpp"

#include "dsasim/model/model.hpp"

#include <fmt/core.h>

#include <string>

namespace dsasim::tool {

std::function<int()> add_models(CLI::App& /*app*/) {
  return [] {
    constexpr double giga = 1e9;
    for (const std::string_view name : config_names("models")) {
      const Model model = load_model(std::string(name));
      fmt::print("{:<18} {}: {:.1f}G parameters ({:.1f}G active), {} layers, {:.1f} kB of KV a token\n", name,
                 model.description, static_cast<double>(model.parameters()) / giga,
                 static_cast<double>(model.active_parameters()) / giga, model.layers.size(),
                 model.kv_bytes_per_token() / 1000);
      fmt::print("{:<18}   {}\n", "", model.source);
      if (!model.assumed.empty()) {
        fmt::print("{:<18}   assumed: {}\n", "", model.assumed);
      }
    }
    return exit_done;
  };
}

}  // namespace dsasim::tool
