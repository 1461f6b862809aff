#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "replay_options.hpp"

#include "dsasim/error.hpp"
#include "dsasim/report/gather_report.hpp"

#include <fmt/core.h>

#include <limits>
#include <memory>
#include <optional>
#include <string>

namespace dsasim::tool {
namespace {

struct Options : ReplayRun {
  std::optional<std::uint64_t> rows;
  std::optional<std::uint64_t> row_bytes;
  RandomGather random;
  std::string csv;
  std::string json;
};

int run_csv(const Options& options, MemoryModel& model) {
  if (options.rows || options.row_bytes || !options.json.empty()) {
    throw ConfigError("--csv", "brings its own gathers and prints CSV; expected no --rows, --row-bytes or --json");
  }
  fmt::print("{}", priced_csv(options.csv, options.random, model));
  return exit_done;
}

int run(Options& options) {
  if (options.spec.config.memory.name.empty()) {
    throw ConfigError("--memory", "expected the name of a memory; `dsasim memories` lists them");
  }
  options.rules.check();
  const Memory memory = make_memory(options.spec.config.memory);
  if (!options.csv.empty()) {
    return run_csv(options, *memory.model);
  }
  if (!options.rows || !options.row_bytes) {
    throw ConfigError(options.rows ? "--row-bytes" : "--rows", "expected a number, or --csv FILE with many gathers");
  }
  options.random.rows = *options.rows;
  options.random.row_bytes = *options.row_bytes;
  std::optional<Output> json;
  if (!options.json.empty()) {
    json.emplace("--json", options.json);
  }
  const RandomGatherTime time = price(options.random, *memory.model);
  if (json) {
    json->write(gather_json(options.random, time, options.spec.config.memory, memory));
    json->commit();
  } else {
    fmt::print("{}", gather_table(options.random, time, options.spec.config.memory, memory));
  }
  return exit_done;
}

}  // namespace

std::function<int()> add_gather(CLI::App& app) {
  auto options = std::make_shared<Options>();
  RandomGather& random = options->random;
  add_replay_fields(app, *options, {FieldGroup::memory}, {"page-tokens", "retention-steps"});
  add_number<std::uint64_t>(app, "--rows", options->rows, "Rows of the gather", 1, 1U << 30U);
  add_number<std::uint64_t>(app, "--row-bytes", options->row_bytes, "Of each row; 0: only the indices are read", 0,
                            1U << 30U);
  add_number<double>(app, "--hot", random.hot_fraction,
                     "Fraction of the rows that belong to a set which every gather reads [0]", 0, 1);
  add_number<double>(app, "--reserved", random.reserved_fraction, "Fraction of the rows in the reservation [0]", 0, 1);
  add_number<std::uint64_t>(app, "--pool-bytes", random.pool_bytes, "Where the other rows lie [48000000000]", 1,
                            std::uint64_t{1} << 46U);
  add_number<std::uint64_t>(app, "--seed", random.seed, "Of their positions, for models that ask for lines [1]", 0,
                            std::numeric_limits<std::uint64_t>::max());
  add_text(app, "--csv", options->csv,
           "Price each line of a file with the columns row_bytes, rows and perhaps hot_fraction, "
           "reserved_fraction, or requests, most_rows, selected and slots of a swap-in; prints it with "
           "predicted_us and gather_ns")
      .type("FILE.csv");
  add_output_option(app, "--json", options->json, "Write the prediction as JSON (- for stdout) instead of the table",
                    ".json");
  options->rules.only_if(
      app, {"--pool-bytes", "--seed"},
      [options = options.get()] { return make_memory(options->spec.config.memory).model->needs().lines; },
      "a --memory that plays the commands of DRAM, as hbm3: only there the positions of rows count");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
