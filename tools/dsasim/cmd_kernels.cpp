#include "command.hpp"
#include "options.hpp"

#include "dsasim/config/config_object.hpp"
#include "dsasim/model/gpu.hpp"
#include "dsasim/report/kernels_report.hpp"
#include "dsasim/step/measured_kernels.hpp"

#include <fmt/core.h>

#include <memory>
#include <optional>
#include <string>

namespace dsasim::tool {
namespace {

struct Options {
  std::string gpu;
  std::string kernels;
  std::optional<MeasuredKind> kind;
  std::string csv;
  bool terms = false;
};

int run(const Options& options) {
  if (options.gpu.empty()) {
    if (!options.kernels.empty() || options.kind || !options.csv.empty() || options.terms) {
      throw ConfigError("--gpu", "expected a name (dsasim gpus lists them) or a FILE.json, found none");
    }
    for (const std::string_view name : config_names("kernels")) {
      const KernelTable table = KernelTable::load(std::string(name), load_gpu(std::string(name)));
      fmt::print("{}", kernels_table(table));
    }
    return exit_done;
  }
  const Gpu gpu = load_gpu(options.gpu);
  const KernelTable table = KernelTable::load(options.kernels.empty() ? gpu.name : options.kernels, gpu);
  if (options.csv.empty()) {
    if (options.kind || options.terms) {
      throw ConfigError(options.kind ? "--kind" : "--terms", "goes with --csv, found none");
    }
    fmt::print("{}", kernel_costs_table(table));
    return exit_done;
  }
  if (!options.kind) {
    throw ConfigError("--kind", "expected the kind of the rows of --csv, found none");
  }
  const MeasuredRows rows = read_measured(options.csv, *options.kind, gpu, table);
  fmt::print("{}", options.terms ? kernel_terms_json(rows) : kernel_times_csv(rows, table));
  return exit_done;
}

}  // namespace

std::function<int()> add_kernels(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_text(app, "--gpu", options->gpu, "One that dsasim gpus lists, or a file [all that have measured kernels]")
      .type("NAME|FILE.json");
  add_text(app, "--kernels", options->kernels, "Times of its kernels: a name, a file, or roofline [the GPU's]")
      .type("NAME|FILE.json");
  add_text(app, "--csv", options->csv, "Prints the file's rows with predicted_us, the time of their kernels")
      .type("FILE.csv");
  add_choice(app, "--kind", options->kind, "What the rows of --csv are", measured_kind_names);
  add_flag(app, "--terms", options->terms,
           "What the times of --csv are made of instead, as JSON, for tools/fit-kernels");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
