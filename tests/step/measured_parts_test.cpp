// The parts of a decode step against kernels measured on an NVIDIA H100: docs/step-time.md has the table.

#include "dsasim/step/predict_step.hpp"

#include "catch.hpp"
#include "memory/csv_file.hpp"

#include <string>

using namespace dsasim;
using namespace dsasim::test;

namespace {

/// One layer of DeepSeek-V3.2 with experts on one of eight GPUs, at a batch of so many requests of this context.
StepParts predicted(std::size_t requests, std::uint64_t context) {
  const Gpu gpu = load_gpu("h100");
  const StepPrediction step =
      predict_step(load_model("deepseek-v3.2"), gpu, KernelTable::roofline(gpu),
                   {.batch = requests, .context_tokens = context, .deployment = {.tensor_parallel = 8}});
  return step.mixture()->parts;
}

double part_of(const StepParts& parts, const std::string& part) {
  return static_cast<double>(part == "indexer"     ? parts[StepPart::indexer]
                             : part == "topk"      ? parts[StepPart::topk]
                             : part == "attention" ? parts[StepPart::attention]
                                                   : parts.rest_ns());
}

}  // namespace

TEST_CASE("No part of a step takes longer by the model than on a GPU, and large reads take little less") {
  int large = 0;
  for (const CsvRow& row : read_csv("data/hardware/h100_step_parts.csv")) {
    const std::string& part = row.text("part");
    CAPTURE(part, row.text("requests"), row.text("context"));
    const double measured_ns = 1000 * row.number("us");
    const double model_ns = part_of(predicted(row.integer("requests"), row.integer("context")), part);
    CHECK(model_ns < measured_ns);
    if ((part == "indexer" || part == "rest") && row.integer("bytes") > 100'000'000) {
      CHECK(measured_ns < 1.45 * model_ns);
      ++large;
    }
  }
  CHECK(large == 5);
}
