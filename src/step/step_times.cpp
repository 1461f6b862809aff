#include "dsasim/step/step_times.hpp"

#include "dsasim/checked.hpp"

#include <algorithm>
#include <numeric>

namespace dsasim {

std::uint64_t StepParts::total_ns() const {
  std::uint64_t sum = 0;
  for (const std::uint64_t ns : ns_) {
    sum = checked_sum(sum, ns, "the time of a step");
  }
  return sum;
}

std::uint64_t StepParts::rest_ns() const {
  const StepParts& parts = *this;
  return total_ns() - parts[StepPart::indexer] - parts[StepPart::topk] - parts[StepPart::attention];
}

void StepParts::add(const StepParts& more, std::uint64_t times) {
  for (std::size_t i = 0; i < ns_.size(); ++i) {
    ns_[i] = checked_sum(ns_[i], checked_product(times, more.ns_[i], "the time of a step"), "the time of a step");
  }
}

std::uint64_t PartTimes::total_ns() const {
  return checked_sum(checked_sum(kernels.total_ns(), stall_ns, "the time of a layer"), set_aside_ns,
                     "the time of a layer");
}

PartTimes& PartTimes::operator+=(const PartTimes& more) {
  kernels.add(more.kernels, 1);
  gather_ns = checked_sum(gather_ns, more.gather_ns, "gather_ns");
  stall_ns = checked_sum(stall_ns, more.stall_ns, "stall_ns");
  set_aside_ns = checked_sum(set_aside_ns, more.set_aside_ns, "set_aside_ns");
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
