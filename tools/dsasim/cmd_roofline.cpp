#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "result.hpp"

#include "dsasim/model/roofline.hpp"
#include "dsasim/report/roofline_report.hpp"

#include <fmt/core.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace dsasim::tool {
namespace {

struct Options {
  std::string model;
  std::string gpu;
  RooflineConfig config;
  std::optional<Attention> attention;
  Result result;
};

int run(Options& options) {
  require("--model", !options.model.empty(), "a name (dsasim models lists them) or a FILE.json");
  require("--gpu", !options.gpu.empty(), "a name (dsasim gpus lists them) or a FILE.json");
  require("--context", options.config.context_tokens != 0, "the tokens of each user's context");
  require("--batch", options.config.batch != 0, "the users that decode together");
  require("--rate", options.config.rate != 0, "the tokens a second for each user");
  options.result.open();
  Model model = load_model(options.model);
  RooflineConfig config = options.config;
  config.attention = options.attention.value_or(model.has_indexer() ? Attention::sparse : Attention::dense);
  const Roofline result = roofline(std::move(model), load_gpu(options.gpu), config);
  options.result.write([&] { return roofline_json(result); }, [&] { return roofline_table(result); });
  return exit_done;
}

constexpr double least_number = 0.001;

void add_workload(CLI::App& app, Options& options) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  RooflineConfig& config = options.config;
  add_text(app, "--model", options.model, "One that dsasim models lists, a file, or a checkpoint's config.json")
      .type("NAME|FILE.json");
  add_text(app, "--gpu", options.gpu, "One that dsasim gpus lists, or a file").type("NAME|FILE.json");
  add_tokens(app, "--context", config.context_tokens, "Tokens of each user's context", most);
  add_number<std::uint64_t>(app, "--batch", config.batch, "Users that decode together", 1, most);
  add_number<double>(app, "--rate", config.rate, "Tokens a second for each user", least_number, 1e9);
  add_number<std::uint64_t>(app, "--gpus", config.gpus, "GPUs of the deployment [as many as are needed]", 1, most);
  add_number<std::uint64_t>(app, "--tp", config.tensor_parallel,
                            "GPUs that each layer's attention is spread over: where KV heads are fewer, several keep "
                            "and read the same entries [1]",
                            1, most);
}

void add_assumptions(CLI::App& app, Options& options) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  RooflineConfig& config = options.config;
  add_choice(app, "--attention", options.attention,
             "To the whole context in every layer; dense: but in layers with a sliding window only to that; sparse: to "
             "top-k entries [sparse with an indexer, otherwise dense]",
             attention_names);
  add_choice(app, "--experts", config.experts,
             "Routed experts that a step reads: those that a batch is expected to name, or all [expected]",
             expert_reads_names);
  add_number<double>(app, "--weight-bytes", config.weight_bytes, "Of every weight [the model's]", least_number, 16);
  add_number<std::uint64_t>(app, "--entry-bytes", config.entry_bytes, "Of a KV entry in one layer [the model's]", 1,
                            most);
  add_number<std::uint64_t>(app, "--entry-flops", config.entry_flops,
                            "Of one token's attention to an entry in one layer [the model's]", 1, most);
  add_choice(app, "--arithmetic", config.arithmetic, "Type that all is computed in [the model's]", arithmetic_names);
}

}  // namespace

std::function<int()> add_roofline(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_workload(app, *options);
  add_assumptions(app, *options);
  options->result.add_options(app, "the result");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
