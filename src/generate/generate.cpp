#include "dsasim/generate/generate.hpp"

#include "dsasim/error.hpp"
#include "dsasim/trace/partial_file.hpp"
#include "dsasim/trace/writer.hpp"

#include "generate/draws.hpp"
#include "generate/stream.hpp"

#include <algorithm>
#include <numeric>
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
enum class Purpose : std::uint64_t {
  selection,
  churn,
  common_churn,
  churn_choice,
  popularity,
  common_popularity,
  acceptance
};

Draws draws_for(std::uint64_t seed, Purpose purpose, std::uint64_t number) {
  return {SplitMix64(seed).next() ^ static_cast<std::uint64_t>(purpose), number};
}

void check(const SelectionModel& model) {
  if (model.top_k == 0 || model.layers.empty() || model.queries == 0) {
    throw ConfigError("generate", "top-k, layers and queries are {}, {} and {}, expected 1 or more", model.top_k,
                      model.layers.size(), model.queries);
  }
  if (model.sinks + std::uint64_t{model.local} > model.top_k / 2) {
    throw ConfigError("generate", "sinks{} are {}, expected no more than half of the top-k, {}",
                      model.local > 0 ? " and local entries" : "", model.sinks + std::uint64_t{model.local},
                      model.top_k);
  }
}

/// Of each request; `model` has the batch's layers and queries.
void check(const SelectionModel& model, std::span<const RequestShape> batch) {
  std::uint32_t least_unit = model.unit_of(0);
  for (std::size_t layer = 1; layer < model.layers.size(); ++layer) {
    least_unit = std::min(least_unit, model.unit_of(layer));
  }
  for (const RequestShape& request : batch) {
    if (request.steps == 0 || request.steps >= synthesis::EntryState::most_steps / model.queries) {
      throw ConfigError("generate", "steps are {}, expected 1 or more and fewer than {}", request.steps,
                        synthesis::EntryState::most_steps / model.queries);
    }
    const std::uint64_t most_tokens = request.prompt_tokens + request.steps * model.queries;
    if (most_tokens / least_unit >= max_entry_ids) {
      throw ConfigError("generate", "context of {} tokens: expected fewer than {} entries", most_tokens, max_entry_ids);
    }
  }
}

TraceHeader header_of(const SelectionModel& model, std::span<const RequestShape> batch, std::uint64_t seed) {
  TraceHeader header;
  header.model = model.model;
  header.provenance = fmt::format("dsasim generate, seed {}", seed);
  header.unit_tokens = model.unit_of(0);
  header.entry_bytes = model.stores.empty() ? model.entry_bytes : model.stores.front().entry_bytes;
  header.layers = model.layers;
  header.stores = model.stores;
  header.has_queries = model.queries > 1;
  header.requests.reserve(batch.size());
  for (const RequestShape& request : batch) {
    header.requests.push_back({.prompt_tokens = request.prompt_tokens, .start_step = request.start_step});
  }
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

/// How many of each step's queries are accepted: the first, and each draft with a chance, as long as none was rejected.
class Acceptance {
 public:
  Acceptance(const SelectionModel& model, std::uint64_t seed, std::uint32_t request)
      : queries_(model.queries), chance_(model.acceptance), draws_(draws_for(seed, Purpose::acceptance, request)) {}

  std::uint32_t next() noexcept {
    std::uint32_t accepted = 1;
    while (accepted < queries_ && draws_.unit() < chance_) {
      ++accepted;
    }
    return accepted;
  }

 private:
  std::uint32_t queries_;
  double chance_;
  Draws draws_;
};

std::vector<std::uint32_t> accepted_of(const SelectionModel& model, std::uint64_t seed, std::uint32_t request) {
  Acceptance acceptance(model, seed, request);
  std::vector<std::uint32_t> accepted(model.steps);
  std::ranges::generate(accepted, [&acceptance] { return acceptance.next(); });
  return accepted;
}

/// One request, a block of positions at a time, and within the block layer after layer: the state of a layer's entries
/// then stays in the processor's cache for the block. Selections are drawn position by position, whichever step they
/// are of: a rejected draft selects what the query at the position after its own selects, as far as it sees that.
class RequestGenerator {
 public:
  RequestGenerator(const SelectionModel& model, std::uint64_t seed, std::uint32_t request)
      : model_(model),
        request_(request),
        accepted_(accepted_of(model, seed, request)),
        positions_(positions()),
        churn_(model, seed, request),
        peer_(0) {
    const std::size_t layers = model.layers.size();
    setups_.reserve(layers);
    streams_.reserve(layers);
    std::uint64_t most_entries = 0;
    for (std::size_t layer = 0; layer < layers; ++layer) {
      StreamSetup& setup = setups_.emplace_back();
      setup.prompt_entries = model.prompt_tokens / model.unit_of(layer);
      setup.most_entries = entries(layer, positions_ - 1);
      setup.top_k = model.top_k;
      setup.sinks = model.sinks;
      setup.local = model.local;
      setup.popular_page = popular_pages(model, seed, request, setup.most_entries);
      setup.popular_share = model.popularity.popular_share;
      most_entries = std::max(most_entries, setup.most_entries);
      streams_.emplace_back(model.statistics[layer], setup,
                            draws_for(seed, Purpose::selection, request * layers + layer));
    }
    peer_ = IdSet(most_entries);
    selections_.resize(layers);
    constexpr std::uint64_t block_ids = std::uint64_t{1} << 21U;
    const std::uint64_t row_ids = std::uint64_t{model.top_k} * layers;
    block_positions_ = std::clamp<std::uint64_t>(block_ids / row_ids, 1, 64);
  }

  void run(TraceWriter& writer, const std::function<void(std::uint64_t steps)>& progress) {
    if (model_.settling_steps > 0) {
      settle();
      progress(write(writer));
    }
    while (step_ < model_.steps) {
      draw(std::min(drawn_ + block_positions_, positions_));
      progress(write(writer));
    }
    writer.end_request(request_);
  }

 private:
  using Rows = std::vector<std::vector<EntryId>>;

  /// From the first query's on, as many as some step looks at.
  std::uint64_t positions() const {
    const std::uint64_t before_last = std::accumulate(accepted_.begin(), accepted_.end() - 1, std::uint64_t{0});
    return before_last + rows_of(accepted_.back());
  }
  std::uint64_t rows_of(std::uint32_t accepted) const {
    return model_.queries + std::uint64_t{accepted < model_.queries ? 1U : 0U};
  }

  std::uint64_t entries(std::size_t layer, std::uint64_t position) const {
    const std::uint64_t tokens = model_.prompt_tokens + position + 1;
    const std::uint32_t unit = model_.unit_of(layer);
    return model_.selects_begun ? begun_entries(tokens, unit) : tokens / unit;
  }

  /// Draws selections that are not written, and takes the last for that of the first position.
  void settle() {
    make_room(model_.settling_steps);
    for (std::size_t layer = 0; layer < streams_.size(); ++layer) {
      for (std::uint64_t at = 0; at < model_.settling_steps; ++at) {
        draw(layer, at, entries(layer, 0), 1);
      }
    }
    for (std::size_t layer = 0; layer < streams_.size(); ++layer) {
      const auto settled = streams_[layer].restart();
      selections_[layer].resize(1);
      selections_[layer].front().assign(settled.begin(), settled.end());
    }
    churn_.move();
    drawn_ = 1;
  }

  /// All positions below `end`.
  void draw(std::uint64_t end) {
    const std::size_t layers = streams_.size();
    std::vector<double> churn;
    for (std::uint64_t position = drawn_; position < end; ++position) {
      churn_.move();
      for (std::size_t layer = 0; layer < layers; ++layer) {
        churn.push_back(churn_.factor(layer));
      }
    }
    make_room(end - first_);
    for (std::size_t layer = 0; layer < layers; ++layer) {
      for (std::uint64_t position = drawn_; position < end; ++position) {
        draw(layer, position - first_, entries(layer, position), churn[(position - drawn_) * layers + layer]);
      }
    }
    drawn_ = end;
  }

  void make_room(std::size_t positions) {
    std::ranges::for_each(selections_, [positions](Rows& layer) { layer.resize(positions); });
  }

  /// The next selection of a layer, into its place in the block.
  void draw(std::size_t layer, std::uint64_t at, std::uint64_t context, double churn) {
    Stream::Peer peer{.ids = {}, .set = nullptr};
    if (layer > 0 && model_.unit_of(layer) == model_.unit_of(layer - 1)) {
      peer = {.ids = selections_[layer - 1][at], .set = &peer_};
    }
    std::ranges::for_each(peer.ids, [this](EntryId id) { peer_.add(value(id)); });
    const auto drawn = streams_[layer].next(context, churn, peer);
    selections_[layer][at].assign(drawn.begin(), drawn.end());
    std::ranges::for_each(peer.ids, [this](EntryId id) { peer_.remove(value(id)); });
  }

  /// The steps all of whose rows are drawn; returns how many. What no later step looks at is dropped.
  std::uint64_t write(TraceWriter& writer) {
    const std::uint64_t before = step_;
    std::uint64_t context = first_;
    while (step_ < model_.steps && context + rows_of(accepted_[step_]) <= drawn_) {
      write_step(writer, context - first_);
      context += accepted_[step_++];
    }
    const auto done = static_cast<std::ptrdiff_t>(context - first_);
    std::ranges::for_each(selections_,
                          [done](Rows& layer) { std::rotate(layer.begin(), layer.begin() + done, layer.end()); });
    first_ = context;
    return step_ - before;
  }

  void write_step(TraceWriter& writer, std::uint64_t at) {
    const std::uint32_t accepted = accepted_[step_];
    if (model_.queries > 1) {
      writer.begin_step(request_, model_.queries, accepted);
    }
    for (std::uint32_t query = 0; query < model_.queries; ++query) {
      for (std::size_t layer = 0; layer < selections_.size(); ++layer) {
        if (query < accepted) {
          writer.append(request_, selections_[layer][at + query]);
        } else {
          writer.append(request_, seen_of(selections_[layer][at + query + 1], entries(layer, first_ + at + query)));
        }
      }
    }
  }

  /// What is below the context; in place of the first that is not, the context's last entry, which is the query's own.
  std::span<const EntryId> seen_of(const std::vector<EntryId>& selection, std::uint64_t context) {
    seen_.clear();
    for (const EntryId id : selection) {
      const std::uint64_t seen = std::min<std::uint64_t>(value(id) + std::uint64_t{1}, context);  // counted from 1
      if (seen > 0 && (seen_.empty() || value(seen_.back()) + 1 < seen)) {                        // ascending
        seen_.push_back(EntryId{static_cast<std::uint32_t>(seen - 1)});
      }
    }
    return seen_;
  }

  const SelectionModel& model_;
  std::uint32_t request_;
  std::vector<std::uint32_t> accepted_;  ///< by step
  std::uint64_t positions_;              ///< counted from the prompt's end
  ChurnPath churn_;
  IdSet peer_;
  std::vector<StreamSetup> setups_;  ///< by layer
  std::vector<Stream> streams_;
  std::uint64_t block_positions_ = 1;
  std::uint64_t step_ = 0;        ///< the next to be written
  std::uint64_t first_ = 0;       ///< its first query's position: selections_ begins there
  std::uint64_t drawn_ = 0;       ///< positions
  std::vector<Rows> selections_;  ///< by layer
  std::vector<EntryId> seen_;
};

}  // namespace

void generate(std::span<const RequestShape> batch, const ModelOf& model_of, std::uint64_t seed,
              const std::filesystem::path& path, const GenerateProgress& progress) {
  if (batch.empty()) {
    throw ConfigError("generate", "batch is 0, expected 1 or more");
  }
  SelectionModel model = model_of(batch.front());
  check(model);
  check(model, batch);
  std::uint64_t total = 0;
  for (const RequestShape& request : batch) {
    total += request.steps;
  }
  PartialFile partial(path);
  TraceWriter writer(partial.path(), header_of(model, batch, seed), {.name = path.string()});
  std::uint64_t done = 0;
  for (std::uint32_t request = 0; request < batch.size(); ++request) {
    if (request > 0) {
      model = model_of(batch[request]);
    }
    RequestGenerator(model, seed, request).run(writer, [&](std::uint64_t steps) {
      done += steps;
      if (progress) {
        progress(done, total);
      }
    });
  }
  writer.finish();
  partial.keep();
}

std::uint64_t steps_to_accept(std::uint64_t tokens, const SelectionModel& model, std::uint64_t seed,
                              std::uint32_t request) {
  Acceptance acceptance(model, seed, request);
  std::uint64_t steps = 0;
  for (std::uint64_t accepted = 0; accepted < tokens && steps < synthesis::EntryState::most_steps; ++steps) {
    accepted += acceptance.next();
  }
  return steps;
}

void generate(const SelectionModel& model, std::uint64_t seed, const std::filesystem::path& path,
              const GenerateProgress& progress) {
  const std::vector<RequestShape> batch(model.requests, {.prompt_tokens = model.prompt_tokens, .steps = model.steps});
  generate(
      batch, [&model](const RequestShape& /*request*/) { return model; }, seed, path, progress);
}

}  // namespace dsasim
