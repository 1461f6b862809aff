#pragma once

#include "dsasim/config/config_object.hpp"
#include "model/checkpoint.hpp"

#include <optional>
#include <string>

namespace dsasim {

/// What --model names: a configuration of ours, or a checkpoint's. One of the two.
struct ModelFile {
  std::string name;
  std::optional<ConfigObject> config = {};
  std::optional<Checkpoint> checkpoint = {};
};

/// Throws ConfigError, for a file that is neither too.
ModelFile open_model(const std::string& name);

Model model_of(const ModelFile& file);

}  // namespace dsasim
