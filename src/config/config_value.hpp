#pragma once

#include "dsasim/config/config_object.hpp"

#include <nlohmann/json.hpp>

namespace dsasim {

/// What a ConfigObject holds: public headers do not name the library that parses it.
struct ConfigObject::Value {
  nlohmann::ordered_json json;
};

}  // namespace dsasim
