#include "dsasim/replay/replay.hpp"

#include "dsasim/error.hpp"
#include "replay/cache_run.hpp"
#include "replay/drive.hpp"
#include "replay/future.hpp"
#include "trace/batch_cursor.hpp"
#include "trace/machine_memory.hpp"

#include <algorithm>
#include <memory>
#include <new>
#include <optional>
#include <utility>

namespace dsasim {
namespace {

using CacheRuns = std::vector<std::unique_ptr<CacheRun>>;

/// Belady's runs look into one future; it depends on which layers reserve anything at all.
std::optional<Future> make_future(const TraceReader& trace, const CacheRuns& runs) {
  const CacheRun* first = nullptr;
  for (const auto& run : runs) {
    if (!run->needs_future()) {
      continue;
    }
    first = first == nullptr ? run.get() : first;
    const auto& streams = run->layout().streams;
    if (std::any_of(streams.begin(), streams.end(), [&](const auto& stream) {
          return run->layout().reserves(stream) != first->layout().reserves(stream);
        })) {
      throw ConfigError("`capacity`", "{} and {} reserve nothing in different layers; {} needs them apart",
                        first->config().capacity.text(), run->config().capacity.text(), run->config().policy.name);
    }
  }
  if (first == nullptr) {
    return std::nullopt;
  }
  return std::make_optional<Future>(trace, first->config(), first->effective().steps, first->layout());
}

/// What is going to be held at once, before it is.
void require_memory(const TraceReader& trace, const CacheRuns& runs, trace::MemoryPlan plan) {
  plan.add("decoding", trace::decoding_bytes(trace, runs.front()->effective().steps));
  const double without_caches = plan.bytes();
  for (const auto& run : runs) {
    run->add_to(plan);
  }
  const auto* foresees =
      std::find_if(runs.data(), runs.data() + runs.size(), [](const auto& run) { return run->needs_future(); });
  if (foresees != runs.data() + runs.size()) {
    plan.add("the look into the future", Future::bytes(trace, (*foresees)->layout()));
  }
  const double left = trace::machine_memory().bytes - without_caches;
  const double each = (plan.bytes() - without_caches) / static_cast<double>(runs.size());
  plan.require(trace, each <= 0 || left < each
                          ? "a smaller `capacity`, or a trace of a part of its requests, needs less"
                          : fmt::format("{} of these {} configurations at once would fit",
                                        static_cast<std::uint64_t>(left / each), runs.size()));
}

std::vector<ReplayResult> replay_runs(const TraceReader& trace, std::span<const ReplayConfig> configs,
                                      const ReplayHooks& hooks, std::uint32_t jobs) {
  trace::MemoryPlan tables;
  tables.add("streams", DirectoryLayout::bytes(trace.stream_count()) * static_cast<double>(configs.size()));
  tables.require(trace, "import a part of its requests, or replay fewer configurations at once");
  const bool sets = all_have_sets(trace);
  CacheRuns runs;
  std::vector<BlockRun*> driven;
  for (const ReplayConfig& config : configs) {
    const auto number = static_cast<std::uint32_t>(runs.size());
    driven.push_back(runs.emplace_back(std::make_unique<CacheRun>(trace, config, sets, hooks, number)).get());
  }
  require_memory(trace, runs, tables);
  for (const auto& run : runs) {
    run->make_caches();
  }
  std::optional<Future> future = make_future(trace, runs);
  for (const auto& run : runs) {
    run->preload(run->needs_future() ? &*future : nullptr);
  }
  if (future) {
    future->forget_first_uses();
  }
  drive(trace, runs.front()->effective().steps, driven, future ? &*future : nullptr, hooks, jobs);
  std::vector<ReplayResult> results;
  for (const auto& run : runs) {
    results.push_back(run->finish());
  }
  return results;
}

}  // namespace

std::vector<ReplayResult> replay_all(const TraceReader& trace, std::span<const ReplayConfig> configs,
                                     const ReplayHooks& hooks, std::uint32_t jobs) {
  try {
    return replay_runs(trace, configs, hooks, jobs);
  } catch (const std::bad_alloc&) {
    throw SystemError(trace.name(), "not enough memory for this replay{}", jobs > 1 ? "; fewer `jobs` need less" : "");
  }
}

ReplayResult replay(const TraceReader& trace, const ReplayConfig& config, const ReplayHooks& hooks,
                    std::uint32_t jobs) {
  return std::move(replay_all(trace, {&config, 1}, hooks, jobs).front());
}

}  // namespace dsasim
