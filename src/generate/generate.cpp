#include "dsasim/generate/generate.hpp"

#include "dsasim/error.hpp"
#include "dsasim/trace/partial_file.hpp"
#include "dsasim/trace/writer.hpp"

#include "generate/draws.hpp"
#include "generate/stream.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace dsasim {
namespace {

using synthesis::Draws;
using synthesis::IdSet;
using synthesis::Stream;
using synthesis::StreamSetup;

/// What a sequence of draws is for, so that no two under one seed are the same.
enum class Purpose : std::uint64_t { selection, churn, common_churn, churn_choice, popularity, common_popularity };

Draws draws_for(std::uint64_t seed, Purpose purpose, std::uint64_t number) {
  return {SplitMix64(seed).next() ^ static_cast<std::uint64_t>(purpose), number};
}

void check(const SelectionModel& model) {
  if (model.top_k == 0 || model.steps == 0 || model.requests == 0 || model.layers.empty()) {
    throw ConfigError("generate", "top-k, steps, layers and batch are {}, {}, {} and {}, expected 1 or more",
                      model.top_k, model.steps, model.layers.size(), model.requests);
  }
  if (model.sinks > model.top_k / 2) {
    throw ConfigError("generate", "sinks are {}, expected no more than half of the top-k, {}", model.sinks,
                      model.top_k);
  }
  if (model.steps >= synthesis::EntryState::most_steps) {
    throw ConfigError("generate", "steps are {}, expected fewer than {}", model.steps,
                      synthesis::EntryState::most_steps);
  }
  if ((model.prompt_tokens + model.steps) / model.unit_tokens >= max_entry_ids) {
    throw ConfigError("generate", "context of {} tokens: expected fewer than {} entries",
                      model.prompt_tokens + model.steps, max_entry_ids);
  }
}

TraceHeader header_of(const SelectionModel& model, std::uint64_t seed) {
  TraceHeader header;
  header.model = model.model;
  header.provenance = fmt::format("dsasim generate, seed {}", seed);
  header.unit_tokens = model.unit_tokens;
  header.entry_bytes = model.entry_bytes;
  header.layers = model.layers;
  header.requests.assign(model.requests, {.prompt_tokens = model.prompt_tokens});
  return header;
}

/// Goes through the steps of a record in stretches of 64, each once, in random order; then again in another.
class ShuffledSteps {
 public:
  ShuffledSteps(std::uint64_t steps, Draws draws) : steps_(steps), draws_(draws) {
    for (std::uint64_t first = 0; first < steps; first += stretch_steps) {
      stretches_.push_back(first);
    }
    next_stretch_ = stretches_.size();
  }

  /// Whether a stretch begins.
  bool move() {
    if (left_ > 0) {
      --left_;
      ++at_;
      return false;
    }
    if (next_stretch_ == stretches_.size()) {
      for (std::size_t last = stretches_.size(); last > 1; --last) {
        std::swap(stretches_[draws_.below(static_cast<std::uint32_t>(last))], stretches_[last - 1]);
      }
      next_stretch_ = 0;
    }
    at_ = stretches_[next_stretch_++];
    left_ = std::min(stretch_steps, steps_ - at_) - 1;
    return true;
  }
  std::uint64_t at() const noexcept { return at_; }

 private:
  static constexpr std::uint64_t stretch_steps = 64;
  std::uint64_t steps_;
  Draws draws_;
  std::vector<std::uint64_t> stretches_;
  std::size_t next_stretch_;
  std::uint64_t at_ = 0;
  std::uint64_t left_ = 0;
};

/// How unsettled each step of one request is, as the model recorded it; some stretches are common to all requests.
class ChurnPath {
 public:
  ChurnPath(const SelectionModel& model, std::uint64_t seed, std::uint32_t request)
      : model_(model),
        own_(model.churn.size() / model.layers.size(), draws_for(seed, Purpose::churn, request)),
        common_(model.churn.size() / model.layers.size(), draws_for(seed, Purpose::common_churn, 0)),
        choice_(draws_for(seed, Purpose::churn_choice, request)) {}

  void move() {
    if (model_.churn.empty()) {
      return;
    }
    common_.move();
    if (own_.move()) {
      takes_common_ = choice_.unit() < model_.common_churn;
    }
  }
  double factor(std::size_t layer) const {
    const std::uint64_t step = takes_common_ ? common_.at() : own_.at();
    return model_.churn.empty() ? 1 : model_.churn[step * model_.layers.size() + layer];
  }

 private:
  const SelectionModel& model_;
  ShuffledSteps own_;
  ShuffledSteps common_;
  Draws choice_;
  bool takes_common_ = false;
};

std::vector<bool> popular_pages(const SelectionModel& model, std::uint64_t seed, std::uint32_t request,
                                std::uint64_t entries) {
  if (model.popularity.popular_share == popular_part) {
    return {};
  }
  Draws own = draws_for(seed, Purpose::popularity, request);
  Draws common = draws_for(seed, Purpose::common_popularity, 0);
  std::vector<bool> pages(entries / page_entries + 1);
  for (std::vector<bool>::reference page : pages) {
    const bool is_common = common.unit() < model.popularity.common_share;
    const double common_rank = common.unit();
    const double own_rank = own.unit();
    page = (is_common ? common_rank : own_rank) < popular_part;
  }
  return pages;
}

/// One request, a block of steps at a time, and within the block layer after layer: the state of a layer's entries then
/// stays in the processor's cache for the block.
class RequestGenerator {
 public:
  RequestGenerator(const SelectionModel& model, std::uint64_t seed, std::uint32_t request)
      : model_(model), request_(request), churn_(model, seed, request), peer_(entries(model.steps - 1)) {
    setup_.prompt_entries = model.prompt_tokens / model.unit_tokens;
    setup_.most_entries = entries(model.steps - 1);
    setup_.top_k = model.top_k;
    setup_.sinks = model.sinks;
    setup_.popular_page = popular_pages(model, seed, request, setup_.most_entries);
    setup_.popular_share = model.popularity.popular_share;
    streams_.reserve(model.layers.size());
    for (std::size_t layer = 0; layer < model.layers.size(); ++layer) {
      streams_.emplace_back(model.statistics[layer], setup_,
                            draws_for(seed, Purpose::selection, request * model.layers.size() + layer));
    }
    constexpr std::uint64_t block_ids = std::uint64_t{1} << 21U;
    const std::uint64_t step_ids = std::uint64_t{model.top_k} * model.layers.size();
    block_steps_ = std::clamp<std::uint64_t>(block_ids / step_ids, 1, 64);
  }

  void run(TraceWriter& writer, const std::function<void(std::uint64_t steps)>& progress) {
    std::uint64_t first = 0;
    if (model_.settling_steps > 0) {
      settle();
      write(writer);
      progress(1);
      first = 1;
    }
    while (first < model_.steps) {
      const std::uint64_t last = std::min(first + block_steps_, model_.steps);
      draw(first, last);
      write(writer);
      progress(last - first);
      first = last;
    }
  }

 private:
  std::uint64_t entries(std::uint64_t step) const { return (model_.prompt_tokens + step + 1) / model_.unit_tokens; }

  /// Draws steps that are not written, and takes the last for step 0.
  void settle() {
    make_room(model_.settling_steps);
    for (std::size_t layer = 0; layer < streams_.size(); ++layer) {
      for (std::uint64_t at = 0; at < model_.settling_steps; ++at) {
        draw(layer, at, entries(0), 1);
      }
    }
    for (std::size_t layer = 0; layer < streams_.size(); ++layer) {
      const auto settled = streams_[layer].restart();
      selections_[layer].resize(1);
      selections_[layer].front().assign(settled.begin(), settled.end());
    }
    churn_.move();
  }

  void draw(std::uint64_t first, std::uint64_t last) {
    const std::size_t layers = streams_.size();
    std::vector<double> churn;
    for (std::uint64_t step = first; step < last; ++step) {
      churn_.move();
      for (std::size_t layer = 0; layer < layers; ++layer) {
        churn.push_back(churn_.factor(layer));
      }
    }
    make_room(last - first);
    for (std::size_t layer = 0; layer < layers; ++layer) {
      for (std::uint64_t at = 0; at < last - first; ++at) {
        draw(layer, at, entries(first + at), churn[at * layers + layer]);
      }
    }
  }

  void make_room(std::size_t steps) {
    selections_.resize(streams_.size());
    std::ranges::for_each(selections_, [steps](auto& layer) { layer.resize(steps); });
  }

  /// The next selection of a layer, into its place in the block.
  void draw(std::size_t layer, std::uint64_t at, std::uint64_t context, double churn) {
    Stream::Peer peer{.ids = {}, .set = nullptr};
    if (layer > 0) {
      peer = {.ids = selections_[layer - 1][at], .set = &peer_};
    }
    std::ranges::for_each(peer.ids, [this](EntryId id) { peer_.add(value(id)); });
    const auto drawn = streams_[layer].next(context, churn, peer);
    selections_[layer][at].assign(drawn.begin(), drawn.end());
    std::ranges::for_each(peer.ids, [this](EntryId id) { peer_.remove(value(id)); });
  }

  void write(TraceWriter& writer) const {
    for (std::size_t at = 0; at < selections_.front().size(); ++at) {
      for (const auto& layer : selections_) {
        writer.append(request_, layer[at]);
      }
    }
  }

  const SelectionModel& model_;
  std::uint32_t request_;
  StreamSetup setup_;
  ChurnPath churn_;
  IdSet peer_;
  std::vector<Stream> streams_;
  std::uint64_t block_steps_ = 1;
  std::vector<std::vector<std::vector<EntryId>>> selections_;  ///< of a block: layer, step
};

}  // namespace

void generate(const SelectionModel& model, std::uint64_t seed, const std::filesystem::path& path,
              const GenerateProgress& progress) {
  check(model);
  PartialFile partial(path);
  TraceWriter writer(partial.path(), header_of(model, seed), {.name = path.string()});
  std::uint64_t done = 0;
  for (std::uint32_t request = 0; request < model.requests; ++request) {
    RequestGenerator(model, seed, request).run(writer, [&](std::uint64_t steps) {
      done += steps;
      if (progress) {
        progress(done, model.steps * model.requests);
      }
    });
  }
  writer.finish();
  partial.keep();
}

}  // namespace dsasim
