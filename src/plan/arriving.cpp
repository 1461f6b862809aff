#include "plan/arriving.hpp"

#include "dsasim/error.hpp"
#include "dsasim/import/arrivals.hpp"

#include <algorithm>
#include <utility>

namespace dsasim {
namespace {

constexpr std::uint64_t most_tokens = std::uint64_t{1} << 26U;  // of all outputs
constexpr std::uint64_t ns_per_ms = 1'000'000;

std::vector<Arriving> of_traces(std::span<const TraceReader* const> traces) {
  std::vector<Arriving> requests;
  for (const TraceReader* trace : traces) {
    for (std::uint32_t request = 0; request < trace->request_count(); ++request) {
      const RequestInfo& info = trace->header().requests[request];
      if (const std::uint64_t steps = trace->extent(request).steps; steps > 0) {
        requests.push_back({.at = info.start_step, .prompt_tokens = info.prompt_tokens, .output_tokens = steps});
      }
    }
  }
  return requests;
}

void check_lengths(const ArrivingRequests& arriving, const std::string& arrivals) {
  std::uint64_t outputs = 0;
  for (std::size_t i = 0; i < arriving.requests.size(); ++i) {
    const Arriving& request = arriving.requests[i];
    if (const std::uint64_t tokens = request.prompt_tokens + request.output_tokens; tokens > most_plan_context) {
      throw ConfigError("`arrivals`", "{}: expected requests of at most {} tokens, found {} of request {}", arrivals,
                        most_plan_context, tokens, i);
    }
    outputs += request.output_tokens;
  }
  if (outputs > most_tokens) {
    throw ConfigError("`arrivals`", "{}: expected at most {} output tokens in all, found {}", arrivals, most_tokens,
                      outputs);
  }
}

}  // namespace

ArrivingRequests arriving_requests(std::span<const TraceReader* const> traces, const std::string& arrivals) {
  ArrivingRequests arriving{.in_steps = true, .requests = of_traces(traces)};
  if (arrivals != arrivals_of_trace) {
    const std::vector<Arriving> own = std::move(arriving.requests);
    arriving.requests.clear();
    ArrivalOptions options{.file = arrivals, .step_ms = {}, .max_batch = {}};
    arriving.in_steps = !arrivals_have_times(arrivals);
    if (!arriving.in_steps) {
      options.step_ms = 1;  // times stay milliseconds
    }
    const std::vector<Arrival> read = read_arrivals(options);
    arriving.requests.reserve(read.size());
    for (std::size_t i = 0; i < read.size(); ++i) {
      Arriving request = own[i % own.size()];
      request.at = arriving.in_steps ? read[i].step : read[i].step * ns_per_ms;
      request.prompt_tokens = read[i].prompt_tokens.value_or(request.prompt_tokens);
      request.output_tokens = read[i].output_tokens.value_or(request.output_tokens);
      arriving.requests.push_back(request);
    }
  }
  std::stable_sort(arriving.requests.begin(), arriving.requests.end(),
                   [](const Arriving& a, const Arriving& b) { return a.at < b.at; });
  check_lengths(arriving, arrivals);
  return arriving;
}

}  // namespace dsasim
