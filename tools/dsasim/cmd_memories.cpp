#include "command.hpp"

#include "dsasim/memory/memory_model.hpp"

#include <fmt/core.h>

namespace dsasim::tool {

std::function<int()> add_memories(CLI::App& /*app*/) {
  return [] {
    for (const MemoryDescription& model : memory_models()) {
      fmt::print("{:<10} {}\n{:<10}   {}\n", model.name, model.sentence, "", model.source);
    }
    for (const std::string_view name : config_names("memory")) {
      ConfigObject config = named_config("", "memory", std::string(name));
      fmt::print("{:<10} {}: {}\n", name, config.text("model"), config.text("description"));
    }
    return exit_done;
  };
}

}  // namespace dsasim::tool
