#include "plan/buffer_misses.hpp"

#include "dsasim/cache/cache.hpp"
#include "dsasim/cache/policy_spec.hpp"
#include "dsasim/checked.hpp"
#include "dsasim/curve/run_all.hpp"
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

/// What host memory holds of each request and layer: the entries that were used last.
class HostTier {
 public:
  HostTier(const TraceReader& trace, std::uint64_t entries, std::uint64_t block_entries)
      : trace_(trace), entries_(entries), block_entries_(block_entries) {
    caches_.resize(trace.stream_count());
  }

  static void add_to(trace::MemoryPlan& plan, const TraceReader& trace, std::uint64_t entries) {
    const CacheBytes bytes = cache_bytes(parse_policy("lru"), std::min(entries, trace.id_limit()));
    plan.add("host memory's rows",
             static_cast<double>(trace.stream_count()) *
                 (bytes.arrays * static_cast<double>(bytes.place_bytes) * static_cast<double>(trace.id_limit()) +
                  bytes.slot_bytes));
  }

  struct Reads {
    std::uint64_t rows = 0;
    std::uint64_t blocks = 0;
  };
  Reads read(const StepRow& row, std::span<const EntryId> missed) {
    Cache& cache = at_step(row);
    beyond_.clear();
    cache.select({.base = 0, .step = row.step}, missed, beyond_);
    blocks_.clear();
    std::transform(beyond_.begin(), beyond_.end(), std::back_inserter(blocks_),
                   [&](EntryId id) { return value(id) / block_entries_; });
    std::sort(blocks_.begin(), blocks_.end());
    const auto end = std::unique(blocks_.begin(), blocks_.end());
    return {.rows = beyond_.size(), .blocks = static_cast<std::uint64_t>(end - blocks_.begin())};
  }

 private:
  /// With the entries that there are when the row selects.
  Cache& at_step(const StepRow& row) {
    const RequestInfo& request = trace_.header().requests[row.request];
    const std::uint64_t limit = trace_.extent(row.request).id_limit;
    const std::uint64_t now = std::min(context_entries(trace_.header(), request, row.step - request.start_step), limit);
    auto& cache = caches_[std::size_t{row.layer} * trace_.request_count() + row.request];
    std::uint64_t first = std::min(now == 0 ? 0 : now - 1, now);
    if (!cache) {
      const std::uint64_t slots = std::clamp<std::uint64_t>(entries_, 1, std::max<std::uint64_t>(limit, 1));
      cache = make_cache(parse_policy("lru"), static_cast<std::uint32_t>(slots), static_cast<std::uint32_t>(limit), 0,
                         {.longest_selection = trace_.longest_union()});
      first = now - std::min(now, slots);
    }
    for (std::uint64_t id = first; id < now; ++id) {
      cache->insert(0, EntryId{static_cast<std::uint32_t>(id)});
    }
    return *cache;
  }

  const TraceReader& trace_;
  std::uint64_t entries_;
  std::uint64_t block_entries_;
  std::vector<std::unique_ptr<Cache>> caches_;  ///< by stream
  std::vector<EntryId> beyond_;
  std::vector<std::uint64_t> blocks_;
};

/// Steps of the requests of one trace, as a replay reports its rows.
class Collector {
 public:
  Collector(const TraceReader& trace, const HostRows& host, std::uint64_t top_k) : trace_(trace), top_k_(top_k) {
    requests_.resize(trace.request_count());
    first_.resize(trace.request_count(), none);
    if (host.entries > 0) {
      host_.emplace(trace, times(host.entries, longest_selection(), top_k), host.block_entries);
    }
  }

  /// Before the row of it.
  void look_up(const StepRow& row, std::span<const EntryId> missed) { reads_ = host_->read(row, missed); }

  void add(const StepRow& row) {
    const std::size_t layers = trace_.layer_count();
    std::uint64_t& first = first_[row.request];
    first = first == none ? row.step : first;
    RequestMisses& request = requests_[row.request];
    const std::size_t place = (row.step - first) * layers + row.layer;
    if (place >= request.rows.size()) {
      request.rows.resize((row.step - first + 1) * layers);
      request.blocks.resize(host_ ? request.rows.size() : 0);
    }
    request.rows[place] = of_model(row.counters.misses());
    if (host_) {
      request.blocks[place] = of_model(reads_.blocks);
      beyond_host_ += reads_.rows;
    }
  }

  void move_to(BufferMisses& all) {
    all.beyond_host += beyond_host_;
    for (RequestMisses& request : requests_) {
      if (!request.rows.empty()) {
        all.requests.push_back(std::move(request));
      }
    }
  }

 private:
  static constexpr std::uint64_t none = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t longest_selection() const { return std::max<std::uint64_t>(trace_.longest_selection(), 1); }
  std::uint32_t of_model(std::uint64_t rows) const {
    return static_cast<std::uint32_t>(times(rows, top_k_, longest_selection()));
  }

  const TraceReader& trace_;
  std::uint64_t top_k_;
  std::vector<RequestMisses> requests_;
  std::vector<std::uint64_t> first_;
  std::optional<HostTier> host_;
  HostTier::Reads reads_;
  std::uint64_t beyond_host_ = 0;
};

/// Drawn steps of one request.
std::uint64_t drawn_steps(const TraceReader& trace, std::uint64_t context_tokens) {
  const std::uint64_t layers = std::min(trace.layer_count(), most_drawn_layers);
  const std::uint64_t entries = std::max<std::uint64_t>(context_tokens / trace.header().unit_tokens, 1);
  const std::uint64_t budget = most_drawn / std::max<std::uint64_t>(entries * layers, 1);
  return std::min(std::clamp(budget, least_drawn_steps, most_drawn_steps), trace.longest_request_steps());
}

/// What is kept of each step, beside what the replay itself needs.
void require_memory(const TraceReader& trace, std::size_t sizes, const HostRows& host) {
  double rows = 0;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    rows += static_cast<double>(trace.extent(request).steps) * trace.layer_count();
  }
  const double held = 2 + static_cast<double>(sizes);  // at once: these, one that is wider, and one that grows
  trace::MemoryPlan plan;
  plan.add("misses by step", held * (host.entries > 0 ? 2 : 1) * sizeof(std::uint32_t) * rows);
  for (std::size_t size = 0; host.entries > 0 && size < sizes; ++size) {
    HostTier::add_to(plan, trace, host.entries);
  }
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

double BufferMisses::nvme_share() const noexcept {
  return misses == 0 ? 0 : static_cast<double>(beyond_host) / static_cast<double>(misses);
}

void BufferMisses::add(BufferMisses more) {
  layers = more.layers;
  accesses = checked_sum(accesses, more.accesses, "accesses");
  misses = checked_sum(misses, more.misses, "misses");
  beyond_host = checked_sum(beyond_host, more.beyond_host, "misses");
  looked_up = checked_sum(looked_up, more.looked_up, "accesses");
  std::move(more.requests.begin(), more.requests.end(), std::back_inserter(requests));
}

std::vector<BufferMisses> replay_misses(std::span<const TraceReader* const> traces, const ReplayConfig& config,
                                        std::span<const std::uint64_t> slots, const HostRows& host, std::uint64_t top_k,
                                        std::uint32_t jobs, const std::function<void(double share)>& on_share) {
  std::vector<BufferMisses> all(slots.size());
  double traces_done = 0;
  for (const TraceReader* trace : traces) {
    require_memory(*trace, slots.size(), host);
    const std::uint64_t longest = std::max<std::uint64_t>(trace->longest_selection(), 1);
    std::vector<ReplayConfig> sizes(slots.size(), config);
    std::vector<Collector> collectors;
    collectors.reserve(slots.size());
    for (std::size_t size = 0; size < slots.size(); ++size) {
      sizes[size].step = {};  // a plan times the steps of its batches
      sizes[size].capacity = Capacity::parse(std::to_string(std::max(times(slots[size], longest, top_k), longest)));
      collectors.emplace_back(*trace, host, top_k);
    }
    ReplayHooks hooks;
    hooks.on_row = [&](const StepRow& row) { collectors[row.run].add(row); };
    if (host.entries > 0) {
      hooks.on_missed = [&](const StepRow& row, std::span<const EntryId> missed) {
        collectors[row.run].look_up(row, missed);
      };
    }
    hooks.on_step = [&](std::uint64_t done, std::uint64_t total) {
      if (on_share) {
        const double of_trace = static_cast<double>(done) / static_cast<double>(std::max<std::uint64_t>(total, 1));
        on_share((traces_done + of_trace) / static_cast<double>(traces.size()));
      }
    };
    const std::vector<ReplayResult> results = run_all(*trace, sizes, Wanted::everything, hooks, jobs);
    for (std::size_t size = 0; size < slots.size(); ++size) {
      const Counters& totals = results[size].totals;
      all[size].layers = trace->layer_count();
      all[size].accesses += totals.accesses;
      all[size].misses += totals.misses();
      all[size].looked_up += totals.cache_hits + totals.misses();
      collectors[size].move_to(all[size]);
    }
    ++traces_done;
  }
  if (all.front().requests.empty()) {
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

std::vector<BufferMisses> DrawnTraces::misses(const ReplayConfig& config, std::span<const std::uint64_t> slots,
                                              const HostRows& host, std::uint64_t top_k, std::uint32_t jobs,
                                              const std::function<void(double share)>& on_share) const {
  std::vector<BufferMisses> all(slots.size());
  double traces_done = 0;
  for (const auto& drawn : drawn_) {
    const TraceReader* const view = drawn.get();
    const auto on_part = [&](double share) {
      if (on_share) {
        on_share((traces_done + share) / static_cast<double>(drawn_.size()));
      }
    };
    std::vector<BufferMisses> of_one =
        replay_misses({&view, 1}, of_drawn(config, *view), slots, host, top_k, jobs, on_part);
    ++traces_done;
    for (std::size_t size = 0; size < slots.size(); ++size) {
      all[size].add(std::move(of_one[size]));
    }
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
    drawn += replay_misses({&alike, 1}, same, {&slots, 1}, {}, top_k, jobs).front().ratio();
    same.steps = StepRange{.first = 0, .last = alike->longest_request_steps()};
    real += replay_misses({&real_[i], 1}, same, {&slots, 1}, {}, top_k, jobs).front().ratio();
  }
  return real == 0 ? 0 : drawn / real - 1;
}

}  // namespace dsasim
