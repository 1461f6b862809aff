// The parts of a decode step against kernels measured on an NVIDIA H100: docs/step-time.md has the table.

#include "catch.hpp"
#include "memory/csv_file.hpp"
#include "step/decode_step.hpp"

#include <string>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;

namespace {

constexpr std::uint32_t expert_layer = 30;  // the first three have no experts

/// One layer of DeepSeek-V3.2 on one of eight GPUs, at a batch of so many requests that all have this context.
PartTimes predicted(std::size_t requests, std::uint64_t context, const std::string& gpu) {
  TraceHeader header;
  header.layers.resize(61);
  header.requests.resize(requests);
  std::vector<StepQuery> queries;
  for (std::uint32_t request = 0; request < requests; ++request) {
    queries.push_back({.request = request, .context_tokens = context, .selected_entries = 2048});
  }
  const DecodeStep step({.model = "deepseek-v3.2", .gpu = gpu, .tensor_parallel = 8}, header);
  return step.parts(expert_layer, queries, {});
}

double part_of(const PartTimes& times, const std::string& part) {
  return part == "indexer"     ? static_cast<double>(times.indexer_ns)
         : part == "topk"      ? static_cast<double>(times.topk_ns)
         : part == "attention" ? static_cast<double>(times.attention_ns)
                               : static_cast<double>(times.rest_ns);
}

}  // namespace

TEST_CASE("No part of a step takes longer by the model than on a GPU, and large reads take little less") {
  int large = 0;
  for (const CsvRow& row : read_csv("data/hardware/h100_step_parts.csv")) {
    const std::string& part = row.text("part");
    CAPTURE(part, row.text("requests"), row.text("context"));
    const double measured_ns = 1000 * row.number("us");
    const double model_ns = part_of(predicted(row.integer("requests"), row.integer("context"), "h100"), part);
    CHECK(model_ns < measured_ns);
    if ((part == "indexer" || part == "rest") && row.integer("bytes") > 100'000'000) {
      CHECK(measured_ns < 1.4 * model_ns);
      ++large;
    }
  }
  CHECK(large == 5);
}
