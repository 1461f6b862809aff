#include "row_file.hpp"

#include "byte_source.hpp"
#include "dsasim/error.hpp"
#include "dsasim/types.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <unordered_map>

namespace dsasim {
namespace {

/// A step is held in memory, as in array_source.cpp.
constexpr std::uint64_t most_ids_of_a_step = std::uint64_t{1} << 24U;
/// Ids of rows that came before their step's turn: 1 GiB of them. What a row needs besides counts as ids too.
constexpr std::uint64_t most_early_ids = std::uint64_t{1} << 28U;
constexpr std::uint64_t ids_of_a_row = 16;

/// What the rows of a step say of it, where they name their query.
struct StepFacts {
  std::uint64_t queries = 0;
  std::uint64_t accepted = 0;
  std::uint64_t rows = 0;
  std::optional<std::uint64_t> context;  ///< that query 0 sees
};

struct Request {
  std::string name;
  std::uint64_t first_step = 0;
  std::uint64_t last_step = 0;
  std::optional<std::uint64_t> prompt_tokens;
  std::map<std::uint32_t, std::uint64_t> rows_of_layer;
  std::map<std::uint64_t, StepFacts> steps = {};  ///< those that have rows, if these name their query
};

/// All that is known of a file before its selections are read.
struct Contents {
  std::vector<Request> requests;
  std::unordered_map<std::string, std::uint32_t> number_of;
  std::map<std::uint32_t, std::uint32_t> layers;  ///< of the model, ascending; and their index in the trace
  std::uint32_t top_k = 0;
};

/// What stands in the way of a request whose rows are not one for each layer and step in which the context grows by
/// one. Reads the file once more, for a message.
class Irregularity {
 public:
  Irregularity(const std::filesystem::path& path, const RowFormat& format, std::string request)
      : request_(std::move(request)) {
    const std::unique_ptr<RowReader> reader = format.open(path);
    SelectionRow row;
    while (steps_.size() < most_steps && reader->next(row)) {
      if (row.request == request_) {
        add(row);
      }
    }
  }

  /// "" if nothing that is known of.
  std::string explain() const {
    for (auto step = steps_.begin(); step != steps_.end(); ++step) {
      if (step->second.rows > 1 && step->second.first_context != step->second.last_context) {
        return several_queries(step->first, step->second);
      }
      const auto next = std::next(step);
      if (next == steps_.end()) {
        break;
      }
      std::string found = between(step->first, step->second, next->first, next->second);
      if (!found.empty()) {
        return found;
      }
    }
    return "";
  }

 private:
  static constexpr std::size_t most_steps = std::size_t{1} << 20U;

  struct Step {
    std::uint32_t layer = 0;
    std::uint64_t rows = 0;  ///< of this layer
    std::optional<std::uint64_t> first_context, last_context;
  };

  void add(const SelectionRow& row) {
    const auto [found, is_new] = steps_.try_emplace(
        row.step, Step{.layer = row.layer, .rows = 0, .first_context = row.context, .last_context = row.context});
    Step& step = found->second;
    step.rows += row.layer == step.layer ? 1U : 0U;
    step.first_context = std::min(step.first_context, row.context);
    step.last_context = std::max(step.last_context, row.context);
  }

  std::string several_queries(std::uint64_t number, const Step& step) const {
    return fmt::format(
        "request {} has {} rows of layer {} at step {}, with contexts from {} to {}: several queries a step, as "
        "multi-token prediction (speculative decoding) makes them; expected that each row says its `query` (from 0) "
        "and "
        "how many of its step's are `accepted`",
        printable(request_), step.rows, step.layer, number, *step.first_context, *step.last_context);
  }

  std::string between(std::uint64_t number, const Step& step, std::uint64_t next_number, const Step& next) const {
    if (next_number > number + 1 && (!step.last_context || *next.first_context == *step.last_context + 1)) {
      return fmt::format(
          "request {} pauses: it has no rows from step {} to step {}{}, as in a preemption; expected that each row "
          "says "
          "its `query` (0) and how many of its step's are `accepted` (1): a step without rows is then a pause",
          printable(request_), number + 1, next_number - 1,
          step.last_context
              ? fmt::format(", and its context goes on from {} to {}", *step.last_context, *next.first_context)
              : "");
    }
    if (next_number == number + 1 && step.last_context && *next.first_context > *step.last_context + 1) {
      return fmt::format(
          "the context of request {} grows from {} to {} between steps {} and {}: several tokens a step, as "
          "multi-token prediction (speculative decoding) makes them; expected that each row says its `query` (from 0) "
          "and "
          "how many of its step's are `accepted`",
          printable(request_), *step.last_context, *next.first_context, number, next_number);
    }
    return "";
  }

  std::string request_;
  std::map<std::uint64_t, Step> steps_;
};

class Survey {
 public:
  Survey(const std::filesystem::path& path, const RowFormat& format)
      : path_(path), format_(format), name_(path.string()), reader_(format.open(path)) {}

  Contents contents() {
    SelectionRow row;
    while (reader_->next(row)) {
      add(row);
    }
    if (contents_.requests.empty()) {
      throw TraceError(name_, "holds no selection");
    }
    std::uint32_t index = 0;
    for (auto& [layer, number] : contents_.layers) {
      number = index++;
    }
    std::uint64_t most_queries = 1;
    for (Request& request : contents_.requests) {
      if (!format_.has_queries) {
        require_whole(request);
        continue;
      }
      require_whole_steps(request);
      for (const auto& [step, facts] : request.steps) {
        most_queries = std::max(most_queries, facts.queries);
      }
    }
    if (most_queries * contents_.top_k * contents_.layers.size() > most_ids_of_a_step) {
      throw TraceError(name_,
                       "has {} layers, up to {} queries a step, and selections of {} ids; at most {} ids a step are "
                       "supported",
                       contents_.layers.size(), most_queries, contents_.top_k, most_ids_of_a_step);
    }
    return std::move(contents_);
  }

 private:
  void add(const SelectionRow& row) {
    if (row.layer >= TraceHeader::max_layers) {
      throw TraceError(reader_->place(), "layer {} is not below {}", row.layer, TraceHeader::max_layers);
    }
    if (row.step >= max_entry_ids) {
      throw TraceError(reader_->place(), "step {} is not below {}", row.step, max_entry_ids);
    }
    const auto [known, is_new] =
        contents_.number_of.try_emplace(row.request, static_cast<std::uint32_t>(contents_.requests.size()));
    if (is_new) {
      contents_.requests.push_back({.name = row.request,
                                    .first_step = row.step,
                                    .last_step = row.step,
                                    .prompt_tokens = {},
                                    .rows_of_layer = {}});
      base_.push_back(base_of(row));
    }
    Request& request = contents_.requests[known->second];
    if (format_.has_queries) {
      add_to_step(request, row);
    } else if (base_[known->second] != base_of(row)) {
      require_regular(request);
      throw TraceError(reader_->place(), "the context of request {} at step {} is {}, from its first row follows {}",
                       printable(row.request), row.step, row.context.value_or(0),
                       base_[known->second].value_or(0) + static_cast<std::int64_t>(row.step));
    }
    request.first_step = std::min(request.first_step, row.step);
    request.last_step = std::max(request.last_step, row.step);
    ++request.rows_of_layer[row.layer];
    contents_.layers.emplace(row.layer, 0);
    contents_.top_k = std::max(contents_.top_k, static_cast<std::uint32_t>(row.ids.size()));
    if (base_of(row) && !format_.has_queries) {
      request.prompt_tokens = prompt_of(request, *base_of(row));
    }
  }

  void add_to_step(Request& request, const SelectionRow& row) {
    if (row.query >= TraceHeader::max_queries || row.accepted > TraceHeader::max_queries) {
      throw TraceError(reader_->place(), "query {}, {} accepted; at most {} queries a step are supported", row.query,
                       row.accepted, TraceHeader::max_queries);
    }
    const auto [found, is_new] = request.steps.try_emplace(
        row.step, StepFacts{.queries = 0, .accepted = row.accepted, .rows = 0, .context = {}});
    StepFacts& facts = found->second;
    if (facts.accepted != row.accepted) {
      throw TraceError(reader_->place(), "request {}, step {}: {} queries are accepted, a row before says {}",
                       printable(row.request), row.step, row.accepted, facts.accepted);
    }
    facts.queries = std::max(facts.queries, row.query + 1);
    ++facts.rows;
    if (row.context) {
      if (*row.context <= row.query || (facts.context && *facts.context != *row.context - row.query)) {
        throw TraceError(reader_->place(), "request {}, step {}: query {} sees a context of {}, query 0 one of {}",
                         printable(row.request), row.step, row.query, *row.context, facts.context.value_or(0));
      }
      facts.context = *row.context - row.query;
    }
  }

  /// Where rows name their query: a row for each query and layer of a step, and contexts that grow by what is accepted.
  void require_whole_steps(Request& request) const {
    std::optional<std::uint64_t> context;
    for (const auto& [step, facts] : request.steps) {
      const std::uint64_t expected = facts.queries * contents_.layers.size();
      if (facts.rows != expected) {
        throw TraceError(name_, "request {} has {} rows at step {}, expected {}: {} layers x {} queries",
                         printable(request.name), facts.rows, step, expected, contents_.layers.size(), facts.queries);
      }
      if (facts.accepted > facts.queries) {
        throw TraceError(name_, "request {} has {} queries at step {}, of which {} are accepted",
                         printable(request.name), facts.queries, step, facts.accepted);
      }
      if (facts.context && context && *facts.context != *context) {
        throw TraceError(name_, "request {}: the context of query 0 of step {} is {}, from the steps before follows {}",
                         printable(request.name), step, *facts.context, *context);
      }
      if (facts.context && !context) {
        request.prompt_tokens = *facts.context - 1;
      }
      context = facts.context ? std::optional(*facts.context + facts.accepted) : std::nullopt;
    }
  }

  /// The context minus the step: the same in all rows of a request.
  std::optional<std::int64_t> base_of(const SelectionRow& row) const {
    if (!row.context) {
      return std::nullopt;
    }
    return static_cast<std::int64_t>(*row.context) - static_cast<std::int64_t>(row.step);
  }

  /// The query of the first step sees the prompt and itself.
  std::uint64_t prompt_of(const Request& request, std::int64_t base) const {
    const std::int64_t prompt = base + static_cast<std::int64_t>(request.first_step) - 1;
    if (prompt < 0) {
      throw TraceError(reader_->place(), "the context is {} at step {}, expected at least 1", prompt + 1,
                       request.first_step);
    }
    return static_cast<std::uint64_t>(prompt);
  }

  void require_whole(const Request& request) const {
    const std::uint64_t steps = request.last_step - request.first_step + 1;
    for (const auto& [layer, index] : contents_.layers) {
      const auto found = request.rows_of_layer.find(layer);
      const std::uint64_t rows = found == request.rows_of_layer.end() ? 0 : found->second;
      if (rows != steps) {
        require_regular(request);
        throw TraceError(name_, "request {} has {} rows of layer {}, expected one for each step from {} to {}",
                         printable(request.name), rows, layer, request.first_step, request.last_step);
      }
    }
  }

  void require_regular(const Request& request) const {
    const std::string reason = Irregularity(path_, format_, request.name).explain();
    if (!reason.empty()) {
      throw TraceError(name_, "{}", reason);
    }
  }

  const std::filesystem::path& path_;
  const RowFormat& format_;
  std::string name_;
  std::unique_ptr<RowReader> reader_;
  Contents contents_;
  std::vector<std::optional<std::int64_t>> base_;  ///< of each request
};

/// The rows of one step of one request, until all its queries' layers are there.
struct PartialStep {
  std::vector<std::vector<std::int32_t>> ids;  ///< of each query and layer
  std::vector<std::vector<std::uint16_t>> scores;
  std::vector<bool> present;
  std::size_t rows_present = 0;
};

class RowSource final : public CaptureSource {
 public:
  RowSource(const std::filesystem::path& path, const RowFormat& format, const Contents& contents)
      : name_(path.string()),
        contents_(contents),
        reader_(format.open(path)),
        has_scores_(format.has_scores),
        has_queries_(format.has_queries) {
    for (const Request& request : contents.requests) {
      waiting_.push_back({.next_step = request.first_step, .steps = {}});
    }
  }

  void read_step(CaptureStep& step) override {
    while (!complete(current_)) {
      read_row();
    }
    emit(step);
  }

 private:
  struct Waiting {
    std::uint64_t next_step = 0;
    std::map<std::uint64_t, PartialStep> steps;
  };

  bool complete(std::uint32_t request) const {
    const Waiting& waiting = waiting_[request];
    return pauses(request) || (!waiting.steps.empty() && waiting.steps.begin()->first == waiting.next_step &&
                               waiting.steps.begin()->second.rows_present == waiting.steps.begin()->second.ids.size());
  }

  /// The next step has no rows.
  bool pauses(std::uint32_t request) const {
    const Request& of = contents_.requests[request];
    const std::uint64_t next = waiting_[request].next_step;
    return has_queries_ && next <= of.last_step && !of.steps.contains(next);
  }

  /// Queries of a step that has rows.
  std::uint64_t queries_of(std::uint64_t step) const {
    if (!has_queries_) {
      return 1;
    }
    const auto& steps = contents_.requests[current_].steps;
    const auto found = steps.find(step);
    return found == steps.end() ? 0 : found->second.queries;
  }

  void read_row() {
    if (!reader_->next(row_)) {
      throw TraceError(name_, "was changed while it was imported: it ends early");
    }
    const auto known = contents_.number_of.find(row_.request);
    const auto layer = contents_.layers.find(row_.layer);
    if (known == contents_.number_of.end() || layer == contents_.layers.end() || row_.ids.size() > contents_.top_k) {
      throw TraceError(reader_->place(), "was changed while it was imported");
    }
    current_ = known->second;
    add(waiting_[current_], layer->second);
  }

  void add(Waiting& waiting, std::uint32_t layer) {
    PartialStep& partial = waiting.steps[row_.step];
    const std::size_t layers = contents_.layers.size();
    if (partial.present.empty()) {
      const std::size_t rows = layers * queries_of(row_.step);
      partial.present.resize(rows);
      partial.ids.resize(rows);
      partial.scores.resize(has_scores_ ? rows : 0);
    }
    const std::size_t place = (has_queries_ ? row_.query * layers : 0) + layer;
    if (place >= partial.present.size()) {
      throw TraceError(reader_->place(), "was changed while it was imported");
    }
    if (row_.step < waiting.next_step || partial.present[place]) {
      throw TraceError(reader_->place(), "request {} has layer {} at step {} twice{}", printable(row_.request),
                       row_.layer, row_.step,
                       has_queries_ ? fmt::format(", of query {}", row_.query)
                                    : "; where steps have several queries, as multi-token prediction makes them, each "
                                      "row says its `query` and how many are `accepted`");
    }
    partial.present[place] = true;
    ++partial.rows_present;
    partial.ids[place].assign(row_.ids.begin(), row_.ids.end());
    if (has_scores_) {
      partial.scores[place] = row_.scores;
    }
    held_ids_ += row_.ids.size() + ids_of_a_row;
    if (held_ids_ > most_early_ids) {
      throw TraceError(reader_->place(),
                       "request {} still lacks rows of step {} after {} ids of other steps; sort the file by step",
                       printable(row_.request), waiting.next_step, held_ids_);
    }
  }

  void emit(CaptureStep& step) {
    Waiting& waiting = waiting_[current_];
    step.request = current_;
    if (pauses(current_)) {
      step.queries = 0;
      step.accepted = 0;
      step.ids.clear();
      step.scores.clear();
      ++waiting.next_step;
      return;
    }
    const auto first = waiting.steps.begin();
    if (has_queries_) {
      const StepFacts& facts = contents_.requests[current_].steps.at(first->first);
      step.queries = static_cast<std::uint32_t>(facts.queries);
      step.accepted = static_cast<std::uint32_t>(facts.accepted);
    }
    const PartialStep& partial = first->second;
    const std::size_t top_k = contents_.top_k;
    step.ids.assign(partial.ids.size() * top_k, -1);
    step.scores.assign(has_scores_ ? step.ids.size() : 0, 0);
    for (std::size_t row = 0; row < partial.ids.size(); ++row) {
      const auto at = static_cast<std::ptrdiff_t>(row * top_k);
      std::copy(partial.ids[row].begin(), partial.ids[row].end(), step.ids.begin() + at);
      if (has_scores_) {
        std::copy(partial.scores[row].begin(), partial.scores[row].end(), step.scores.begin() + at);
      }
      held_ids_ -= partial.ids[row].size() + ids_of_a_row;
    }
    waiting.steps.erase(first);
    ++waiting.next_step;
  }

  std::string name_;
  const Contents& contents_;
  std::unique_ptr<RowReader> reader_;
  bool has_scores_;
  bool has_queries_;
  SelectionRow row_;
  std::vector<Waiting> waiting_;  ///< of each request
  std::uint32_t current_ = 0;     ///< the request whose next step may be complete
  std::uint64_t held_ids_ = 0;    ///< in all of waiting_
};

class RowFile final : public CaptureFile {
 public:
  RowFile(const std::filesystem::path& path, const RowFormat& format, const ImportOptions& options)
      : path_(path), format_(format), contents_(Survey(path, format).contents()) {
    require_agreement(options);
    std::vector<LayerInfo> infos;
    for (const auto& [layer, index] : contents_.layers) {
      infos.push_back({.model_layer = layer, .group_size = 1});
    }
    if (!format.layers.empty() && format.layers.size() == infos.size()) {
      infos = format.layers;
    } else if (!format.names_layers && infos.back().model_layer + 1 == infos.size()) {
      infos.clear();  // 0, 1, ...: what is meant without
    }
    for (const Request& request : contents_.requests) {
      requests_.push_back({.steps = request.last_step - request.first_step + 1,
                           .layers = static_cast<std::uint32_t>(contents_.layers.size()),
                           .top_k = std::max(contents_.top_k, 1U),
                           .prompt_tokens = request.prompt_tokens,
                           .has_scores = format.has_scores,
                           .first_row = 0,
                           .layer_infos = infos,
                           .start_step = static_cast<std::uint32_t>(request.first_step),
                           .entries = format.entries,
                           .says_owners = !format.layers.empty(),
                           .has_queries = has_other_steps(request)});
    }
    contents_.top_k = requests_.front().top_k;
  }

  const std::vector<CaptureShape>& requests() const override { return requests_; }

  std::unique_ptr<CaptureSource> read() const override {
    return std::make_unique<RowSource>(path_, format_, contents_);
  }

  std::vector<std::string> notes() const override {
    std::vector<std::string> out;
    if (!format_.unread.empty()) {
      out.push_back(fmt::format("{}: {} {} not read", path_.string(), fmt::join(format_.unread, ", "),
                                format_.unread.size() == 1 ? "is" : "are"));
    }
    if (steps_are_positions()) {
      out.push_back(
          fmt::format("{}: the steps of all {} requests are positions of their queries; they are taken for "
                      "steps of the batch, so that requests of longer prompts join it later",
                      path_.string(), requests_.size()));
    }
    return out;
  }

 private:
  void require_agreement(const ImportOptions& options) const {
    if (options.layers && *options.layers != contents_.layers.size()) {
      throw TraceError(path_.string(), "has rows of {} layers, `layers` says {}", contents_.layers.size(),
                       *options.layers);
    }
    if (options.top_k && *options.top_k < contents_.top_k) {
      throw TraceError(path_.string(), "has a selection of {} ids, `top_k` says {}", contents_.top_k, *options.top_k);
    }
  }

  /// Than of one query that is accepted.
  static bool has_other_steps(const Request& request) {
    const auto& steps = request.steps;
    return !steps.empty() && (steps.size() <= request.last_step - request.first_step ||
                              std::any_of(steps.begin(), steps.end(), [](const auto& step) {
                                return step.second.queries != 1 || step.second.accepted != 1;
                              }));
  }

  /// Requests of several prompts that begin at their ends are no batch that was logged by its steps.
  bool steps_are_positions() const {
    const std::vector<Request>& requests = contents_.requests;
    const auto counts_tokens = [](const Request& request) {
      return request.prompt_tokens && request.first_step > 0 &&
             (*request.prompt_tokens == request.first_step || *request.prompt_tokens + 1 == request.first_step);
    };
    const bool differ = std::any_of(requests.begin(), requests.end(), [&](const Request& request) {
      return request.first_step != requests.front().first_step;
    });
    return differ && std::all_of(requests.begin(), requests.end(), counts_tokens);
  }

  std::filesystem::path path_;
  RowFormat format_;
  Contents contents_;
  std::vector<CaptureShape> requests_;
};

}  // namespace

std::unique_ptr<CaptureFile> row_file(const std::filesystem::path& path, const RowFormat& format,
                                      const ImportOptions& options) {
  return std::make_unique<RowFile>(path, format, options);
}

}  // namespace dsasim
