#include "replay/drive.hpp"

#include "replay/prefetch.hpp"
#include "threads/workers.hpp"
#include "trace/batch_cursor.hpp"
#include "trace/machine_memory.hpp"

#include <algorithm>
#include <utility>

namespace dsasim {
namespace {

/// What the runs have in common decides which parts of a block can be replayed apart.
enum class Division : std::uint8_t { by_stream, by_layer, by_request, none };

Division division_of(const TraceHeader& header, std::span<BlockRun* const> runs) {
  const auto all = [&](Scope scope) {
    return std::all_of(runs.begin(), runs.end(), [&](const BlockRun* run) {
      const ReplayConfig& config = run->config();
      return !policy_needs(config.policy).future && (config.scope == scope || config.scope == Scope::stream);
    });
  };
  const bool counts_apart =
      std::all_of(runs.begin(), runs.end(), [](const BlockRun* run) { return run->counts_streams_apart(); });
  // Layers of one store meet in one cache, and a guess by the layer before needs its selection first.
  const bool layers_meet = header.shares_stores() || std::any_of(runs.begin(), runs.end(), [](const BlockRun* run) {
                             return guesses_by_layer_before(run->config());
                           });
  if (all(Scope::layer) && !layers_meet) {
    return all(Scope::stream) && counts_apart ? Division::by_stream : Division::by_layer;
  }
  return all(Scope::request) ? Division::by_request : Division::none;
}

/// Decodes the trace once, block by block, and replays each block through all runs.
class Driver {
 public:
  Driver(const TraceReader& trace, StepRange steps, std::span<BlockRun* const> runs, Future* future,
         const ReplayHooks& hooks, std::uint32_t jobs)
      : trace_(trace),
        steps_(steps),
        runs_(runs),
        future_(future),
        hooks_(hooks),
        division_(division_of(trace.header(), runs)),
        forms_{.ids = false, .sets = false},
        batch_(trace, steps),
        memory_(trace::machine_memory()),
        workers_(jobs) {
    for (const BlockRun* run : runs_) {
      forms_ = {.ids = forms_.ids || run->forms().ids, .sets = forms_.sets || run->forms().sets};
    }
    scratch_.resize(workers_.jobs());
    for (BlockRun* run : runs_) {
      run->begin(workers_.jobs());
    }
  }

  void run() {
    if (division_ == Division::none) {
      run_undivided();
    } else {
      run_divided();
    }
  }

 private:
  /// Decoded lanes, by layer and active request of a part or of a block.
  struct Lanes {
    std::vector<trace::SelectionBlock> blocks;  ///< kept, with their memory
    std::vector<const trace::SelectionBlock*> views;

    void resize(std::size_t count) {
      blocks.resize(std::max(blocks.size(), count));
      views.clear();
      for (std::size_t i = 0; i < count; ++i) {
        views.push_back(&blocks[i]);
      }
    }
  };
  struct DecodedBlock {
    ReplayBlock block;
    Lanes lanes;
  };

  /// Each run keeps a row for every selection of a block.
  std::uint64_t most_selections() const noexcept {
    constexpr std::uint64_t of_all_runs = std::uint64_t{1} << 18U;
    constexpr std::uint64_t least = std::uint64_t{1} << 12U;  // of a block worth sharing out
    return std::max(of_all_runs / runs_.size(), least);
  }

  ReplayBlock current_block() const {
    const auto active = batch_.active();
    const auto ended = batch_.ended();
    ReplayBlock block{.steps = batch_.block(),
                      .active = {active.begin(), active.end()},
                      .ended = {ended.begin(), ended.end()},
                      .first_rows = {}};
    for (const std::uint32_t request : active) {
      block.first_rows.push_back(first_rows(trace_, request, block.steps));
    }
    return block;
  }

  /// Each part of a block is decoded and replayed by one thread, and while it is in that thread's cache.
  void run_divided() {
    while (batch_.next_block(lane_bytes(), most_selections())) {
      const ReplayBlock block = current_block();
      for (BlockRun* run : runs_) {
        run->begin_block(block);
      }
      workers_.run(parts_of(block), [&](std::size_t part, std::size_t worker) { replay_part(block, part, worker); });
      end_block(block);
    }
  }

  /// What a part decodes, the planes and the directory of a stream of 100K ids stay in a second-level cache of 2 MB. A
  /// lane of fewer steps brings its directory there for less: with an eighth of this, `lru` took 1.8 times as long.
  std::size_t lane_bytes() const noexcept {
    constexpr std::size_t part_bytes = std::size_t{1} << 20U;
    constexpr std::size_t least_bytes = std::size_t{1} << 17U;
    const std::size_t lanes = division_ == Division::by_stream  ? 1
                              : division_ == Division::by_layer ? trace_.request_count()
                                                                : trace_.layer_count();
    return std::max(part_bytes / lanes, least_bytes);
  }

  std::size_t parts_of(const ReplayBlock& block) const noexcept {
    const std::size_t layers = division_ == Division::by_request ? 1 : trace_.layer_count();
    const std::size_t requests = division_ == Division::by_layer ? 1 : block.active.size();
    return block.active.empty() ? 0 : layers * requests;
  }

  ReplayPart part_of(const ReplayBlock& block, std::size_t number) const noexcept {
    ReplayPart part{
        .first_layer = 0, .last_layer = trace_.layer_count(), .first_active = 0, .last_active = block.active.size()};
    const std::size_t requests = division_ == Division::by_layer ? 1 : block.active.size();
    if (division_ != Division::by_request) {
      part.first_layer = static_cast<std::uint32_t>(number / requests);
      part.last_layer = part.first_layer + 1;
    }
    if (division_ != Division::by_layer) {
      part.first_active = number % requests;
      part.last_active = part.first_active + 1;
    }
    return part;
  }

  void replay_part(const ReplayBlock& block, std::size_t number, std::size_t worker) {
    const ReplayPart part = part_of(block, number);
    const std::size_t width = part.last_active - part.first_active;
    Lanes& lanes = scratch_[worker];
    lanes.resize((part.last_layer - part.first_layer) * width);
    for (std::size_t i = 0; i < lanes.views.size(); ++i) {
      batch_.decode(block.active[part.first_active + i % width],
                    part.first_layer + static_cast<std::uint32_t>(i / width), forms_, lanes.blocks[i]);
    }
    for (BlockRun* run : runs_) {
      run->replay_part(block, part, lanes.views, {}, worker);
    }
  }

  /// Where streams of different layers and requests meet in one cache, a block is replayed in one piece for each run,
  /// while the lanes of the next are decoded.
  void run_undivided() {
    DecodedBlock now;
    DecodedBlock next;
    bool more = begin_next(next);
    workers_.run(next.lanes.views.size(), [&](std::size_t lane, std::size_t) { decode_lane(next, lane); });
    while (more) {
      std::swap(now, next);
      more = begin_next(next);
      for (BlockRun* run : runs_) {
        run->begin_block(now.block);
      }
      const auto next_uses = future_ != nullptr ? future_->next(accesses_of(now)) : std::span<const NextUse>();
      const std::size_t replays = now.block.active.empty() ? 0 : runs_.size();
      workers_.run(replays + next.lanes.views.size(), [&](std::size_t piece, std::size_t worker) {
        if (piece < replays) {
          const ReplayPart all{.first_layer = 0,
                               .last_layer = trace_.layer_count(),
                               .first_active = 0,
                               .last_active = now.block.active.size()};
          runs_[piece]->replay_part(now.block, all, now.lanes.views, next_uses, worker);
        } else {
          decode_lane(next, piece - replays);
        }
      });
      end_block(now.block);
    }
  }

  bool begin_next(DecodedBlock& next) {
    constexpr std::size_t block_bytes = std::size_t{1} << 19U;
    const std::size_t streams = std::size_t{trace_.layer_count()} * trace_.request_count();
    next.lanes.resize(0);
    if (!batch_.next_block(block_bytes / streams, most_selections())) {
      return false;
    }
    next.block = current_block();
    next.lanes.resize(std::size_t{trace_.layer_count()} * next.block.active.size());
    return true;
  }

  void decode_lane(DecodedBlock& block, std::size_t lane) {
    const std::size_t width = block.block.active.size();
    batch_.decode(block.block.active[lane % width], static_cast<std::uint32_t>(lane / width), forms_,
                  block.lanes.blocks[lane]);
  }

  /// Accesses and inserts of a block, as the future numbers them.
  std::size_t accesses_of(const DecodedBlock& now) {
    std::size_t count = 0;
    const bool gap = now.block.active.empty();  // of any length
    for (std::uint64_t step = now.block.steps.first; step < now.block.steps.last && !gap; ++step) {
      for (std::size_t i = 0; i < now.lanes.views.size(); ++i) {
        const std::size_t width = now.block.active.size();
        count +=
            future_->count(static_cast<std::uint32_t>(i / width), now.block.active[i % width], step,
                           rows_at(*now.lanes.views[i], now.block.first_rows[i % width], step - now.block.steps.first));
      }
    }
    return count;
  }

  void end_block(const ReplayBlock& block) {
    if (!block.active.empty()) {  // a gap between two requests may be of any length
      for (BlockRun* run : runs_) {
        run->end_block(block);
      }
    }
    trace::require_held(trace_, memory_);
    if (hooks_.on_step) {
      hooks_.on_step(block.steps.last - steps_.first, steps_.last - steps_.first);
    }
  }

  const TraceReader& trace_;
  StepRange steps_;
  std::span<BlockRun* const> runs_;
  Future* future_;
  const ReplayHooks& hooks_;
  Division division_;
  trace::SelectionForms forms_;
  trace::BatchCursor batch_;
  trace::MachineMemory memory_;
  std::vector<Lanes> scratch_;  ///< by worker
  Workers workers_;             // the last member: its threads end before what they work with
};

}  // namespace

void drive(const TraceReader& trace, StepRange steps, std::span<BlockRun* const> runs, Future* future,
           const ReplayHooks& hooks, std::uint32_t jobs) {
  Driver(trace, steps, runs, future, hooks, jobs).run();
}

bool all_have_sets(const TraceReader& trace) {
  if (trace.header().has_queries || trace.header().shares_stores()) {
    return false;  // a cache that takes sets knows one selection of a stream from a step to the next
  }
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    if (trace::set_words(trace, request) == 0) {
      return false;
    }
  }
  return true;
}

}  // namespace dsasim
