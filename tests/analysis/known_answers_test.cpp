// Means that were computed by others, on the traces that are shipped, to the digits that they gave.

#include "catch.hpp"
#include "dsasim/analysis/analysis.hpp"

#include <string>
#include <utility>
#include <vector>

using namespace dsasim;

namespace {

struct Answer {
  const char* metric;
  double mean;
  double half_a_digit;
};

void check(const char* path, const std::vector<Answer>& answers, double persistence_without_cut_off) {
  const AnalysisResult result = analyze(TraceReader(path), {});
  for (const Answer& answer : answers) {
    CAPTURE(path, answer.metric);
    bool found = false;
    for (std::size_t i = 0; i < result.metrics.size(); ++i) {
      if (result.metrics[i].name == answer.metric) {
        found = true;
        CHECK(std::abs(result.pooled[i].mean - answer.mean) <= answer.half_a_digit);
      }
      if (result.metrics[i].name == "persistence") {
        CHECK(std::abs(std::get<double>(result.pooled[i].extra.at(1).value) - persistence_without_cut_off) <= 0.0005);
      }
    }
    CHECK(found);
  }
}

}  // namespace

TEST_CASE("Known answers of the analysis", "[known]") {
  check("traces/paper128-req_0.dsat",
        {{"working_set", 3.8232, 0.00005},
         {"persistence", 3.736, 0.0005},
         {"lookback", 1.624, 0.0005},
         {"lookback_step_mean", 1.624, 0.0005},
         {"new_lookups", 0.264, 0.0005},
         {"inter_layer_overlap", 0.503, 0.0005},
         {"page_utilisation", 0.2603, 0.00005}},
        3.201);
  check("traces/k512-req_0.dsat",
        {{"working_set", 4.9621, 0.00005},
         {"persistence", 3.217, 0.0005},
         {"lookback", 5.654, 0.0005},
         {"lookback_step_mean", 5.654, 0.0005},
         {"new_lookups", 0.310, 0.0005},
         {"inter_layer_overlap", 0.465, 0.0005},
         {"page_utilisation", 0.2516, 0.00005}},
        3.022);
  check("traces/smollm2-k64.dsat",
        {{"working_set", 3.31640, 0.000005},
         {"persistence", 5.38831, 0.000005},
         {"lookback", 8.13299, 0.000005},
         {"new_lookups", 0.18423, 0.000005},
         {"inter_layer_overlap", 0.70970, 0.000005},
         {"page_utilisation", 0.16700, 0.000005}},
        4.52876);
}
