#include "command.hpp"
#include "files.hpp"
#include "output.hpp"
#include "result.hpp"

#include "dsasim/error.hpp"
#include "dsasim/sweep/sweep.hpp"

#include <spdlog/spdlog.h>

#include <memory>
#include <string>
#include <vector>

namespace dsasim::tool {
namespace {

struct Options {
  std::vector<std::string> parts;
  std::string output;
  Result result;
};

int run(Options& options) {
  if (options.output.empty()) {
    throw ConfigError("--output", "expected a file for the table");
  }
  Output output("--output", options.output);
  options.result.open();
  const MergedParts merged = merge_parts(options.parts);
  output.write(merged.table);
  output.commit();
  options.result.write(
      [&] {
        return json_text({{"schema", "dsasim-merge/1"},
                          {"parts", options.parts.size()},
                          {"points", merged.points},
                          {"without_result", merged.without_result}});
      },
      [] { return std::string(); });
  if (merged.without_result > 0) {
    spdlog::warn("{} of {} points have no result; the column \"error\" says why", merged.without_result, merged.points);
    return exit_negative;
  }
  return exit_done;
}

}  // namespace

std::function<int()> add_merge(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_texts(app, "parts", options->parts, "What the shards of one sweep wrote, in any order")
      .required()
      .type("PART.csv...");
  add_output_option(app, "-o,--output", options->output, "The whole table (- for stdout)", ".csv");
  options->result.add_options(app, "how many points there are");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
