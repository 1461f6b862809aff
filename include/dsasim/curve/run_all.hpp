#pragma once

#include "dsasim/replay/replay.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace dsasim {

/// What is wanted of a replay.
enum class Wanted : std::uint8_t {
  everything,
  misses,  ///< accesses, hits, compulsory misses and fetched rows, in all and by layer: those of one pass for lru
};

/// What a replay takes. Costs and bytes are estimates: they divide the work, and no result depends on them.
struct RunPlan {
  std::uint64_t accesses = 0;  ///< to replay
  std::uint64_t cost_ns = 1;   ///< on one thread of the machine of docs/performance.md
  std::uint64_t bytes = 0;     ///< of memory
  std::string family;          ///< runs of equal family can share one decoding of the trace
  bool is_stack = false;       ///< the family's misses can come from one pass
  std::uint64_t stack_bytes = 0;
};

RunPlan plan_run(const TraceReader& trace, const EffectiveConfig& config, Wanted wanted);

/// Runs that go together over one decoding: at most 16 and 1 GiB, except that one may be larger by itself; or, from one
/// pass, at most 1,024.
struct RunGroup {
  std::vector<std::size_t> runs;  ///< places among those that were grouped
  bool one_pass = false;
  std::uint64_t cost_ns = 0;
  std::uint64_t bytes = 0;
};

/// Groups of runs whose families are next to each other, the longest first; smaller ones where the jobs would otherwise
/// have nothing to share.
std::vector<RunGroup> group_runs(std::span<const RunPlan* const> runs, std::uint32_t jobs);

/// Replays one group: `configs` are those of its runs.
std::vector<ReplayResult> run_group(const TraceReader& trace, std::span<const ReplayConfig> configs, bool one_pass,
                                    const ReplayHooks& hooks, std::uint32_t jobs);

/// Replays a trace through any configurations, in their order. This is where it is decided what shares a decoding, a
/// look into the future or a pass, and what has to wait for memory. Rows that hooks get come group by group; what one
/// pass counts has none. `hooks.on_step` counts the steps of all groups. Throws as replay() does.
std::vector<ReplayResult> run_all(const TraceReader& trace, std::span<const ReplayConfig> configs, Wanted wanted,
                                  const ReplayHooks& hooks = {}, std::uint32_t jobs = 1);

}  // namespace dsasim
