#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "replay_options.hpp"

#include "dsasim/export/export.hpp"

#include <spdlog/spdlog.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

namespace dsasim::tool {
namespace {

enum class Lines : std::uint8_t { all, misses };
constexpr std::array lines_names = {std::pair<std::string_view, Lines>{"all", Lines::all},
                                    std::pair<std::string_view, Lines>{"misses", Lines::misses}};

struct Options : ReplayRun {
  std::string to;
  std::string output;
  Lines lines = Lines::all;
};

std::string list_formats() {
  std::string list = "npz: a file a request, as import takes it";
  for (const ExportFormat& format : export_formats()) {
    list += fmt::format("\n{}: {}", format.name, format.sentence);
  }
  return list;
}

/// One request goes to the file that was named; several go to a folder, as req_<i>.npz. Each appears when it is whole.
void write_npz(const TraceReader& trace, const Options& options, const CLI::App& app) {
  namespace fs = std::filesystem;
  if (trace.request_count() == 1) {
    export_npz(trace, 0, options.output);
    return;
  }
  std::error_code error;
  if (!fs::is_directory(options.output, error) && !fs::create_directory(options.output, error)) {
    throw SystemError(options.output, "cannot be created as a folder for {} requests", trace.request_count());
  }
  const auto path_of = [&](std::uint32_t request) {
    return fs::path(options.output) / fmt::format("req_{}.npz", request);
  };
  Files files = files_of(app);
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    files.write("--output", path_of(request).string());
  }
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    export_npz(trace, request, path_of(request));
  }
}

/// What `export` writes and `import` refuses.
void warn_of_empty(const TraceReader& trace) {
  std::uint32_t empty = 0;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    empty += trace.extent(request).accesses == 0 ? 1U : 0U;
  }
  if (empty > 0) {
    spdlog::warn("{} of {} requests select nothing: `dsasim import` refuses their files", empty, trace.request_count());
  }
}

int run(Options options, const CLI::App& app) {
  options.rules.check();
  const TraceReader trace = open_trace(options.spec);
  if (options.to == "npz") {
    warn_of_empty(trace);
    if (options.output == "-") {
      throw ConfigError("--output", "npz cannot go to stdout; expected a file, or a folder for several requests");
    }
    write_npz(trace, options, app);
    return exit_done;
  }
  if (options.lines == Lines::all) {
    options.spec.config.capacity = Capacity::parse("0");  // every access misses
  } else {
    const Reservation all = effective_config(trace, options.spec.config).reservation;
    spdlog::info("{} caches hold {} entries together{}", all.caches, all.entries,
                 all.bytes ? fmt::format(", {} bytes", *all.bytes) : "");
  }
  Output output("--output", options.output);
  Progress progress("export");
  std::uint64_t written = 0;
  export_trace(trace, options.to, options.spec.config, [&](std::string_view bytes) {
    output.write(bytes);
    progress.update_bytes(written += bytes.size());
  });
  output.commit();
  return exit_done;
}

/// What each format is made of.
void add_format_rules(CLI::App& app, Options& options) {
  const auto rule = [&](std::initializer_list<std::string> names, auto applies, const char* expected) {
    options.rules.only_if(
        app, names, [&options, applies] { return applies(options); }, expected);
  };
  const auto addresses = [](const Options& o) { return o.to == "addresses"; };
  rule(
      {"--steps"}, [](const Options& o) { return o.to != "npz"; }, "a format other than npz, which has whole requests");
  rule(
      {"--order"}, [](const Options& o) { return o.to == "oracle-general" || o.to == "addresses"; },
      "--to oracle-general or addresses; the others keep the logged order");
  rule({"--lines", "--entry-bytes", "--warmup-steps", "--model", "--gpu", "--kernels", "--tp", "--kv-dtype"}, addresses,
       "--to addresses");
  rule(
      {"--policy", "--scope", "--capacity", "--budget", "--warm", "--new-token", "--resident-blocks", "--pin",
       "--granularity", "--llc", "--set-aside", "--llc-stream"},
      [](const Options& o) { return o.to == "addresses" && o.lines == Lines::misses; },
      "--to addresses --lines misses: all else is written whatever a cache holds");
}

}  // namespace

std::function<int()> add_export(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_trace_argument(app, options->spec);
  add_replay_fields(
      app, *options, {FieldGroup::cache, FieldGroup::workload, FieldGroup::llc, FieldGroup::step},
      {"prefetch", "ep", "dp-attention", "expert-spread", "host-ns", "energy", "overlap", "reservation-cost"});
  add_text(app, "--to", options->to, list_formats()).required().type("FORMAT");
  add_output_option(app, "-o,--output", options->output,
                    "File to write (- for stdout); a folder for npz of several requests")
      .required();
  add_choice(app, "--lines", options->lines,
             "addresses: lines of all rows, or of those that the replay of --policy and --capacity misses [all]",
             lines_names);
  add_format_rules(app, *options);
  return [options, &app] { return run(*options, app); };
}

}  // namespace dsasim::tool
