#include "dsasim/analysis/analysis.hpp"

#include "analysis/all_metrics.hpp"
#include "threads/workers.hpp"
#include "trace/batch_cursor.hpp"
#include "trace/machine_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <string_view>

namespace dsasim {
namespace {

using LayerMetrics = std::vector<std::unique_ptr<Metric>>;  ///< by metric; null for those that are unavailable

/// The steps of a request that are analysed, counted from its own first.
StepRange own_steps(const TraceReader& trace, const AnalysisConfig& config, std::uint32_t request) {
  const std::uint64_t start = trace.header().requests[request].start_step;
  const auto own = [&](std::uint64_t step) {
    return std::min(step < start ? 0 : step - start, trace.extent(request).steps);
  };
  return {.first = own(config.steps->first), .last = own(config.steps->last)};
}

StreamShape shape_of(const TraceReader& trace, const AnalysisConfig& config, std::uint32_t request) {
  const StepRange steps = own_steps(trace, config, request);
  return {.id_limit = trace.extent(request).id_limit,
          .steps = steps.last - steps.first,
          .context_tokens = trace.header().requests[request].prompt_tokens + steps.last,
          .longest_selection = trace.longest_selection()};
}

/// No stream remembers more selections than it has.
std::uint32_t history_depth(const MetricList& list, const StreamShape& shape) {
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(shape.steps, 1, list.history_depth));
}

/// Reports progress from any thread, one at a time.
class SharedProgress {
 public:
  SharedProgress(const AnalysisHooks& hooks, std::uint64_t total) : hooks_(hooks), total_(total) {}
  void add(std::uint64_t steps) {
    if (hooks_.on_step) {
      const std::lock_guard lock(mutex_);
      done_ += steps;
      hooks_.on_step(done_, total_);
    }
  }

 private:
  const AnalysisHooks& hooks_;
  std::mutex mutex_;
  std::uint64_t done_ = 0;
  std::uint64_t total_;
};

/// A thread's metrics, and the streams of the request that it is at.
class Worker {
 public:
  Worker(const TraceReader& trace, const AnalysisConfig& config, const MetricList& list, SharedProgress& progress)
      : trace_(trace), config_(config), list_(list), progress_(progress), streams_(trace.layer_count()) {
    layers_.resize(trace.layer_count());
    for (LayerMetrics& layer : layers_) {
      for (const auto& entry : list.entries) {
        layer.push_back(entry.info.unavailable.empty() ? entry.make() : nullptr);
      }
    }
  }

  std::vector<LayerMetrics>& layers() noexcept { return layers_; }

  /// What a request of this shape takes.
  std::uint64_t state_bytes(const StreamShape& shape) const {
    std::uint64_t bytes = Stream::state_bytes(shape, history_depth(list_, shape));
    for (const auto& metric : layers_.front()) {
      bytes += metric ? metric->state_bytes(shape) : 0;
    }
    return bytes * layers_.size();
  }

  void analyze_request(std::uint32_t request) {
    const StepRange steps = own_steps(trace_, config_, request);
    if (steps.first == steps.last) {
      return;
    }
    begin(shape_of(trace_, config_, request));
    RequestCursor cursor(trace_, request, steps.first, steps.last);
    std::uint64_t query_token = trace_.header().requests[request].prompt_tokens + steps.first;
    while (cursor.next()) {
      const std::uint64_t block = cursor.steps_ready();
      for (std::uint32_t layer = 0; layer < layers_.size(); ++layer) {
        observe_block(cursor, block, layer, query_token);
      }
      for (std::uint64_t i = 1; i < block; ++i) {
        cursor.next();
      }
      query_token += block;
      progress_.add(block);
    }
    end();
  }

  /// The metrics across requests, all requests side by side.
  void analyze_batch() {
    std::uint64_t id_limit = 0;
    for (std::uint32_t request = 0; request < trace_.request_count(); ++request) {
      id_limit = std::max(id_limit, trace_.extent(request).id_limit);
    }
    EntrySet scratch;
    scratch.reset(id_limit);
    constexpr std::size_t block_bytes = std::size_t{1} << 18U;
    trace::BatchCursor batch(trace_, *config_.steps);
    std::vector<trace::SelectionBlock> lanes;  // of the active requests; kept, with their memory
    while (batch.next_block(block_bytes / trace_.request_count())) {
      lanes.resize(std::max(lanes.size(), batch.active().size()));
      for (std::uint32_t layer = 0; layer < layers_.size(); ++layer) {
        observe_batch(batch, layer, lanes, scratch);
      }
      if (batch.active().size() > 1) {
        progress_.add(batch.active().size() * (batch.block().last - batch.block().first));
      }
    }
  }

 private:
  template <class F>
  void for_each_metric(std::uint32_t layer, bool across_requests, F&& f) {
    for (std::size_t i = 0; i < list_.entries.size(); ++i) {
      if (layers_[layer][i] && list_.entries[i].across_requests == across_requests) {
        f(*layers_[layer][i]);
      }
    }
  }

  void begin(const StreamShape& shape) {
    for (std::uint32_t layer = 0; layer < layers_.size(); ++layer) {
      streams_[layer].begin(shape, history_depth(list_, shape));
      for_each_metric(layer, false, [&](Metric& metric) { metric.begin(shape); });
    }
  }

  /// One layer's steps together, so that what is known of its ids is fetched from memory once a block and not once a
  /// step. A selection without ids was not made: it is passed over, and never one that another is compared with.
  void observe_block(const RequestCursor& cursor, std::uint64_t block, std::uint32_t layer, std::uint64_t query_token) {
    const auto selected = [&](std::uint32_t of_layer, std::uint64_t ahead) {
      const SelectionView selection = cursor.selection(of_layer, ahead);
      return std::span<const EntryId>(selection.ids, selection.size);
    };
    for (std::uint64_t ahead = 0; ahead < block; ++ahead) {
      const auto ids = selected(layer, ahead);
      if (ids.empty()) {
        continue;
      }
      const auto before = layer == 0 ? std::span<const EntryId>() : selected(layer - 1, ahead);
      const Observation now = streams_[layer].observe(ids, query_token + ahead, before);
      for_each_metric(layer, false, [&](Metric& metric) { metric.observe(now); });
      streams_[layer].advance(ids);
    }
  }

  /// One layer's selections of a block. Steps in which fewer than two requests decode are passed over.
  void observe_batch(trace::BatchCursor& batch, std::uint32_t layer, std::vector<trace::SelectionBlock>& lanes,
                     EntrySet& scratch) {
    const auto active = batch.active();
    for (std::size_t i = 0; i < active.size(); ++i) {
      batch.decode(active[i], layer, {.ids = true, .sets = false}, lanes[i]);
    }
    std::vector<std::span<const EntryId>> selections;
    for (std::uint64_t step = 0; active.size() > 1 && step < lanes.front().rows(); ++step) {
      selections.clear();
      for (std::size_t i = 0; i < active.size(); ++i) {
        if (const SelectionView selection = lanes[i][step]; selection.size > 0) {
          selections.emplace_back(selection.ids, selection.size);
        }
      }
      for_each_metric(layer, true, [&](Metric& metric) { metric.observe_batch(selections, scratch); });
    }
  }

  void end() {
    for (std::uint32_t layer = 0; layer < layers_.size(); ++layer) {
      const auto open_runs = streams_[layer].open_runs();
      for_each_metric(layer, false, [&](Metric& metric) { metric.end(open_runs); });
    }
  }

  const TraceReader& trace_;
  const AnalysisConfig& config_;
  const MetricList& list_;
  SharedProgress& progress_;
  std::vector<Stream> streams_;       ///< by layer
  std::vector<LayerMetrics> layers_;  ///< by layer
};

void check_memory(const TraceReader& trace, const AnalysisConfig& config, const Worker& worker, std::size_t jobs) {
  std::uint64_t largest = 0;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    largest = std::max(largest, worker.state_bytes(shape_of(trace, config, request)));
  }
  trace::MemoryPlan plan;
  plan.add("ids and metrics", static_cast<double>(largest) * static_cast<double>(jobs));
  plan.require(trace, fmt::format("{} jobs have a part each, fewer `jobs` need less", jobs));
}

void merge(std::vector<LayerMetrics>& into, const std::vector<LayerMetrics>& from) {
  for (std::size_t layer = 0; layer < into.size(); ++layer) {
    for (std::size_t i = 0; i < into[layer].size(); ++i) {
      if (into[layer][i]) {
        into[layer][i]->merge(*from[layer][i]);
      }
    }
  }
}

void summarise_into(AnalysisResult& result, const MetricList& list, const std::vector<LayerMetrics>& layers) {
  for (const auto& entry : list.entries) {
    result.metrics.push_back(entry.info);
  }
  result.pooled.resize(list.entries.size());
  result.layers.assign(layers.size(), result.pooled);
  for (std::size_t i = 0; i < list.entries.size(); ++i) {
    if (!list.entries[i].info.unavailable.empty()) {
      continue;
    }
    const auto pooled = list.entries[i].make();
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      result.layers[layer][i] = layers[layer][i]->summary();
      pooled->merge(*layers[layer][i]);
    }
    result.pooled[i] = pooled->summary();
  }
}

}  // namespace

AnalysisResult analyze(const TraceReader& trace, const AnalysisConfig& config, const AnalysisHooks& hooks) {
  trace.require_single_queries("analyze");
  if (trace.header().mixes_units()) {
    trace.require_equal_stores("analyze");
  }
  AnalysisResult result;
  result.config = effective_analysis(trace, config);
  const MetricList list = list_metrics({.config = result.config,
                                        .top_k = std::max(1U, trace.longest_selection()),
                                        .unit_tokens = trace.header().unit_tokens,
                                        .ids = trace.header().ids});
  std::uint64_t steps = 0;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    steps += shape_of(trace, result.config, request).steps;
  }
  const bool across_requests =
      trace.request_count() > 1 &&
      std::any_of(list.entries.begin(), list.entries.end(), [](const auto& entry) { return entry.across_requests; });
  SharedProgress progress(hooks, across_requests ? 2 * steps : steps);
  const std::uint32_t tasks = trace.request_count() + (across_requests ? 1 : 0);

  std::vector<std::unique_ptr<Worker>> workers;
  Workers threads(std::clamp(result.config.jobs, 1U, std::max(1U, tasks)));
  while (workers.size() < threads.jobs()) {
    workers.push_back(std::make_unique<Worker>(trace, result.config, list, progress));
    if (workers.size() == 1) {
      check_memory(trace, result.config, *workers.front(), threads.jobs());
    }
  }
  threads.run(tasks, [&](std::size_t task, std::size_t worker) {
    if (task < trace.request_count()) {
      workers[worker]->analyze_request(static_cast<std::uint32_t>(task));
    } else {
      workers[worker]->analyze_batch();
    }
  });
  for (std::size_t i = 1; i < workers.size(); ++i) {
    merge(workers.front()->layers(), workers[i]->layers());
    workers[i].reset();
  }
  summarise_into(result, list, workers.front()->layers());
  return result;
}

}  // namespace dsasim
