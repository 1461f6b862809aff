#include "plan/buffer_misses.hpp"

#include "dsasim/checked.hpp"
#include "dsasim/error.hpp"
#include "dsasim/generate/generate.hpp"
#include "dsasim/generate/measure.hpp"
#include "trace/machine_memory.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <limits>
#include <system_error>
#include <utility>

namespace dsasim {
namespace {

/// Of entries that a generator looks at, one step after the other: a few seconds.
constexpr std::uint64_t most_drawn = 128'000'000;
constexpr std::uint32_t most_drawn_layers = 16;
constexpr std::uint64_t least_drawn_steps = 96;
constexpr std::uint64_t most_drawn_steps = 512;
/// The first of them fill empty buffers, and are not counted.
constexpr std::uint64_t filling_part = 3;

std::uint64_t times(std::uint64_t value, std::uint64_t numerator, std::uint64_t denominator) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((Wide{value} * numerator + denominator / 2) / denominator);
}

/// Steps of the requests of one trace, as a replay reports its rows.
class Collector {
 public:
  Collector(const TraceReader& trace, std::uint64_t top_k) : trace_(trace), top_k_(top_k) {
    requests_.resize(trace.request_count());
    first_.resize(trace.request_count(), none);
  }

  void add(const StepRow& row) {
    const std::size_t layers = trace_.layer_count();
    std::uint64_t& first = first_[row.request];
    first = first == none ? row.step : first;
    std::vector<std::uint32_t>& rows = requests_[row.request].rows;
    const std::size_t place = (row.step - first) * layers + row.layer;
    if (place >= rows.size()) {
      rows.resize((row.step - first + 1) * layers);
    }
    rows[place] = static_cast<std::uint32_t>(
        times(row.counters.misses(), top_k_, std::max<std::uint64_t>(trace_.longest_selection(), 1)));
  }

  void move_to(std::vector<RequestMisses>& all) {
    for (RequestMisses& request : requests_) {
      if (!request.rows.empty()) {
        all.push_back(std::move(request));
      }
    }
  }

 private:
  static constexpr std::uint64_t none = std::numeric_limits<std::uint64_t>::max();
  const TraceReader& trace_;
  std::uint64_t top_k_;
  std::vector<RequestMisses> requests_;
  std::vector<std::uint64_t> first_;
};

/// Drawn steps of one request.
std::uint64_t drawn_steps(const TraceReader& trace, std::uint64_t context_tokens) {
  const std::uint64_t layers = std::min(trace.layer_count(), most_drawn_layers);
  const std::uint64_t entries = std::max<std::uint64_t>(context_tokens / trace.header().unit_tokens, 1);
  const std::uint64_t budget = most_drawn / std::max<std::uint64_t>(entries * layers, 1);
  return std::min(std::clamp(budget, least_drawn_steps, most_drawn_steps), trace.longest_request_steps());
}

/// What is kept of each step, beside what the replay itself needs.
void require_memory(const TraceReader& trace) {
  double rows = 0;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    rows += static_cast<double>(trace.extent(request).steps) * trace.layer_count();
  }
  constexpr double held = 3;  // buffers at once: the best one, the one that is replayed, and one that grows
  trace::MemoryPlan plan;
  plan.add("misses by step", held * sizeof(std::uint32_t) * rows);
  plan.require(trace, "a part of its `steps`, or a trace of a part of its requests, needs less");
}

ReplayConfig of_drawn(ReplayConfig config, const TraceReader& trace) {
  config.steps = std::nullopt;
  config.warmup_steps = trace.longest_request_steps() / filling_part;
  return config;
}

}  // namespace

double BufferMisses::ratio() const noexcept {
  return accesses == 0 ? 0 : static_cast<double>(misses) / static_cast<double>(accesses);
}

double BufferMisses::looked_up_share() const noexcept {
  return accesses == 0 ? 1 : static_cast<double>(looked_up) / static_cast<double>(accesses);
}

void BufferMisses::add(BufferMisses more) {
  layers = more.layers;
  accesses = checked_sum(accesses, more.accesses, "accesses");
  misses = checked_sum(misses, more.misses, "misses");
  looked_up = checked_sum(looked_up, more.looked_up, "accesses");
  std::move(more.requests.begin(), more.requests.end(), std::back_inserter(requests));
}

BufferMisses replay_misses(std::span<const TraceReader* const> traces, const ReplayConfig& config, std::uint64_t slots,
                           std::uint64_t top_k, std::uint32_t jobs) {
  BufferMisses all;
  all.layers = traces.front()->layer_count();
  for (const TraceReader* trace : traces) {
    ReplayConfig one = config;
    require_memory(*trace);
    const std::uint64_t longest = std::max<std::uint64_t>(trace->longest_selection(), 1);
    one.capacity = Capacity::parse(std::to_string(std::max(times(slots, longest, top_k), longest)));
    Collector collector(*trace, top_k);
    ReplayHooks hooks;
    hooks.on_row = [&](const StepRow& row) { collector.add(row); };
    const ReplayResult result = replay(*trace, one, hooks, jobs);
    all.accesses += result.totals.accesses;
    all.misses += result.totals.misses();
    all.looked_up += result.totals.cache_hits + result.totals.misses();
    collector.move_to(all.requests);
  }
  if (all.requests.empty()) {
    throw ConfigError("`steps`", "no step of {} is counted", traces.front()->name());
  }
  return all;
}

DrawnTraces::DrawnTraces(std::span<const TraceReader* const> traces, std::uint64_t context_tokens, std::uint64_t top_k,
                         const std::function<void(double share)>& on_share)
    : real_(traces.begin(), traces.end()) {
  for (std::size_t i = 0; i < traces.size(); ++i) {
    const TraceReader& trace = *traces[i];
    const auto part = [&, i](double of_trace, double share) {
      if (on_share) {
        on_share((static_cast<double>(i) + (of_trace + share) / 3) / static_cast<double>(traces.size()));
      }
    };
    const auto on_part = [&part](double of_trace) {
      return [&part, of_trace](std::uint64_t done, std::uint64_t total) {
        part(of_trace, static_cast<double>(done) / static_cast<double>(std::max<std::uint64_t>(total, 1)));
      };
    };
    const SelectionModel model = measure(trace, on_part(0));
    const auto draw = [&](Shape shape, double of_trace) {
      shape.layers = std::min(trace.layer_count(), most_drawn_layers);
      shape.requests = 1;
      const std::filesystem::path path = std::filesystem::path(folder_.path) / fmt::format("{}-{}.dsat", i, of_trace);
      generate(reshaped(model, shape), 1, path, on_part(of_trace));
      return std::make_unique<TraceReader>(path.string());
    };
    const std::uint64_t steps = drawn_steps(trace, context_tokens);
    const std::uint64_t prompt = context_tokens > steps ? context_tokens - steps : 1;
    drawn_.push_back(draw({.top_k = static_cast<std::uint32_t>(top_k), .steps = steps, .prompt_tokens = prompt}, 1));
    alike_.push_back(draw({.steps = drawn_steps(trace, model.prompt_tokens)}, 2));
  }
}

DrawnTraces::Folder::Folder() : path((std::filesystem::temp_directory_path() / "dsasim-plan-XXXXXX").string()) {
  if (mkdtemp(path.data()) == nullptr) {
    throw SystemError(path, "cannot be created: {}", std::strerror(errno));
  }
}

DrawnTraces::Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

BufferMisses DrawnTraces::misses(const ReplayConfig& config, std::uint64_t slots, std::uint64_t top_k,
                                 std::uint32_t jobs) const {
  BufferMisses all;
  for (const auto& drawn : drawn_) {
    const TraceReader* const view = drawn.get();
    all.add(replay_misses({&view, 1}, of_drawn(config, *view), slots, top_k, jobs));
  }
  return all;
}

double DrawnTraces::error(const ReplayConfig& config, std::uint64_t slots, std::uint64_t top_k,
                          std::uint32_t jobs) const {
  double real = 0;
  double drawn = 0;
  for (std::size_t i = 0; i < real_.size(); ++i) {
    const TraceReader* const alike = alike_[i].get();
    ReplayConfig same = of_drawn(config, *alike);
    drawn += replay_misses({&alike, 1}, same, slots, top_k, jobs).ratio();
    same.steps = StepRange{.first = 0, .last = alike->longest_request_steps()};
    real += replay_misses({&real_[i], 1}, same, slots, top_k, jobs).ratio();
  }
  return real == 0 ? 0 : drawn / real - 1;
}

}  // namespace dsasim
