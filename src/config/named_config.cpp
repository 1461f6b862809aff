#include "config/embedded.hpp"
#include "dsasim/config/config_object.hpp"
#include "dsasim/config/names.hpp"
#include "dsasim/error.hpp"

#include <algorithm>

namespace dsasim {

std::vector<std::string_view> config_names(std::string_view folder) {
  std::vector<std::string_view> names;
  for (const EmbeddedConfig& config : embedded_configs()) {
    if (config.folder == folder) {
      names.push_back(config.name);
    }
  }
  return names;
}

bool is_config_file(std::string_view name) noexcept {
  return name.find('/') != std::string_view::npos || name.ends_with(".json");
}

ConfigObject named_config(std::string_view option, std::string_view folder, const std::string& name) {
  if (is_config_file(name)) {
    return ConfigObject::read(name);
  }
  const auto configs = embedded_configs();
  const auto found = std::find_if(configs.begin(), configs.end(), [&](const EmbeddedConfig& config) {
    return config.folder == folder && config.name == name;
  });
  if (found == configs.end()) {
    throw ConfigError(option, "unknown name {}, or a FILE.json", unknown_name(name, config_names(folder)));
  }
  return ConfigObject::parse(fmt::format("{}.json", name), found->text);
}

std::string config_title(std::string_view name) {
  name.remove_prefix(name.find_last_of('/') + 1);  // npos + 1 is 0
  constexpr std::string_view extension = ".json";
  return std::string(name.substr(0, name.size() - (name.ends_with(extension) ? extension.size() : 0)));
}

}  // namespace dsasim
