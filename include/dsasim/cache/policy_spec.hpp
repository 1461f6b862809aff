#pragma once

#include "dsasim/cache/cache.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dsasim {

/// A policy and its parameters, as given: `lru`, `fifo,atomic=step`, `random,seed=7`. Parsed, checked against the list
/// of policies, with every parameter the policy has, defaults included, in the policy's order.
struct PolicySpec {
  std::string name = "lru";
  std::vector<std::pair<std::string, std::string>> parameters;

  friend bool operator==(const PolicySpec&, const PolicySpec&) = default;
};

/// Parses "NAME[,key=value...]". Throws ConfigError for an unknown policy (naming the known ones), an unknown key
/// (naming the policy's), a key given twice, or a value the key does not take (naming those it does). `where` begins
/// the message: the option, or "file: /json/pointer".
PolicySpec parse_policy(std::string_view text, std::string_view where = "--policy");

/// The same checks for a spec put together by hand, and its complete form: every parameter, in the policy's order.
PolicySpec complete_policy(const PolicySpec& spec, std::string_view where = "--policy");

/// The inverse of parse_policy: "fifo,atomic=step", parameters at their defaults included.
std::string to_string(const PolicySpec& spec);

/// The same without the parameters at their defaults: "fifo".
std::string short_name(const PolicySpec& spec);

/// One parameter of a policy, for `dsasim policies`.
struct PolicyParameter {
  std::string_view key;
  std::string_view default_value;
  /// Words and ranges of integers, "access|step", "all|0..65535", or a range of decimals, "0.0..1.0".
  std::string_view accepted;
  std::string_view description;
};

struct PolicyDescription {
  std::string_view name;
  std::string_view sentence;
  std::string_view source;  ///< paper or implementation
  std::vector<PolicyParameter> parameters;
};

/// All policies, in the order of the list in include/dsasim/cache/all_policies.hpp.
std::vector<PolicyDescription> policy_descriptions();

/// What the policy asks of the replay around it.
struct PolicyNeeds {
  bool future = false;           ///< foresee() before each select() and insert()
  bool whole_selection = false;  ///< a capacity above 0 and below the longest selection makes no sense
  bool one_stream = false;       ///< a cache of several streams makes no sense
  bool scores = false;           ///< SelectionOrigin::scores
  /// A stream's context that fits its cache is kept as it is, if the newest entry has a slot of its own (--new-token
  /// pinned): position p in slot p, no misses, no replacement.
  bool keeps_fitting_context = false;
};
PolicyNeeds policy_needs(const PolicySpec& spec);

/// True if its caches can forget entries: Cache::forget().
bool can_forget(const PolicySpec& spec);

/// True if the policy evicts the least recently used entry: its misses at all capacities come from one pass.
bool evicts_least_recent(const PolicySpec& spec);

/// The bound of a policy: Belady's (1966), of those that replace in the same way. A policy that replaces by selection
/// keeps what the current selection names, and so does its bound.
PolicySpec bound_of(const PolicySpec& spec);

/// About what an access takes on one thread, without decoding (docs/performance.md). No result depends on it.
double policy_access_ns(const PolicySpec& spec);

/// What a cache may rely on in the selections that it will be given; nothing by default.
struct CacheUse {
  bool sets = false;  ///< every one comes with its set, and nothing is inserted after the first
  std::uint32_t streams = 0;
  std::uint32_t longest_selection = 0;
};

/// What a cache keeps: arrays over its directory, which take memory where entries are used, and its slots.
struct CacheBytes {
  std::uint32_t arrays = 1;
  double place_bytes = 0;  ///< of one place of each array
  double slot_bytes = 0;   ///< of all its slots
};
CacheBytes cache_bytes(const PolicySpec& spec, std::uint64_t slots);

/// One cache. `capacity_entries` of at least 1 (a capacity of 0 is not a cache: the replay counts every access as a
/// miss); `directory_entries` is the number of (stream, id) places; `cache_number` seeds `random`.
std::unique_ptr<Cache> make_cache(const PolicySpec& spec, std::uint32_t capacity_entries,
                                  std::uint32_t directory_entries, std::uint64_t cache_number,
                                  const CacheUse& use = {});

}  // namespace dsasim
