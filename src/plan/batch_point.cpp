#include "plan/batch_point.hpp"

#include <algorithm>
#include <utility>

namespace dsasim {
namespace {

/// Steps of a batch that are timed, evenly spread over those of its requests: enough for a P99.
constexpr std::size_t most_timed_steps = 256;

std::size_t longest_steps(const BufferMisses& misses) {
  std::size_t longest = 0;
  for (const RequestMisses& request : misses.requests) {
    longest = std::max(longest, request.rows.size() / misses.layers);
  }
  return longest;
}

/// Where a copy of a request of so many steps is ahead of the first one: spread evenly, but not quite, so that a batch
/// is not at the same steps again and again. The fraction of copy x golden ratio lies anywhere in between.
std::size_t ahead(std::uint64_t copy, std::uint64_t copies, std::size_t steps) {
  constexpr std::uint64_t golden = 2'654'435'769;  // its fraction, of 2^32
  const std::uint64_t within = (copy * golden & 0xFFFFFFFFU) * steps >> 32U;
  return (copy * steps + within) / copies;
}

/// Of all requests of the batch at one step of theirs. Returns their sum.
std::uint64_t collect_misses(const BufferMisses& misses, std::uint64_t batch, std::uint64_t gpus, std::size_t step,
                             std::vector<LayerMisses>& at_once) {
  std::fill(at_once.begin(), at_once.end(), LayerMisses{});
  const std::uint64_t kinds = misses.requests.size();
  std::uint64_t sum = 0;
  for (std::uint64_t request = 0; request < batch; ++request) {
    const std::uint64_t kind = request % kinds;
    const RequestMisses& of = misses.requests[kind];
    const std::size_t steps = of.rows.size() / misses.layers;
    const std::uint64_t copies = (batch - kind + kinds - 1) / kinds;
    const std::size_t at = (step + ahead(request / kinds, copies, steps)) % steps;
    sum += add_misses(of, at, std::span(at_once).subspan(request % gpus * misses.layers, misses.layers));
  }
  return sum;
}

}  // namespace

std::uint64_t add_misses(const RequestMisses& request, std::size_t step, std::span<LayerMisses> of_gpu) {
  std::uint64_t sum = 0;
  for (std::size_t layer = 0; layer < of_gpu.size(); ++layer) {
    const std::size_t place = step * of_gpu.size() + layer;
    const std::uint64_t missed = request.rows[place];
    of_gpu[layer].rows += missed;
    of_gpu[layer].most_rows = std::max(of_gpu[layer].most_rows, missed);
    of_gpu[layer].blocks += request.blocks.empty() ? 0 : request.blocks[place];
    sum += missed;
  }
  return sum;
}

PlanPoint batch_point(StepTimeline& timeline, const HotBuffer& buffer, const BufferMisses& misses, std::uint64_t batch,
                      std::uint64_t gpus) {
  const std::size_t longest = longest_steps(misses);
  const std::size_t timed = buffer.context_fits ? 1 : std::min(longest, most_timed_steps);
  gpus = std::min(gpus, batch);
  std::vector<LayerMisses> at_once(gpus * misses.layers);
  std::vector<std::uint64_t> step_ns;
  step_ns.reserve(timed);
  PlanPoint point{.batch = batch};
  double missed = 0;
  for (std::size_t i = 0; i < timed; ++i) {
    if (!buffer.context_fits) {
      missed += static_cast<double>(collect_misses(misses, batch, gpus, i * longest / timed, at_once));
    }
    const StepTimeline::Step step = timeline.step(timeline.alike(batch), buffer, at_once);
    step_ns.push_back(step.ns);
    point.exposed_ns += static_cast<double>(step.exposed_ns);
    point.hidden_ns += static_cast<double>(step.hidden_ns);
    point.link_bytes += static_cast<double>(step.link_bytes);
    point.nvme_bytes += static_cast<double>(step.nvme_bytes);
  }
  const auto steps = static_cast<double>(timed);
  point.exposed_ns /= steps;
  point.hidden_ns /= steps;
  point.link_bytes /= steps;
  point.nvme_bytes /= steps;
  point.nvme_share = misses.nvme_share();
  point.misses = missed / (steps * static_cast<double>(misses.layers) * static_cast<double>(batch));
  point.tpot = summarise(std::move(step_ns));
  return point;
}

}  // namespace dsasim
