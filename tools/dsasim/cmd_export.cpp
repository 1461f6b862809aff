#include "command.hpp"
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
void write_npz(const TraceReader& trace, const Options& options) {
  namespace fs = std::filesystem;
  const bool one = trace.request_count() == 1;
  std::error_code error;
  if (!one && !fs::is_directory(options.output, error) && !fs::create_directory(options.output, error)) {
    throw SystemError(options.output, "cannot be created as a folder for {} requests", trace.request_count());
  }
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    const fs::path path =
        one ? fs::path(options.output) : fs::path(options.output) / fmt::format("req_{}.npz", request);
    export_npz(trace, request, path);
  }
}

/// What goes out and does not come back.
void warn_of_empty(const TraceReader& trace) {
  std::uint32_t empty = 0;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    empty += trace.extent(request).accesses == 0 ? 1U : 0U;
  }
  if (empty > 0) {
    spdlog::warn("{} of {} requests select nothing: `dsasim import` refuses their files", empty, trace.request_count());
  }
}

int run(Options options) {
  refuse_same_file("--output", options.output, "the trace itself", options.trace);
  const TraceReader trace = open_trace(options);
  if (options.to == "npz") {
    warn_of_empty(trace);
    if (options.output == "-") {
      throw ConfigError("--output", "npz cannot go to stdout; expected a file, or a folder for several requests");
    }
    if (options.config.steps) {
      throw ConfigError("--steps", "npz has whole requests; expected no --steps");
    }
    write_npz(trace, options);
    return exit_done;
  }
  if (options.lines == Lines::all) {
    options.config.capacity = Capacity::parse("0");  // every access misses
    options.config.policy = {};
  }
  Output output("--output", options.output);
  export_trace(trace, options.to, options.config, [&](std::string_view bytes) { output.write(bytes); });
  output.commit();
  return exit_done;
}

}  // namespace

std::function<int()> add_export(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_replay_point_options(app, *options);
  app.add_option("--to", options->to, list_formats())->required()->type_name("FORMAT");
  app.add_option("-o,--output", options->output, "File to write (- for stdout); a folder for npz of several requests")
      ->required()
      ->type_name("OUT");
  add_choice(app, "--lines", options->lines,
             "addresses: lines of all rows, or of those that the replay of --policy and --capacity misses [all]",
             lines_names);
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
