#pragma once

#include "options.hpp"

#include "dsasim/replay/fields.hpp"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

// What the commands that replay a trace have in common.

namespace dsasim::tool {

struct ReplayRun {
  ReplaySpec spec;
  std::uint32_t jobs = 1;
  OptionRules rules;
};

/// TRACE.
void add_trace_argument(CLI::App& app, ReplaySpec& spec);

/// The options of these groups of fields, but those in whose place a command has its own. Returns their names.
std::vector<std::string> add_replay_fields(CLI::App& app, ReplayRun& run, std::initializer_list<FieldGroup> groups,
                                           std::initializer_list<std::string_view> without = {});

/// --policy, once for each policy, since policies have commas in them. `defaults` are shown; they are set by the
/// caller.
void add_policies_option(CLI::App& app, std::vector<PolicySpec>& policies, std::string_view defaults);

/// --capacities or --budgets: a list.
void add_capacities_options(CLI::App& app, std::vector<Capacity>& capacities, const std::string& description);

/// --jobs and --memory-limit: what a command may take of the machine, which changes no result.
void add_machine_options(CLI::App& app, std::uint32_t& jobs);

/// Opens the trace; a person is told if it is cut off.
TraceReader open_trace(const ReplaySpec& spec);

/// Several traces, as the library takes them.
struct OpenTraces {
  std::vector<TraceReader> traces;
  std::vector<const TraceReader*> views;
};
/// `spec` with each of the paths in the place of its trace.
OpenTraces open_traces(const std::vector<std::string>& paths, ReplaySpec spec);

}  // namespace dsasim::tool
