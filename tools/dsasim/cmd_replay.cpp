#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "replay_options.hpp"
#include "result.hpp"

#include "dsasim/replay/replay.hpp"
#include "dsasim/report/prometheus.hpp"
#include "dsasim/report/report.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dsasim::tool {
namespace {

struct Options : ReplayRun {
  std::string capacities_from;
  Result result;
  std::string per_step;
  std::string step_times;
  std::string prometheus;
};

/// The capacities that another command found, or that somebody wrote: {"capacity_entries": [256, 512, ...]}.
std::vector<std::uint64_t> read_capacities(const std::string& path, Scope scope) {
  ConfigObject file = ConfigObject::read(path);
  if (file.has("config")) {  // by allocate
    const std::string found = file.object("config").text("scope");
    const auto* asked =
        std::find_if(scope_names.begin(), scope_names.end(), [&](const auto& name) { return name.second == scope; });
    if (found != asked->first) {
      throw ConfigError("--scope", "{} has capacities of scope {}, found {}", path, found, asked->first);
    }
  }
  auto capacities = file.integers("capacity_entries", 0, std::numeric_limits<std::int64_t>::max());
  if (capacities.empty()) {
    throw ConfigError(path, "/capacity_entries: expected at least one number, found none");
  }
  return capacities;
}

/// Capacities are rounded down, to 0 too.
void warn_of_no_entry(const EffectiveConfig& effective) {
  const Capacity& capacity = effective.asked.capacity;
  const auto& entries = effective.capacity_entries;
  if (!capacity.is_zero() &&
      std::all_of(entries.begin(), entries.end(), [](std::uint64_t count) { return count == 0; })) {
    spdlog::warn("{} {} is less than {} for each cache: every access misses",
                 capacity.is_budget() ? "--budget" : "--capacity", capacity.text(),
                 effective.asked.granularity.is_entry() ? "an entry" : "a block");
  }
}

/// Of those that `allocate` wrote. To try them on another trace is a fair question, but not one to be asked unawares.
void warn_of_another_trace(const std::string& path, const TraceReader& trace) {
  ConfigObject file = ConfigObject::read(path);
  if (!file.has("trace")) {
    return;
  }
  ConfigObject found = file.object("trace");
  if (found.has("replay_digest") && found.text("replay_digest") != replay_digest(trace.identity())) {
    spdlog::warn("{} has capacities that were found for another trace", path);
  }
}

/// Rows that are written during the replay, or after it. Without a path they are dropped.
class RowFile {
 public:
  RowFile(const char* option, const std::string& path, std::string_view header) : rows_(header) {
    if (!path.empty()) {
      output_.emplace(option, path);
    }
  }
  explicit operator bool() const noexcept { return output_.has_value(); }
  std::string& rows() noexcept { return rows_; }
  void write_if_many() {
    constexpr std::size_t buffer_bytes = 1U << 20U;
    if (rows_.size() > buffer_bytes) {
      output_->write(rows_);
      rows_.clear();
    }
  }
  void commit() {
    if (output_) {
      output_->write(rows_);
      output_->commit();
    }
  }

 private:
  std::optional<Output> output_;
  std::string rows_;
};

int run(Options& options) {
  options.rules.check();
  if (!options.capacities_from.empty()) {
    options.spec.config.capacity_list = read_capacities(options.capacities_from, options.spec.config.scope);
  }
  const TraceReader trace = open_trace(options.spec);
  const EffectiveConfig effective = effective_config(trace, options.spec.config);
  if (!options.capacities_from.empty()) {
    warn_of_another_trace(options.capacities_from, trace);
  }
  if (effective.asked.capacity_list.empty()) {
    warn_of_no_entry(effective);
  }
  options.result.open();
  RowFile per_step("--per-step", options.per_step, step_csv_header(effective));
  RowFile step_times("--step-times", options.step_times, step_times_csv_header);
  RowFile prometheus("--prometheus", options.prometheus, "");

  Progress progress("replay");
  ReplayHooks hooks;
  hooks.on_step = [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); };
  if (per_step) {
    hooks.on_row = [&](const StepRow& row) {
      append_step_csv(per_step.rows(), row, effective);
      per_step.write_if_many();
    };
  }
  if (step_times) {
    hooks.on_times = [&](const StepTimeRow& row) {
      append_step_times_csv(step_times.rows(), row);
      step_times.write_if_many();
    };
  }
  const ReplayResult result = replay(trace, options.spec.config, hooks, options.jobs);
  if (effective.llc && !make_memory(effective.memory).model->needs().llc) {
    spdlog::warn("--memory {} prices all that the reservation misses, whether the last-level cache holds it or not",
                 effective.memory_model);
  }
  per_step.commit();
  step_times.commit();
  if (prometheus) {
    prometheus.rows() = prometheus_of(report_json(trace, result));
    prometheus.commit();
  }
  if (!options.result.is_text() ||
      (options.per_step != "-" && options.step_times != "-" && options.prometheus != "-")) {
    options.result.write([&] { return report_json(trace, result); }, [&] { return report_table(trace, result); });
  }
  return exit_done;
}

}  // namespace

std::function<int()> add_replay(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_trace_argument(app, options->spec);
  add_replay_fields(app, *options,
                    {FieldGroup::cache, FieldGroup::workload, FieldGroup::memory, FieldGroup::llc, FieldGroup::step});
  add_text(app, "--capacities-from", options->capacities_from,
           "Instead of --capacity: of each layer or stream its own, as `dsasim allocate` wrote them")
      .type("FILE.json")
      .instead_of(find_option(app, "--capacity"))
      .instead_of(find_option(app, "--budget"));
  add_machine_options(app, options->jobs);
  options->result.add_options(app, "the report");
  add_output_option(app, "--per-step", options->per_step, "Write a CSV row for each step, layer and request", ".csv");
  add_output_option(app, "--step-times", options->step_times,
                    "Write a CSV row of times for each step and layer; needs --model", ".csv");
  add_output_option(app, "--prometheus", options->prometheus,
                    "Write hits, misses and bytes under the names that vLLM exports, in Prometheus' text format",
                    ".txt");
  options->rules.only_if(
      app, {"--step-times"}, [options = options.get()] { return options->spec.config.step.times_steps(); },
      "--model and --gpu with it");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
