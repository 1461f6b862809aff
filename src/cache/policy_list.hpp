#pragma once

#include "dsasim/cache/policy_row.hpp"

#include <vector>

namespace dsasim {

/// Those of AllPolicies, then those that were registered, in the order in which they were.
std::vector<PolicyRow> policy_rows();
std::vector<PolicyRow> registered_policies();

/// The policy that a complete spec names; the parameter `atomic` chooses among those of one name.
PolicyRow policy_row_of(const PolicySpec& spec);

}  // namespace dsasim
