#include "dsasim/replay/replay.hpp"

#include "dsasim/error.hpp"
#include "replay/batch_cursor.hpp"
#include "replay/cache_run.hpp"
#include "replay/workers.hpp"

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

namespace dsasim {
namespace {

/// What the runs have in common decides which parts of a block can be replayed apart.
enum class Division : std::uint8_t { by_layer, by_request, none };

Division division_of(std::span<const ReplayConfig> configs) {
  const auto all = [&](Scope scope) {
    return std::all_of(configs.begin(), configs.end(), [&](const ReplayConfig& config) {
      return !policy_needs(config.policy).future && (config.scope == scope || config.scope == Scope::stream);
    });
  };
  return all(Scope::layer) ? Division::by_layer : all(Scope::request) ? Division::by_request : Division::none;
}

/// Decodes the trace once, block by block, and replays each block through all runs.
class Replay {
 public:
  Replay(const TraceReader& trace, std::span<const ReplayConfig> configs, const ReplayHooks& hooks, std::uint32_t jobs)
      : trace_(trace), hooks_(hooks), division_(division_of(configs)), workers_(jobs) {
    bool sets = true;
    for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
      sets = sets && trace::set_words(trace, request) != 0;
    }
    runs_.reserve(configs.size());
    for (const ReplayConfig& config : configs) {
      runs_.emplace_back(trace, config, sets);
    }
    forms_ = {.ids = false, .sets = false};
    for (const CacheRun& run : runs_) {
      forms_ = {.ids = forms_.ids || run.forms().ids, .sets = forms_.sets || run.forms().sets};
    }
    steps_ = runs_.front().effective().steps;
    batch_.emplace(trace, steps_);
    make_future();
    for (std::size_t worker = 0; worker < workers_.jobs(); ++worker) {
      Worker& made = scratch_.emplace_back();
      for (const CacheRun& run : runs_) {
        made.runs.push_back(run.make_scratch());
      }
    }
  }

  std::vector<ReplayResult> run() {
    if (division_ == Division::none) {
      run_undivided();
    } else {
      run_divided();
    }
    std::vector<ReplayResult> results;
    for (CacheRun& run : runs_) {
      results.push_back(run.finish());
    }
    return results;
  }

 private:
  struct Worker {
    std::vector<ReplayScratch> runs;            ///< by run
    std::vector<trace::SelectionBlock> lanes;   ///< of the part being replayed
    std::vector<const trace::SelectionBlock*> views;
  };
  /// A block and, decoded, all its lanes: by layer and active request.
  struct DecodedBlock {
    ReplayBlock block;
    std::vector<trace::SelectionBlock> lanes;
    std::vector<const trace::SelectionBlock*> views;
  };

  void make_future() {
    const auto first = std::find_if(runs_.begin(), runs_.end(), [](const auto& run) { return run.needs_future(); });
    if (first != runs_.end()) {
      future_.emplace(trace_, first->config(), steps_, first->layout());
    }
    for (CacheRun& run : runs_) {
      run.preload(run.needs_future() ? &*future_ : nullptr);
    }
    if (future_) {
      future_->forget_first_uses();
    }
  }

  ReplayBlock current_block() const {
    const auto active = batch_->active();
    const auto ended = batch_->ended();
    return {.steps = batch_->block(), .active = {active.begin(), active.end()}, .ended = {ended.begin(), ended.end()}};
  }

  /// Each part of a block is decoded and replayed by one thread, and while it is in that thread's cache.
  void run_divided() {
    constexpr std::size_t lane_bytes = std::size_t{1} << 17U;  // planes, directory and this stay in a second-level cache
    while (batch_->next_block(lane_bytes)) {
      const ReplayBlock block = current_block();
      for (CacheRun& run : runs_) {
        run.begin_block(block);
      }
      const std::size_t parts = division_ == Division::by_layer ? trace_.layer_count() : block.active.size();
      workers_.run(block.active.empty() ? 0 : parts,
                   [&](std::size_t part, std::size_t worker) { replay_part(block, part, scratch_[worker]); });
      count_block(block);
    }
  }

  void replay_part(const ReplayBlock& block, std::size_t number, Worker& worker) {
    const auto layers = trace_.layer_count();
    const auto layer = static_cast<std::uint32_t>(number);
    const ReplayPart part =
        division_ == Division::by_layer
            ? ReplayPart{.first_layer = layer, .last_layer = layer + 1, .first_active = 0, .last_active = block.active.size()}
            : ReplayPart{.first_layer = 0, .last_layer = layers, .first_active = number, .last_active = number + 1};
    const std::size_t width = part.last_active - part.first_active;
    make_lanes((part.last_layer - part.first_layer) * width, worker.lanes, worker.views);
    for (std::size_t i = 0; i < worker.views.size(); ++i) {
      batch_->decode(block.active[part.first_active + i % width],
                     part.first_layer + static_cast<std::uint32_t>(i / width), forms_, worker.lanes[i]);
    }
    for (std::size_t run = 0; run < runs_.size(); ++run) {
      runs_[run].replay_part(block, part, worker.views.data(), {}, worker.runs[run]);
    }
  }

  /// Blocks never move: views point to them.
  static void make_lanes(std::size_t count, std::vector<trace::SelectionBlock>& lanes,
                         std::vector<const trace::SelectionBlock*>& views) {
    if (lanes.size() < count) {
      lanes.resize(count);
    }
    views.clear();
    for (std::size_t i = 0; i < count; ++i) {
      views.push_back(&lanes[i]);
    }
  }

  /// Where streams of different layers and requests meet in one cache, a block is replayed in one piece for each run,
  /// while the lanes of the next are decoded.
  void run_undivided() {
    DecodedBlock now;
    DecodedBlock next;
    bool more = begin_next(next);
    workers_.run(next.views.size(), [&](std::size_t lane, std::size_t) { decode_lane(next, lane); });
    while (more) {
      std::swap(now, next);
      more = begin_next(next);
      for (CacheRun& run : runs_) {
        run.begin_block(now.block);
      }
      const auto next_uses = future_ ? future_->next(accesses_of(now)) : std::span<const NextUse>();
      const std::size_t replays = now.block.active.empty() ? 0 : runs_.size();
      workers_.run(replays + next.views.size(), [&](std::size_t piece, std::size_t worker) {
        if (piece < replays) {
          const ReplayPart all{.first_layer = 0,
                               .last_layer = trace_.layer_count(),
                               .first_active = 0,
                               .last_active = now.block.active.size()};
          runs_[piece].replay_part(now.block, all, now.views.data(), next_uses, scratch_[worker].runs[piece]);
        } else {
          decode_lane(next, piece - replays);
        }
      });
      count_block(now.block);
    }
  }

  bool begin_next(DecodedBlock& next) {
    constexpr std::size_t block_bytes = std::size_t{1} << 19U;
    const std::size_t streams = std::size_t{trace_.layer_count()} * trace_.request_count();
    next.views.clear();
    if (!batch_->next_block(block_bytes / streams)) {
      return false;
    }
    next.block = current_block();
    make_lanes(trace_.layer_count() * next.block.active.size(), next.lanes, next.views);
    return true;
  }

  void decode_lane(DecodedBlock& block, std::size_t lane) {
    const std::size_t width = block.block.active.size();
    batch_->decode(block.block.active[lane % width], static_cast<std::uint32_t>(lane / width), forms_,
                   block.lanes[lane]);
  }

  /// Accesses and inserts of a block, as the future numbers them.
  std::size_t accesses_of(const DecodedBlock& now) {
    std::size_t count = 0;
    for (std::uint64_t step = now.block.steps.first; step < now.block.steps.last; ++step) {
      for (std::size_t i = 0; i < now.views.size(); ++i) {
        const std::size_t width = now.block.active.size();
        count += future_->count(static_cast<std::uint32_t>(i / width), now.block.active[i % width], step,
                                (*now.views[i])[step - now.block.steps.first]);
      }
    }
    return count;
  }

  void count_block(const ReplayBlock& block) {
    for (CacheRun& run : runs_) {
      if (!block.active.empty()) {  // a gap between two requests may be of any length
        run.count_block(block, hooks_);
      }
    }
    if (hooks_.on_step) {
      hooks_.on_step(block.steps.last - steps_.first, steps_.last - steps_.first);
    }
  }

  const TraceReader& trace_;
  const ReplayHooks& hooks_;
  Division division_;
  std::vector<CacheRun> runs_;
  trace::SelectionForms forms_;
  StepRange steps_;
  std::optional<BatchCursor> batch_;
  std::optional<Future> future_;
  std::vector<Worker> scratch_;
  Workers workers_;  // the last member: its threads end before what they work with
};

}  // namespace

std::vector<ReplayResult> replay_all(const TraceReader& trace, std::span<const ReplayConfig> configs,
                                     const ReplayHooks& hooks, std::uint32_t jobs) {
  try {
    return Replay(trace, configs, hooks, jobs).run();
  } catch (const std::bad_alloc&) {
    throw SystemError(trace.name(), "not enough memory for this replay");
  }
}

ReplayResult replay(const TraceReader& trace, const ReplayConfig& config, const ReplayHooks& hooks,
                    std::uint32_t jobs) {
  return std::move(replay_all(trace, {&config, 1}, hooks, jobs).front());
}

}  // namespace dsasim
