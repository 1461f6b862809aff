#include "dsasim/step/step_times.hpp"

#include "dsasim/checked.hpp"

#include <algorithm>
#include <numeric>

namespace dsasim {

std::uint64_t PartTimes::total_ns(Overlap overlap) const {
  __extension__ using Wide = unsigned __int128;
  const Wide rows = overlap == Overlap::attention ? std::max(gather_ns, attention_ns) : Wide{gather_ns} + attention_ns;
  return checked_narrow(Wide{indexer_ns} + topk_ns + rows + rest_ns, "the time of a layer");
}

PartTimes& PartTimes::operator+=(const PartTimes& more) {
  indexer_ns = checked_sum(indexer_ns, more.indexer_ns, "indexer_ns");
  topk_ns = checked_sum(topk_ns, more.topk_ns, "topk_ns");
  gather_ns = checked_sum(gather_ns, more.gather_ns, "gather_ns");
  attention_ns = checked_sum(attention_ns, more.attention_ns, "attention_ns");
  rest_ns = checked_sum(rest_ns, more.rest_ns, "rest_ns");
  return *this;
}

Tpot summarise(std::vector<std::uint64_t> step_ns) {
  if (step_ns.empty()) {
    return {};
  }
  std::sort(step_ns.begin(), step_ns.end());
  const auto nearest_rank = [&](std::uint64_t percent) { return step_ns[(percent * step_ns.size() + 99) / 100 - 1]; };
  __extension__ using Wide = unsigned __int128;
  const Wide sum = std::accumulate(step_ns.begin(), step_ns.end(), Wide{0});
  return {.steps = step_ns.size(),
          .mean_ns = static_cast<double>(sum) / static_cast<double>(step_ns.size()),
          .p50_ns = nearest_rank(50),
          .p95_ns = nearest_rank(95),
          .p99_ns = nearest_rank(99),
          .max_ns = step_ns.back()};
}

}  // namespace dsasim
