// The proof of the model: a trace drawn from another's statistics misses as the other does, under policies and at sizes
// that the statistics know nothing of, and looks like it.

#include "catch.hpp"
#include "dsasim/generate/generate.hpp"
#include "dsasim/generate/measure.hpp"
#include "generate/metrics.hpp"
#include "generate/miss_percent.hpp"
#include "import/captures.hpp"
#include "sanitized.hpp"

using namespace dsasim;
using captures::TempDir;
using testing::miss_percent;

TEST_CASE("A trace like another misses like it, and selects where it selects", "[generate]") {
  const TempDir dir;
  for (const char* path :
       {"traces/k512-req_0.dsat", "traces/paper128.dsat", "traces/paper256.dsat", "traces/scored-k512-req_0.dsat"}) {
    const TraceReader original(path);
    generate(measure(original), 1, dir / "like.dsat");
    const TraceReader like(dir / "like.dsat");
    REQUIRE(like.accesses() == original.accesses());
    const testing::Metrics found(like);
    const testing::Metrics wanted(original);
    for (const char* metric :
         {"lookback", "page_utilisation", "inter_layer_overlap", "working_set", "persistence", "new_lookups"}) {
      CAPTURE(path, metric);
      CHECK(found[metric].mean == Approx(wanted[metric].mean).epsilon(0.1));
    }
    for (const char* policy : {"hisparse", "fifo,atomic=step", "belady"}) {
      for (const char* capacity : {"1x", "2x", "4x"}) {
        CAPTURE(path, policy, capacity);
        CHECK(miss_percent(like, policy, capacity) == Approx(miss_percent(original, policy, capacity)).margin(1.0));
      }
    }
    if (test::sanitized) {
      break;  // the others take two minutes
    }
  }
}

TEST_CASE("A longer, deeper, wider trace like another keeps what it exchanges", "[generate]") {
  const TempDir dir;
  const TraceReader original("traces/paper128-req_0.dsat");
  const SelectionModel model =
      reshaped(measure(original), {.layers = 24, .top_k = 256, .steps = 300, .prompt_tokens = 2048, .requests = 2});
  generate(model, 1, dir / "like.dsat");
  const TraceReader like(dir / "like.dsat");
  CHECK(like.layer_count() == 24);
  CHECK(like.request_count() == 2);
  CHECK(like.accesses() == std::uint64_t{24} * 256 * 300 * 2);
  CHECK(miss_percent(like, "hisparse", "1x") == Approx(miss_percent(original, "hisparse", "1x")).margin(3.0));
}
