#include "dsasim/error.hpp"
#include "dsasim/llc/llc.hpp"
#include "llc/llc_spec.hpp"
#include "llc/no_llc.hpp"
#include "llc/policy/lru.hpp"
#include "llc/policy/random.hpp"
#include "llc/policy/srrip.hpp"
#include "llc/policy/tree_plru.hpp"
#include "llc/set_associative.hpp"

#include <algorithm>

namespace dsasim {
namespace {

/// The nearest number of ways to this part of the bytes, but at least one marked way and one that is not.
std::uint32_t marked_ways(const LlcSpec& spec, std::uint64_t ordinary_bytes, std::uint64_t set_aside_bytes) {
  if (set_aside_bytes == 0) {
    return 0;
  }
  if (spec.ways == 1) {
    throw ConfigError("`llc`", "ways: expected at least 2 for a set-aside, found 1");
  }
  const std::uint64_t nearest = (2 * set_aside_bytes * spec.ways + ordinary_bytes) / (2 * ordinary_bytes);
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(nearest, 1, spec.ways - 1));
}

template <class Policy>
std::unique_ptr<Llc> make(const LlcSpec& spec, std::uint32_t sets, std::uint32_t marked_quota) {
  return std::make_unique<SetAssociative<Policy>>(spec, sets, marked_quota);
}

}  // namespace

LlcReads& LlcReads::operator+=(const LlcReads& more) noexcept {
  rows += more.rows;
  hit_rows += more.hit_rows;
  sectors += more.sectors;
  hit_sectors += more.hit_sectors;
  lines += more.lines;
  hit_lines += more.hit_lines;
  return *this;
}

std::unique_ptr<Llc> make_llc(const LlcSpec& spec, std::uint64_t reserved_bytes, std::uint64_t set_aside_bytes) {
  check(spec);
  if (reserved_bytes > spec.bytes) {
    throw ConfigError("`llc`", "{} bytes are to be reserved, of a cache of {}", reserved_bytes, spec.bytes);
  }
  const std::uint64_t ordinary_bytes = spec.bytes - reserved_bytes;
  if (set_aside_bytes > ordinary_bytes) {
    throw ConfigError("`llc`", "{} bytes are to be set aside, of the {} that no reservation takes", set_aside_bytes,
                      ordinary_bytes);
  }
  const std::uint32_t marked_quota = marked_ways(spec, ordinary_bytes, set_aside_bytes);
  const auto sets = static_cast<std::uint32_t>(ordinary_bytes / (std::uint64_t{spec.ways} * spec.line_bytes));
  if (sets == 0) {
    return std::make_unique<NoLlc>(spec);
  }
  switch (spec.policy) {
    case LlcPolicy::lru:
      return make<LruSets>(spec, sets, marked_quota);
    case LlcPolicy::tree_plru:
      return make<TreePlruSets>(spec, sets, marked_quota);
    case LlcPolicy::srrip:
      return make<SrripSets>(spec, sets, marked_quota);
    case LlcPolicy::random:
      return make<RandomSets>(spec, sets, marked_quota);
  }
  throw ConfigError("`llc`", "policy: expected lru, tree-plru, srrip or random");
}

}  // namespace dsasim
