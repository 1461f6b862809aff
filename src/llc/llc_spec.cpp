// A last-level cache as it is written in an option, and what it may be.

#include "llc/llc_spec.hpp"

#include "dsasim/config/config_object.hpp"
#include "dsasim/config/named_parameters.hpp"
#include "dsasim/config/values.hpp"
#include "dsasim/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <utility>

namespace dsasim {
namespace {

constexpr std::string_view option = "`llc`";
constexpr std::uint64_t max_bytes = 4ULL << 30U;
constexpr std::uint32_t max_ways = 32;
constexpr std::uint32_t min_line_bytes = 64;
constexpr std::uint32_t max_line_bytes = 1024;
constexpr std::uint32_t max_sectors = 8;

constexpr std::array<std::pair<std::string_view, LlcPolicy>, 4> policy_names{{{"lru", LlcPolicy::lru},
                                                                              {"tree-plru", LlcPolicy::tree_plru},
                                                                              {"srrip", LlcPolicy::srrip},
                                                                              {"random", LlcPolicy::random}}};

LlcPolicy policy_of(std::string_view text) {
  for (const auto& [name, policy] : policy_names) {
    if (name == text) {
      return policy;
    }
  }
  throw ConfigError(option, "policy: expected lru, tree-plru, srrip or random, found \"{}\"", text);
}

}  // namespace

void check(const LlcSpec& spec) {
  if (spec.bytes > max_bytes) {
    throw ConfigError(option, "expected at most 4GiB, found {} bytes", spec.bytes);
  }
  if (spec.ways < 1 || spec.ways > max_ways) {
    throw ConfigError(option, "ways: expected 1 to {}, found {}", max_ways, spec.ways);
  }
  if (spec.policy == LlcPolicy::tree_plru && !std::has_single_bit(spec.ways)) {
    throw ConfigError(option, "ways: expected a power of two for tree-plru, found {}", spec.ways);
  }
  if (!std::has_single_bit(spec.line_bytes) || spec.line_bytes < min_line_bytes || spec.line_bytes > max_line_bytes) {
    throw ConfigError(option, "line_bytes: expected a power of two from {} to {}, found {}", min_line_bytes,
                      max_line_bytes, spec.line_bytes);
  }
  if (!std::has_single_bit(spec.sector_bytes) || spec.sector_bytes > spec.line_bytes ||
      spec.sector_bytes < spec.line_bytes / max_sectors) {
    throw ConfigError(option, "sector_bytes: expected a power of two from {} to {}, found {}",
                      spec.line_bytes / max_sectors, spec.line_bytes, spec.sector_bytes);
  }
}

LlcSpec parse_llc(std::string_view text) {
  const NamedParameters given = parse_named_parameters(option, text);
  LlcSpec spec;
  spec.bytes = parse_bytes(option, given.name, max_bytes);
  ConfigObject config = ConfigObject::parse(
      std::string(option),
      fmt::format(R"({{"ways": {}, "line_bytes": {}, "sector_bytes": {}, "policy": "lru", "seed": {}}})", spec.ways,
                  spec.line_bytes, spec.sector_bytes, spec.seed));
  for (const auto& [key, value] : given.parameters) {
    config.set(option, key, value);
  }
  const auto number = [&](std::string_view key) {
    return static_cast<std::uint32_t>(config.integer(key, 0, ~std::uint32_t{0}));
  };
  spec.ways = number("ways");
  spec.line_bytes = number("line_bytes");
  spec.sector_bytes = number("sector_bytes");
  spec.policy = policy_of(config.text("policy"));
  spec.seed = config.integer("seed", 0, ~std::uint64_t{0});
  check(spec);
  return spec;
}

std::string to_string(const LlcSpec& spec) {
  const auto* name = std::find_if(policy_names.begin(), policy_names.end(),
                                  [&](const auto& known) { return known.second == spec.policy; });
  return fmt::format("{},ways={},line_bytes={},sector_bytes={},policy={},seed={}", spec.bytes, spec.ways,
                     spec.line_bytes, spec.sector_bytes, name->first, spec.seed);
}

}  // namespace dsasim
