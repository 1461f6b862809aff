#pragma once

#include "dsasim/allocate/allocate.hpp"

#include <string>
#include <string_view>

namespace dsasim {

inline constexpr std::string_view allocation_schema = "dsasim-allocation/1";

/// The splits as JSON, schema dsasim-allocation/1 (docs/allocate.md): a function of the trace's content and the
/// configuration alone. Its "capacity_entries" are what ReplayConfig::capacity_list takes. Ends with a newline.
std::string allocation_json(const TraceReader& trace, const AllocateResult& result);

/// For a person: the three splits, and who gets least and most of the optimal one.
std::string allocation_table(const TraceReader& trace, const AllocateResult& result);

}  // namespace dsasim
