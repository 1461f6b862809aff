#include "replay_options.hpp"

#include "options.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <thread>

namespace dsasim::tool {
namespace {

const char* title_of(FieldGroup group) {
  switch (group) {
    case FieldGroup::cache:
      return "Cache";
    case FieldGroup::workload:
      return "Part of the trace";
    case FieldGroup::memory:
      return "Memory";
    case FieldGroup::llc:
      return "Last-level cache";
    case FieldGroup::step:
      break;
  }
  return "Decode step";
}

Option add_field(CLI::App& app, ReplaySpec& spec, const ReplayField& field) {
  const std::string option = option_of(field.name);
  const std::string sentence = with_options(field.sentence);
  const auto set = [&spec, set_field = field.set](const std::string& text) { set_field(spec, text); };
  return field.values.empty() ? add_flag(app, option, set, sentence)
                              : add_option(app, option, set, sentence).type(field.values);
}

}  // namespace

void add_trace_argument(CLI::App& app, ReplaySpec& spec) {
  add_text(app, std::string(trace_field), spec.trace, "Trace to replay (.dsat)").required().type("TRACE");
}

std::vector<std::string> add_replay_fields(CLI::App& app, ReplayRun& run, std::initializer_list<FieldGroup> groups,
                                           std::initializer_list<std::string_view> without) {
  const auto contains = [](const auto& list, const auto& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
  };
  std::vector<std::string> options;
  for (const ReplayField& field : replay_fields()) {
    if (!contains(groups, field.group) || contains(without, field.name)) {
      continue;
    }
    const Option option = add_field(app, run.spec, field).group(title_of(field.group));
    options.push_back(option.name());
    if (!field.instead_of.empty()) {
      option.instead_of(find_option(app, option_of(field.instead_of)));
    }
    if (field.has_effect != nullptr) {
      run.rules.only_if(
          app, {option.name()}, [&run, &field] { return field.has_effect(run.spec); }, with_options(field.needs));
    }
  }
  return options;
}

void add_machine_options(CLI::App& app, std::uint32_t& jobs) {
  const auto set = [&jobs](const std::string& text) {
    constexpr std::uint32_t most = 4096;
    jobs = is_name(text, "auto") ? std::clamp(std::thread::hardware_concurrency(), 1U, most)
                                 : parse_number<std::uint32_t>("--jobs", text, 1, most);
  };
  add_option(app, "--jobs", set, "Threads; results do not depend on it. auto: one for each processor [1]")
      .type("N|auto");
  const auto limit = [](const std::string& text) {
    ::setenv("DSASIM_MEMORY_BYTES", std::to_string(parse_bytes("--memory-limit", text, UINT64_MAX)).c_str(), 1);
  };
  add_option(app, "--memory-limit", limit,
             "Refuse, or end, what holds more memory [$DSASIM_MEMORY_BYTES, the control group's or the machine's]")
      .type("BYTES");
}

void add_policies_option(CLI::App& app, std::vector<PolicySpec>& policies, std::string_view defaults) {
  add_option(
      app, "--policy",
      [&policies](const std::string& text) {
        policies.clear();
        for (std::size_t at = 0; at <= text.size();) {
          const std::size_t end = std::min(text.find('\n', at), text.size());
          policies.push_back(parse_policy(std::string_view(text).substr(at, end - at)));
          at = end + 1;
        }
      },
      fmt::format("Replacement policy; repeat the option for several [{}]", defaults))
      .type("NAME[,key=value...]")
      .list();
}

void add_capacities_options(CLI::App& app, std::vector<Capacity>& capacities, const std::string& description) {
  const auto add = [&](const std::string& option, auto parse, const std::string& text) {
    const auto set = [&capacities, option, parse](const std::string& list) {
      capacities.clear();
      for (const std::string_view item : list_items(list)) {
        capacities.push_back(parse(item, option));
      }
    };
    return add_option(app, option, set, text).type("CAP,...").group(title_of(FieldGroup::cache)).list();
  };
  add("--capacities", Capacity::parse, description)
      .instead_of(add(
          "--budgets", Capacity::parse_budget,
          "Instead of --capacities: of all caches together, shared out evenly, in entries or bytes (65536, 20MiB)"));
}

TraceReader open_trace(const ReplaySpec& spec) {
  TraceReader trace(spec.trace, {.allow_truncated = spec.allow_truncated});
  if (trace.truncated()) {
    spdlog::warn("{} is cut off; replaying its {} whole chunks", trace.name(), trace.chunk_count());
  }
  return trace;
}

OpenTraces open_traces(const std::vector<std::string>& paths, ReplaySpec spec) {
  OpenTraces open;
  open.traces.reserve(paths.size());
  open.views.reserve(paths.size());
  for (const std::string& path : paths) {
    spec.trace = path;
    open.views.push_back(&open.traces.emplace_back(open_trace(spec)));
  }
  return open;
}

}  // namespace dsasim::tool
