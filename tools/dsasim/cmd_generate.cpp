#include "command.hpp"
#include "options.hpp"
#include "output.hpp"

#include "dsasim/generate/generate.hpp"
#include "dsasim/generate/measure.hpp"
#include "dsasim/trace/reader.hpp"

#include <limits>
#include <memory>
#include <string>

namespace dsasim::tool {
namespace {

struct Options {
  std::string like;
  std::string output;
  std::uint64_t seed = 1;
  Shape shape;
};

int run(const Options& options) {
  if (options.output.empty()) {
    throw ConfigError("--output", "expected the path of the trace to write");
  }
  SelectionModel model;
  {
    Progress progress("measure");
    model = measure(TraceReader(options.like), [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); });
  }
  model = reshaped(std::move(model), options.shape);
  Progress progress("generate");
  generate(model, options.seed, options.output,
           [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); });
  const TraceReader trace(options.output);
  fmt::print("{}: requests {}, layers {}, steps {}, top-k {}, {} ids in {} bytes\n", options.output,
             trace.request_count(), trace.layer_count(), trace.longest_request_steps(), trace.longest_selection(),
             trace.accesses(), trace.file_bytes());
  return exit_done;
}

}  // namespace

std::function<int()> add_generate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("-o,--output", options->output, "Trace to write")->type_name("OUT.dsat");
  app.add_option("--like", options->like, "Draw from the statistics of this trace")->type_name("TRACE");
  add_number<std::uint64_t>(app, "--seed", options->seed, "Where the sequence of draws starts [1]", 0,
                            std::numeric_limits<std::uint64_t>::max());
  add_number<std::uint32_t>(app, "--layers", options->shape.layers, "Layers that own an index", 1, 1U << 16U);
  add_number<std::uint32_t>(app, "--top-k", options->shape.top_k, "Ids of a selection", 1, 1U << 24U);
  add_number<std::uint64_t>(app, "--steps", options->shape.steps, "Decode steps of each request", 1, (1U << 20U) - 1);
  add_number<std::uint64_t>(app, "--context", options->shape.prompt_tokens, "Tokens of the prompt", 1, max_entry_ids);
  add_number<std::uint32_t>(app, "--batch", options->shape.requests, "Requests", 1, 1U << 20U);
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
