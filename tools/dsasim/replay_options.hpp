#pragma once

#include "options.hpp"

#include "dsasim/replay/replay.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

// What the commands that replay a trace have in common.

namespace dsasim::tool {

struct ReplayRun {
  std::string trace;
  ReplayConfig config;
  bool allow_truncated = false;
  std::uint32_t jobs = 1;
  OptionRules rules;
};

/// What a command adds in the places of options that differ from command to command.
struct ReplayOptionsInstead {
  std::function<void()> add_policy = {};  ///< none: one policy
  std::function<void()> add_capacity = {};
};

/// TRACE, and all that says what is replayed and how.
void add_replay_options(CLI::App& app, ReplayRun& run, const ReplayOptionsInstead& instead);

/// --capacities or --budgets: a list.
void add_capacities_options(CLI::App& app, std::vector<Capacity>& capacities, const std::string& description);

/// Threads, which change no result.
void add_jobs_option(CLI::App& app, std::uint32_t& jobs);

/// All that decides the result of `replay`, and a point of a sweep.
void add_replay_point_options(CLI::App& app, ReplayRun& run);

/// What missed pages are, and what they cost.
void add_page_and_memory_options(CLI::App& app, ReplayConfig& config);

/// Whether the memory prices pages: serial does, the others price rows.
bool prices_pages(const ReplayConfig& config);

/// The model and the GPU of a decode step.
void add_step_options(CLI::App& app, StepSpec& step, OptionRules& rules);

/// Opens the trace; a person is told if it is cut off.
TraceReader open_trace(const ReplayRun& run);

}  // namespace dsasim::tool
