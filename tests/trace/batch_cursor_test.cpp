// Blocks of a batch, against the plain definition: at each step, the requests that have begun and not ended.

#include "trace/batch_cursor.hpp"

#include "catch.hpp"
#include "import/captures.hpp"
#include "trace/model.hpp"

#include <algorithm>
#include <map>
#include <set>

using namespace traces;
using captures::TempDir;
using dsasim::StepRange;
using dsasim::TraceReader;

namespace {

/// Requests of one layer that begin at these steps and select one id at each of so many steps.
struct Run {
  std::uint32_t start;
  std::uint32_t steps;
};

Model model_of(const std::vector<Run>& runs) {
  Model model = empty_model(1, std::vector<std::uint64_t>(runs.size(), 10));
  for (std::size_t request = 0; request < runs.size(); ++request) {
    model.header.requests[request].start_step = runs[request].start;
    model.requests[request].assign(runs[request].steps, {{.ids = {3}, .scores = {}}});
  }
  return model;
}

struct Walk {
  std::map<std::uint64_t, std::vector<std::uint32_t>> active;  ///< by step
  std::multiset<std::uint32_t> ended;
  std::size_t blocks = 0;
};

Walk walk(const TraceReader& trace, StepRange steps, std::uint64_t most_selections) {
  Walk walked;
  dsasim::trace::BatchCursor batch(trace, steps);
  dsasim::trace::SelectionBlock lane;
  std::uint64_t next = steps.first;
  std::vector<std::uint32_t> told;
  while (batch.next_block(1U << 16U, most_selections)) {
    CHECK(batch.block().first == next);
    next = batch.block().last;
    const std::vector<std::uint32_t> active{batch.active().begin(), batch.active().end()};
    for (std::uint64_t step = batch.block().first; step < batch.block().last; ++step) {
      walked.active[step] = active;
    }
    for (const std::uint32_t request : active) {
      batch.decode(request, 0, {.ids = true, .sets = false}, lane);
      CHECK(lane.rows() == batch.block().last - batch.block().first);
    }
    CHECK((active.empty() || active.size() * (next - batch.block().first) <= std::max(most_selections, active.size())));
    ++walked.blocks;
  }
  CHECK(next == steps.last);
  return walked;
}

}  // namespace

TEST_CASE("Every block has the requests that decode in all of its steps", "[trace]") {
  Random random(GENERATE(range(std::uint64_t{0}, std::uint64_t{20})));
  std::vector<Run> runs(1 + random() % 12);
  for (Run& run : runs) {
    run = {.start = static_cast<std::uint32_t>(random() % 40), .steps = static_cast<std::uint32_t>(random() % 30)};
  }
  runs.front().steps += 1;
  TempDir dir;
  write(model_of(runs), dir / "t.dsat", {.chunk_steps = 7});
  const TraceReader trace(dir / "t.dsat");
  const std::uint64_t first = random() % (trace.batch_steps() + 1);
  const StepRange steps{.first = first, .last = first + random() % (trace.batch_steps() + 1 - first)};
  const Walk found = walk(trace, steps, 1 + random() % 64);
  for (std::uint64_t step = steps.first; step < steps.last; ++step) {
    std::vector<std::uint32_t> expected;
    for (std::uint32_t request = 0; request < runs.size(); ++request) {
      if (step >= runs[request].start && step < runs[request].start + runs[request].steps) {
        expected.push_back(request);
      }
    }
    CHECK(found.active.at(step) == expected);
  }
}

TEST_CASE("Requests without steps cut no blocks", "[trace]") {
  std::vector<Run> runs = {{.start = 5, .steps = 1}};
  for (std::uint32_t start = 0; start < 5000; ++start) {
    runs.push_back({.start = start, .steps = 0});
  }
  TempDir dir;
  write(model_of(runs), dir / "t.dsat");
  const TraceReader trace(dir / "t.dsat");
  CHECK(trace.batch_steps() == 4999);
  CHECK(walk(trace, {.first = 0, .last = 4999}, 64).blocks == 3);  // a gap, the step, a gap
}
