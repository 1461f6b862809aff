#pragma once

// A random batch and what to do with it: everything that the differential tests draw comes from here.

#include "dsasim/allocate/allocate.hpp"
#include "dsasim/replay/replay.hpp"
#include "replay/reference_replay.hpp"
#include "replay/small_traces.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace dsasim::test {

/// A budget and the bounds within which allocate() splits it.
struct BudgetDraw {
  std::uint64_t amount = 0;  ///< entries of all caches, or bytes
  bool in_bytes = false;
  std::uint64_t least = 0;
  std::uint64_t most = 0;
  std::uint64_t granularity = 1;
  Over over = Over::layers;
  Minimise minimise = Minimise::misses;
};

struct RandomCase {
  std::uint64_t seed = 0;
  PlainTrace trace;
  std::uint32_t chunk_steps = 1;
  ReplayConfig config;                    ///< all but the capacity; a list of capacities comes before the one below
  std::vector<PlainCapacity> capacities;  ///< the first is the replay's, all are the curve's
  std::vector<PolicySpec> policies;       ///< replayed together, at scopes and capacities in turn
  BudgetDraw budget;
  std::uint32_t jobs = 1;
};

RandomCase random_case(std::uint64_t seed);

/// The same case with something left out or set to its default, in each way that is left: for a smaller one that fails.
std::vector<RandomCase> simpler(const RandomCase& from);

/// In which a command repeats the case by hand, on the trace at `path`.
std::string replay_command(const RandomCase& drawn, const std::filesystem::path& path);
std::string curve_command(const RandomCase& drawn, const std::filesystem::path& path);
std::string allocate_command(const RandomCase& drawn, const std::filesystem::path& path);
/// The header and the selections, a line for each request and step.
std::string trace_text(const PlainTrace& trace);

}  // namespace dsasim::test
