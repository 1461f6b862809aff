// A last-level cache as it is written in an option, and what it may be.

#include "llc/llc_spec.hpp"

#include "dsasim/config/bytes.hpp"
#include "dsasim/config/config_object.hpp"
#include "dsasim/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <utility>

namespace dsasim {
namespace {

constexpr std::string_view option = "--llc";
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

/// Takes "key=value,key=value" into `config`, whose keys are the known ones.
void set_parameters(std::string_view text, ConfigObject& config) {
  std::vector<std::string_view> given;
  while (!text.empty()) {
    text.remove_prefix(1);
    const std::string_view part = text.substr(0, text.find(','));
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      throw ConfigError(option, "expected BYTES[,key=value...], found \"{}\" among the parameters", part);
    }
    const std::string_view key = part.substr(0, equals);
    if (std::find(given.begin(), given.end(), key) != given.end()) {
      throw ConfigError(option, "{}: given twice", key);
    }
    given.push_back(key);
    config.set(option, key, part.substr(equals + 1));
    text.remove_prefix(part.size());
  }
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
  const std::string_view bytes = text.substr(0, text.find(','));
  LlcSpec spec;
  spec.bytes = parse_bytes(option, bytes, max_bytes);
  ConfigObject config = ConfigObject::parse(
      std::string(option),
      fmt::format(R"({{"ways": {}, "line_bytes": {}, "sector_bytes": {}, "policy": "lru", "seed": {}}})", spec.ways,
                  spec.line_bytes, spec.sector_bytes, spec.seed));
  set_parameters(text.substr(bytes.size()), config);
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
