#pragma once

#include "dsasim/replay/replay.hpp"

#include <fmt/format.h>

#include <string>
#include <vector>

namespace dsasim::test {

using Rows = std::vector<std::string>;

/// "accesses/misses/compulsory/evictions" of each row.
inline Rows rows_of(const TraceReader& trace, const ReplayConfig& config) {
  Rows rows;
  ReplayHooks hooks;
  hooks.on_row = [&](const StepRow& row) {
    const Counters& c = row.counters;
    rows.push_back(fmt::format("{}/{}/{}/{}", c.accesses, c.misses(), c.compulsory_misses, c.evictions));
  };
  replay(trace, config, hooks);
  return rows;
}

}  // namespace dsasim::test
