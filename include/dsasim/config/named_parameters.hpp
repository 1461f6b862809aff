#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dsasim {

/// "NAME[,key=value...]", as --policy, --memory and --llc take it.
struct NamedParameters {
  std::string name;
  std::vector<std::pair<std::string, std::string>> parameters;  ///< as given, each key once
};

/// Takes it apart; what the name and the keys are is not looked at. Throws ConfigError(option, ...).
NamedParameters parse_named_parameters(std::string_view option, std::string_view text);

}  // namespace dsasim
