// Policies by name: the parser, its messages, and what `dsasim policies` lists.

#include "dsasim/cache/policy_spec.hpp"

#include "cache/policy_list.hpp"
#include "dsasim/cache/policy_plugin.hpp"
#include "dsasim/config/named_parameters.hpp"
#include "dsasim/config/names.hpp"
#include "dsasim/config/number_of.hpp"
#include "dsasim/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <iterator>
#include <optional>
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
  const auto found = std::ranges::find_if(known, [&](const auto& policy) { return is_name(name, policy.name); });
  if (found == known.end()) {
    std::vector<std::string_view> names;
    std::ranges::transform(known, std::back_inserter(names), &PolicyDescription::name);
    throw ConfigError(where, "unknown policy {}", unknown_name(name, names));
  }
  return *found;
}

const PolicyParameter& parameter_of(const PolicyDescription& policy, std::string_view key, std::string_view where) {
  const auto found = std::ranges::find(policy.parameters, key, &PolicyParameter::key);
  if (found == policy.parameters.end()) {
    std::vector<std::string_view> keys;
    std::ranges::transform(policy.parameters, std::back_inserter(keys), &PolicyParameter::key);
    throw ConfigError(where, "{}: unknown parameter {}", policy.name,
                      keys.empty() ? fmt::format("\"{}\"; known: none", key) : unknown_name(key, keys));
  }
  return *found;
}

/// What the digits say, if they are a decimal number and nothing else.
std::optional<double> decimal_number(std::string_view digits) noexcept {
  const bool plain = digits.find_first_not_of("0123456789.") == std::string_view::npos;
  return plain ? number_of<double>(digits) : std::nullopt;
}

/// The value in the form in which reports show it ("7" for "007"), if the range "low..high" takes it.
std::optional<std::string> in_range(std::string_view range, std::string_view found) {
  const std::size_t dots = range.find("..");
  const std::string_view low = range.substr(0, dots);
  const std::string_view high = range.substr(dots + 2);
  if (low.find('.') != std::string_view::npos) {
    const auto number = decimal_number(found);
    return number && *number >= *decimal_number(low) && *number <= *decimal_number(high)
               ? std::optional(fmt::format("{}", *number))
               : std::nullopt;
  }
  const auto number = number_of<std::uint64_t>(found);
  return number && *number >= *number_of<std::uint64_t>(low) && *number <= *number_of<std::uint64_t>(high)
             ? std::optional(fmt::format("{}", *number))
             : std::nullopt;
}

/// The value in the form in which reports show it. Throws if the parameter does not take it.
std::string checked_value(std::string_view policy, const PolicyParameter& parameter, std::string_view found,
                          std::string_view where) {
  const auto accepted = split(parameter.accepted, '|');
  std::vector<std::string> expected;
  for (const std::string_view one : accepted) {
    const bool is_range = one.find("..") != std::string_view::npos;
    const auto taken = is_range       ? in_range(one, found)
                       : one == found ? std::optional(std::string(found))
                                      : std::nullopt;
    if (taken) {
      return *taken;
    }
    const std::string_view kind =
        one.substr(0, one.find("..")).find('.') == std::string_view::npos ? "an integer" : "a number";
    expected.push_back(is_range ? fmt::format("{} in {}", kind, one) : std::string(one));
  }
  throw ConfigError(where, "{}: {}: expected {}, found \"{}\"", policy, parameter.key, fmt::join(expected, " or "),
                    found);
}

}  // namespace

std::vector<PolicyDescription> policy_descriptions() {
  std::vector<PolicyDescription> descriptions;
  for (const PolicyRow& row : policy_rows()) {
    if (descriptions.empty() || descriptions.back().name != row.name) {
      descriptions.push_back({row.name, row.sentence, row.source, {row.parameters.begin(), row.parameters.end()}});
    }
  }
  return descriptions;
}

PolicySpec complete_policy(const PolicySpec& spec, std::string_view where) {
  const auto known = policy_descriptions();
  const PolicyDescription& policy = description_of(known, spec.name, where);
  PolicySpec complete{.name = std::string(policy.name), .parameters = {}};
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
  std::string name(text.substr(0, text.find(',')));
  const std::string_view rest = text.substr(name.size());
  if (name.ends_with(".so")) {
    name = load_policy(name, where);
  }
  description_of(policy_descriptions(), name, where);  // before complaining of its parameters
  NamedParameters given = parse_named_parameters(where, name.append(rest));
  return complete_policy({.name = std::move(given.name), .parameters = std::move(given.parameters)}, where);
}

std::string to_string(const PolicySpec& spec) {
  std::string text = spec.name;
  for (const auto& [key, chosen] : spec.parameters) {
    text += fmt::format(",{}={}", key, chosen);
  }
  return text;
}

std::string short_name(const PolicySpec& spec) {
  const PolicySpec complete = complete_policy(spec);
  PolicySpec shorter{.name = spec.name, .parameters = {}};
  for (const auto& parameter : complete.parameters) {
    PolicySpec with = shorter;
    with.parameters.push_back(parameter);
    if (complete_policy(with) != complete_policy(shorter)) {
      shorter = std::move(with);
    }
  }
  return to_string(shorter);
}

std::string_view parameter_value(const PolicySpec& spec, std::string_view key) noexcept {
  const auto found = std::ranges::find(spec.parameters, key, &std::pair<std::string, std::string>::first);
  assert(found != spec.parameters.end());
  return found->second;
}

std::uint64_t integer_value(const PolicySpec& spec, std::string_view key) noexcept {
  const auto number = number_of<std::uint64_t>(parameter_value(spec, key));
  assert(number);
  return *number;
}

double decimal_value(const PolicySpec& spec, std::string_view key) noexcept {
  const auto number = decimal_number(parameter_value(spec, key));
  assert(number);
  return *number;
}

PolicyNeeds policy_needs(const PolicySpec& spec) {
  return policy_row_of(complete_policy(spec)).needs;
}

bool can_forget(const PolicySpec& spec) {
  return policy_row_of(complete_policy(spec)).can_forget;
}

bool evicts_least_recent(const PolicySpec& spec) {
  return policy_row_of(complete_policy(spec)).evicts_least_recent;
}

PolicySpec bound_of(const PolicySpec& spec) {
  // With these, a policy need not admit what it fetches.
  const auto complete = complete_policy(spec).parameters;
  const bool may_refuse = std::any_of(complete.begin(), complete.end(), [](const auto& parameter) {
    return (parameter.first == "bypass" || parameter.first == "staging") && parameter.second != "0";
  });
  return complete_policy({.name = "belady",
                          .parameters = {{"atomic", policy_needs(spec).whole_selection ? "step" : "access"},
                                         {"bypass", may_refuse ? "1" : "0"}}});
}

double policy_access_ns(const PolicySpec& spec) {
  return policy_row_of(complete_policy(spec)).access_ns;
}

}  // namespace dsasim
