#pragma once

#include "dsasim/replay/replay.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <functional>
#include <string>

// What the commands that replay a trace have in common.

namespace dsasim::tool {

struct ReplayRun {
  std::string trace;
  ReplayConfig config;
  bool allow_truncated = false;
  std::uint32_t jobs = 1;
};

/// TRACE, and all that says what is replayed and how; `add_capacity` adds the capacity, or capacities, in its place.
void add_replay_options(CLI::App& app, ReplayRun& run, const std::function<void()>& add_capacity);

/// Threads, which change no result.
void add_jobs_option(CLI::App& app, std::uint32_t& jobs);

/// All that decides the result of `replay`, and a point of a sweep.
void add_replay_point_options(CLI::App& app, ReplayRun& run);

/// What missed pages are, and what they cost.
void add_page_and_memory_options(CLI::App& app, ReplayConfig& config);

/// Opens the trace; a person is told if it is cut off.
TraceReader open_trace(const ReplayRun& run);

}  // namespace dsasim::tool
