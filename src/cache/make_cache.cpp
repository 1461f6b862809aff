// The one place that instantiates the caches of the listed policies: one replay loop for each.

#include "cache/policy_list.hpp"
#include "dsasim/cache/all_policies.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <memory>
#include <tuple>

namespace dsasim {
namespace {

template <class... P>
constexpr auto rows_of(std::tuple<P...>* /*list*/) {
  return std::array{policy_row<P>()...};
}

constexpr auto listed = rows_of(static_cast<AllPolicies*>(nullptr));

bool is_row_of(const PolicyRow& row, const PolicySpec& spec) {
  if (spec.name != row.name) {
    return false;
  }
  for (const auto& [key, chosen] : spec.parameters) {
    if (key == atomic_parameter.key) {
      return (chosen == "step") == (row.replacement == Replacement::per_selection);
    }
  }
  return true;
}

}  // namespace

std::vector<PolicyRow> policy_rows() {
  std::vector<PolicyRow> rows = registered_policies();
  rows.insert(rows.begin(), listed.begin(), listed.end());
  return rows;
}

PolicyRow policy_row_of(const PolicySpec& spec) {
  const auto is_it = [&](const PolicyRow& row) { return is_row_of(row, spec); };
  if (const auto* const found = std::find_if(listed.begin(), listed.end(), is_it); found != listed.end()) {
    return *found;
  }
  const auto registered = registered_policies();
  const auto found = std::find_if(registered.begin(), registered.end(), is_it);
  assert(found != registered.end());
  return *found;
}

CacheBytes cache_bytes(const PolicySpec& spec, std::uint64_t slots) {
  return policy_row_of(complete_policy(spec)).bytes(slots);
}

std::unique_ptr<Cache> make_cache(const PolicySpec& spec, std::uint32_t capacity_entries,
                                  std::uint32_t directory_entries, std::uint64_t cache_number, const CacheUse& use) {
  const PolicySpec complete = complete_policy(spec);
  const PolicySetup setup{.capacity_entries = capacity_entries,
                          .directory_entries = directory_entries,
                          .longest_selection = use.longest_selection,
                          .cache_number = cache_number,
                          .spec = complete};
  return policy_row_of(complete).make(setup, use);
}

}  // namespace dsasim
