#include "command.hpp"

#include "dsasim/cache/policy_spec.hpp"

#include <fmt/core.h>

namespace dsasim::tool {

std::function<int()> add_policies(CLI::App& /*app*/) {
  return [] {
    for (const PolicyDescription& policy : policy_descriptions()) {
      fmt::print("{:<10} {}\n", policy.name, policy.sentence);
      for (const PolicyParameter& parameter : policy.parameters) {
        fmt::print("{:<10}   {}={} [{}]: {}\n", "", parameter.key, parameter.accepted, parameter.default_value,
                   parameter.description);
      }
      fmt::print("{:<10}   {}\n", "", policy.source);
    }
    return exit_done;
  };
}

}  // namespace dsasim::tool
