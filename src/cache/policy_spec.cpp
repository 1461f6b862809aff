// Policies by name: the parser, its messages, and what `dsasim policies` lists.

#include "dsasim/cache/policy_spec.hpp"

#include "config/whole_number.hpp"
#include "dsasim/cache/all_policies.hpp"
#include "dsasim/config/named_parameters.hpp"
#include "dsasim/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <iterator>
#include <utility>

namespace dsasim {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) {
      return parts;
    }
    text.remove_prefix(end + 1);
  }
}

const PolicyDescription& description_of(const std::vector<PolicyDescription>& known, std::string_view name,
                                        std::string_view where) {
  const auto found = std::ranges::find(known, name, &PolicyDescription::name);
  if (found == known.end()) {
    std::vector<std::string_view> names;
    std::ranges::transform(known, std::back_inserter(names), &PolicyDescription::name);
    throw ConfigError(where, "unknown policy \"{}\"; known: {}", name, fmt::join(names, ", "));
  }
  return *found;
}

const PolicyParameter& parameter_of(const PolicyDescription& policy, std::string_view key, std::string_view where) {
  const auto found = std::ranges::find(policy.parameters, key, &PolicyParameter::key);
  if (found == policy.parameters.end()) {
    std::vector<std::string_view> keys;
    std::ranges::transform(policy.parameters, std::back_inserter(keys), &PolicyParameter::key);
    throw ConfigError(where, "{}: unknown parameter \"{}\"; known: {}", policy.name, key,
                      keys.empty() ? "none" : fmt::format("{}", fmt::join(keys, ", ")));
  }
  return *found;
}

/// The value in the form in which reports show it ("7" for "007"). Throws if the parameter does not take it.
std::string checked_value(std::string_view policy, const PolicyParameter& parameter, std::string_view found,
                          std::string_view where) {
  if (const std::size_t dots = parameter.accepted.find(".."); dots != std::string_view::npos) {
    const auto low = whole_number(parameter.accepted.substr(0, dots));
    const auto high = whole_number(parameter.accepted.substr(dots + 2));
    assert(low && high);
    const auto number = whole_number(found);
    if (!number || *number < *low || *number > *high) {
      throw ConfigError(where, "{}: {}: expected an integer in {}, found \"{}\"", policy, parameter.key,
                        parameter.accepted, found);
    }
    return fmt::format("{}", *number);
  }
  const auto words = split(parameter.accepted, '|');
  if (std::ranges::find(words, found) == words.end()) {
    throw ConfigError(where, "{}: {}: expected {}, found \"{}\"", policy, parameter.key, fmt::join(words, " or "),
                      found);
  }
  return std::string(found);
}

}  // namespace

std::vector<PolicyDescription> policy_descriptions() {
  std::vector<PolicyDescription> descriptions;
  any_policy([&]<class P>() {
    if (descriptions.empty() || descriptions.back().name != P::name) {
      descriptions.push_back({P::name, P::sentence, P::source, {P::parameters.begin(), P::parameters.end()}});
    }
    return false;
  });
  return descriptions;
}

PolicySpec complete_policy(const PolicySpec& spec, std::string_view where) {
  const auto known = policy_descriptions();
  const PolicyDescription& policy = description_of(known, spec.name, where);
  PolicySpec complete{.name = spec.name, .parameters = {}};
  for (const PolicyParameter& parameter : policy.parameters) {
    complete.parameters.emplace_back(parameter.key, parameter.default_value);
  }
  for (const auto& [key, found] : spec.parameters) {
    const PolicyParameter& parameter = parameter_of(policy, key, where);
    std::ranges::find(complete.parameters, key, &std::pair<std::string, std::string>::first)->second =
        checked_value(policy.name, parameter, found, where);
  }
  return complete;
}

PolicySpec parse_policy(std::string_view text, std::string_view where) {
  description_of(policy_descriptions(), text.substr(0, text.find(',')), where);  // before complaining of its parameters
  NamedParameters given = parse_named_parameters(where, text);
  return complete_policy({.name = std::move(given.name), .parameters = std::move(given.parameters)}, where);
}

std::string to_string(const PolicySpec& spec) {
  std::string text = spec.name;
  for (const auto& [key, chosen] : spec.parameters) {
    text += fmt::format(",{}={}", key, chosen);
  }
  return text;
}

std::string_view parameter_value(const PolicySpec& spec, std::string_view key) noexcept {
  const auto found = std::ranges::find(spec.parameters, key, &std::pair<std::string, std::string>::first);
  assert(found != spec.parameters.end());
  return found->second;
}

PolicyNeeds policy_needs(const PolicySpec& spec) {
  const PolicySpec complete = complete_policy(spec);
  PolicyNeeds needs;
  any_policy([&]<class P>() {
    if (!is_policy_of<P>(complete)) {
      return false;
    }
    needs.whole_selection = P::replacement == Replacement::per_selection;
    if constexpr (AccessPolicy<P>) {
      needs.future = P::needs_future;
    }
    if constexpr (StepPolicy<P>) {
      needs.keeps_fitting_context = P::keeps_fitting_context;
    }
    return true;
  });
  return needs;
}

}  // namespace dsasim
