// From captures to a trace: opens and checks all inputs, then copies them one after the other.
#include "dsasim/import/import.hpp"

#include "absence.hpp"
#include "capture.hpp"
#include "captured_ids.hpp"
#include "dsasim/error.hpp"
#include "dsasim/trace/partial_file.hpp"
#include "evidence.hpp"
#include "layer_map.hpp"
#include "model/selections.hpp"
#include "token_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <system_error>

namespace dsasim {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_named_inputs = 16;

/// "npz: req_0.npz, req_1.npz": no directories, which differ from machine to machine.
std::string describe_origin(std::span<const Capture> captures) {
  std::string out;
  const ImportFormat* format = nullptr;
  for (const Capture& capture : captures.first(std::min(captures.size(), most_named_inputs))) {
    if (capture.format == format) {
      out += ", ";
    } else {
      out += fmt::format("{}{}: ", out.empty() ? "" : "; ", capture.format->name);
      format = capture.format;
    }
    out += capture.path.filename().string();
  }
  if (captures.size() > most_named_inputs) {
    out += fmt::format(" and {} more", captures.size() - most_named_inputs);
  }
  return out;
}

/// What the captures or --kv-map say of KV stores, with what they leave open.
std::vector<StoreInfo> make_stores(const TraceHeader& header, const CaptureShape& shape, const ImportOptions& options,
                                   const LayerMap* layers) {
  std::vector<StoreInfo> stores = shape.stores;
  if (!options.kv_map.empty()) {
    if (!stores.empty()) {
      throw ConfigError("`kv_map`", "the captures say themselves which KV store each layer reads");
    }
    if (options.heads) {
      throw ConfigError("`kv_map`", "each head has a KV store of its own; expected no `heads`");
    }
    stores = stores_by_map(options.kv_map, header.layers, layers);
  }
  for (std::size_t layer = 0; layer < stores.size(); ++layer) {
    StoreInfo& store = stores[layer];
    store.kv_rows = store.kv_rows == 0 ? header.layers[layer].group_size : store.kv_rows;
    store.unit_tokens = store.unit_tokens == 0 ? header.unit_tokens : store.unit_tokens;
    store.entry_bytes = store.entry_bytes == 0 ? header.entry_bytes : store.entry_bytes;
  }
  return stores;
}

TraceHeader make_header(std::span<const Capture> captures, const ImportOptions& options, const ImportedIds& ids,
                        const LayerMap* layers) {
  const CaptureShape& first = captures.front().requests().front();
  TraceHeader header{.model = options.model,
                     .provenance = options.provenance.empty() ? describe_origin(captures) : options.provenance,
                     .ids = ids.kind,
                     .unit_tokens = options.unit_tokens.value_or(1),
                     .page_tokens = options.page_tokens,
                     .entry_bytes = options.entry_bytes,
                     .has_scores = first.has_scores,
                     .layers = first.layer_infos,
                     .requests = {}};
  for (auto layer = static_cast<std::uint32_t>(header.layers.size()); layer < first.layers; ++layer) {
    header.layers.push_back({.model_layer = layer, .group_size = 1});
  }
  for (const Capture& capture : captures) {
    for (std::size_t i = 0; i < capture.requests().size(); ++i) {
      header.requests.push_back(
          {.prompt_tokens = capture.prompt_tokens[i], .start_step = capture.requests()[i].start_step});
    }
    header.has_queries = header.has_queries || capture.has_queries();
  }
  header.stores = make_stores(header, first, options, layers);
  if (!header.stores.empty()) {  // of the first layer, where stores differ
    header.unit_tokens = header.stores.front().unit_tokens;
    header.entry_bytes = header.stores.front().entry_bytes;
  }
  return header;
}

/// The requests begin when they arrive.
void set_start_steps(TraceHeader& header, std::span<const Capture> captures, const ArrivalOptions& options) {
  if (options.file.empty()) {
    return;
  }
  std::vector<std::uint64_t> steps;
  steps.reserve(header.requests.size());
  for (const Capture& capture : captures) {
    std::ranges::transform(capture.requests(), std::back_inserter(steps), &CaptureShape::steps);
  }
  const auto placed =
      std::ranges::find_if(header.requests, [](const RequestInfo& request) { return request.start_step != 0; });
  if (placed != header.requests.end()) {
    throw ConfigError("`arrivals`",
                      "request {} begins at step {}, as its capture says; expected captures that say none",
                      placed - header.requests.begin(), placed->start_step);
  }
  const std::vector<std::uint32_t> starts = start_steps(read_arrivals(options), steps, options);
  for (std::size_t request = 0; request < starts.size(); ++request) {
    header.requests[request].start_step = starts[request];
  }
}

void require_output(const fs::path& output, std::span<const fs::path> inputs) {
  std::error_code error;
  const fs::path directory = output.has_parent_path() ? output.parent_path() : fs::path(".");
  if (!fs::is_directory(directory, error)) {
    throw SystemError(output.string(), "the directory {} does not exist", directory.string());
  }
  if (!fs::exists(output, error)) {
    return;
  }
  // A finished trace is renamed to the output's name, which must not happen to /dev/null.
  if (!fs::is_regular_file(output, error)) {
    throw SystemError(output.string(), "not a regular file");
  }
  for (const fs::path& input : inputs) {
    if (fs::equivalent(input, output, error)) {
      throw ConfigError(output.string(), "is an input and the output");
    }
  }
}

/// What the selections of a batch say, as they go by.
struct BatchEvidence {
  explicit BatchEvidence(std::span<const Capture> captures)
      : requests(captures.back().first_request + captures.back().requests().size()), prints(captures) {}

  std::vector<RequestEvidence> requests;
  IdsBeyondContext beyond;
  RequestPrints prints;
};

/// Copies one capture's steps; holds one of them at a time.
class CaptureCopier {
 public:
  /// `positions`: those of the capture's requests, or empty.
  CaptureCopier(const Capture& capture, std::span<const SlotPages> positions, const TraceHeader& header,
                TraceWriter& writer, BatchEvidence& evidence)
      : capture_(capture),
        positions_(positions),
        header_(header),
        writer_(writer),
        evidence_(evidence),
        contexts_(capture.prompt_tokens) {}

  void copy_step(std::uint32_t request, std::uint64_t step_number, const CaptureStep& step) {
    request_ = request;
    step_ = step_number;
    const CaptureShape& shape = capture_.requests()[request];
    const std::size_t top_k = shape.top_k;
    if (header_.has_queries) {
      named([&] { writer_.begin_step(batch_request(), step.queries, step.accepted); });
    }
    for (query_ = 0; query_ < step.queries; ++query_) {
      for (layer_ = 0; layer_ < shape.layers; ++layer_) {
        const std::size_t begin = (std::size_t{query_} * shape.layers + layer_) * top_k;
        std::span<const std::uint16_t> scores;
        if (shape.has_scores) {
          scores = std::span(step.scores).subspan(begin, top_k);
        }
        take_row(std::span(step.ids).subspan(begin, top_k), scores);
        named([&] { writer_.append(batch_request(), ids_, scores_); });
      }
    }
    contexts_[request] += step.accepted;
    if (step_ + 1 == shape.steps) {
      writer_.end_request(batch_request());
    }
  }

 private:
  std::uint32_t batch_request() const { return capture_.first_request + request_; }

  /// Turns a row into ids_ and scores_, without the negative ids that pad it and, of positions, those that its query
  /// does not see.
  void take_row(std::span<const std::int64_t> row, std::span<const std::uint16_t> scores) {
    const std::uint64_t context =
        begun_entries(contexts_[request_] + query_ + 1, header_.unit_of(static_cast<std::uint32_t>(layer_)));
    const std::uint64_t limit = header_.ids == IdKind::logical ? context : max_entry_ids;
    std::uint64_t seen = 0;
    std::int64_t largest = -1;
    for (const std::int64_t id : row) {
      seen |= static_cast<std::uint64_t>(id);
      largest = std::max(largest, id);  // no exit, so that it vectorises
    }
    const bool plain = seen < max_entry_ids && positions_.empty() && largest < static_cast<std::int64_t>(limit);
    ids_.clear();
    scores_.clear();
    if (plain) {
      ids_.resize(row.size());
      std::transform(row.begin(), row.end(), ids_.begin(),
                     [](std::int64_t id) { return EntryId{static_cast<std::uint32_t>(id)}; });
      scores_.assign(scores.begin(), scores.end());
    } else {
      largest = take_selected(row, scores, limit);
    }
    note(largest, context);
  }

  /// The slow way. Returns the largest id, also of those left out; -1 if there is none.
  std::int64_t take_selected(std::span<const std::int64_t> row, std::span<const std::uint16_t> scores,
                             std::uint64_t limit) {
    std::int64_t largest = -1;
    const std::uint64_t beyond_before = evidence_.beyond.ids;
    for (std::size_t column = 0; column < row.size(); ++column) {
      if (row[column] < 0) {
        continue;
      }
      const std::int64_t id = positions_.empty() ? row[column] : position(row[column]);
      if (static_cast<std::uint64_t>(id) >= max_entry_ids) {
        throw TraceError(place(column), "id {} is not below {}", id, max_entry_ids);
      }
      largest = std::max(largest, id);
      if (static_cast<std::uint64_t>(id) >= limit) {
        note_beyond(id, limit);
        continue;
      }
      ids_.push_back(EntryId{static_cast<std::uint32_t>(id)});
      if (!scores.empty()) {
        scores_.push_back(scores[column]);
      }
    }
    evidence_.beyond.selections += evidence_.beyond.ids > beyond_before ? 1U : 0U;
    return largest;
  }

  void note_beyond(std::int64_t id, std::uint64_t limit) {
    if (evidence_.beyond.ids++ == 0) {
      evidence_.beyond.first =
          fmt::format("{}: request {}, step {}, layer {}: id {} lies outside the context of {} entries",
                      capture_.path.string(), batch_request(), step_, layer_, id, limit);
    }
  }

  void note(std::int64_t largest, std::uint64_t context) {
    if (largest < 0) {
      return;
    }
    if (header_.ids == IdKind::logical) {
      evidence_.requests[batch_request()].add(static_cast<std::uint64_t>(largest), ids_.size(), context);
    }
    if (ids_.size() < context && query_ == 0) {
      evidence_.prints.add(batch_request(), step_, layer_, ids_);
    }
  }

  std::int64_t position(std::int64_t slot) const {
    const std::optional<std::int64_t> found = positions_[request_].position(slot);
    if (!found) {
      throw TraceError(capture_.path.string(), "was changed while it was imported");
    }
    return *found;
  }

  std::string place(std::size_t column) const {
    return fmt::format("{}: step {}, layer {}, column {}", capture_.place(request_), step_, layer_, column);
  }

  /// The writer checks the ids against the context and each other; it does not know the input's name.
  template <class Write>
  void named(Write write) const {
    try {
      write();
    } catch (const TraceError& error) {
      throw TraceError(capture_.path.string(), "{}", error.what());
    }
  }

  const Capture& capture_;
  std::span<const SlotPages> positions_;
  const TraceHeader& header_;
  TraceWriter& writer_;
  BatchEvidence& evidence_;
  std::uint32_t request_ = 0;
  std::uint64_t step_ = 0;
  std::uint32_t query_ = 0;
  std::size_t layer_ = 0;
  std::vector<std::uint64_t> contexts_;  ///< of each request of the capture: tokens before the step
  std::vector<EntryId> ids_;
  std::vector<std::uint16_t> scores_;
};

/// After so many selections with ids that are no positions it is clear that the capture is not what was declared.
constexpr std::uint64_t most_beyond = 1024;

BatchEvidence write_trace(std::span<const Capture> captures, const fs::path& path, const ImportOptions& options,
                          const CapturedIds& ids, const LayerMap* layers, Absence& absence,
                          const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  std::uint64_t total = 0;
  for (const Capture& capture : captures) {
    total += capture.total_steps();
  }
  TraceHeader header = make_header(captures, options, ids.found, layers);
  set_start_steps(header, captures, options.arrivals);
  TraceWriter writer(path, header, options.writer);
  BatchEvidence evidence(captures);
  std::uint64_t done = 0;
  for (const Capture& capture : captures) {
    std::span<const SlotPages> positions = ids.positions;
    if (!positions.empty()) {
      positions = positions.subspan(capture.first_request, capture.requests().size());
    }
    CaptureCopier copier(capture, positions, header, writer, evidence);
    const bool whole =
        for_each_step(capture, [&](std::uint32_t request, std::uint64_t step_number, const CaptureStep& step) {
          copier.copy_step(request, step_number, step);
          absence.add(capture, request, step_number, step);
          if (progress) {
            progress(++done, total);
          }
          return options.skip_bad || evidence.beyond.selections < most_beyond;
        });
    if (!whole) {
      return evidence;
    }
  }
  writer.finish();
  return evidence;
}

/// What the selections say against what was declared, and what of them was left out. Throws TraceError if it is
/// certain.
std::vector<std::string> judge(std::span<const Capture> captures, const BatchEvidence& evidence,
                               const ImportOptions& options, IdKind kind) {
  std::vector<std::string> out = find_contradictions(captures, evidence.requests, evidence.beyond,
                                                     {.ids_are_positions = kind == IdKind::logical,
                                                      .unit_tokens = options.unit_tokens.has_value(),
                                                      .entry_tokens = options.unit_tokens.value_or(1),
                                                      .skip_bad = options.skip_bad});
  if (evidence.beyond.ids > 0) {
    out.push_back(fmt::format("left out: {} ids of {} selections that lie outside their context; the first: {}",
                              evidence.beyond.ids, evidence.beyond.selections, evidence.beyond.first));
  }
  const std::vector<std::string> twins = evidence.prints.twins(captures);
  out.insert(out.end(), twins.begin(), twins.end());
  return out;
}

void require_options(const ImportOptions& options) {
  const auto at_least_one = [](std::string_view option, std::uint64_t value) {
    if (value == 0) {
      throw ConfigError(option, "is 0, expected at least 1");
    }
  };
  at_least_one("`layers`", options.layers.value_or(1));
  at_least_one("`top_k`", options.top_k.value_or(1));
  at_least_one("`steps`", options.steps.value_or(1));
  at_least_one("`unit_tokens`", options.unit_tokens.value_or(1));
}

/// Adds what the model and --layer-map say to `options`, and returns which layers own an index, if one of them says so.
std::optional<LayerMap> take_model(ImportOptions& options) {
  std::optional<LayerMap> layers;
  std::optional<std::uint32_t> unit_tokens;
  if (!options.model.empty()) {
    const Selections model = load_selections(options.model);
    unit_tokens = model.unit_tokens;
    options.entry_bytes = options.entry_bytes == 0 ? model.entry_bytes : options.entry_bytes;
    options.model = model.model;
    layers = layer_map_of(model, "`model`");
  }
  if (!options.layer_map.empty()) {
    layers = parse_layer_map(options.layer_map);
    unit_tokens = layers->unit_tokens ? layers->unit_tokens : unit_tokens;
  }
  if (!options.unit_tokens) {
    options.unit_tokens = unit_tokens;
  }
  if (layers) {
    options.model_shape = {.layers = static_cast<std::uint32_t>(layers->owner_of.size()),
                           .indexer_layers = static_cast<std::uint32_t>(layers->groups().size()),
                           .top_k = layers->top_k};
  }
  return layers;
}

/// Where the captures and the user contradict what a model says, without being wrong for that.
std::vector<std::string> contradictions(std::span<const Capture> captures, const ImportOptions& options,
                                        const LayerMap& layers) {
  std::vector<std::string> out;
  const CaptureShape& first = captures.front().requests().front();
  if (layers.top_k && *layers.top_k != first.top_k) {
    out.push_back(fmt::format("{}: rows have {} ids, {} says a top-k of {}", captures.front().place(0), first.top_k,
                              layers.option, *layers.top_k));
  }
  if (layers.unit_tokens && *layers.unit_tokens != options.unit_tokens.value_or(1)) {
    out.push_back(fmt::format("an id stands for {} tokens, {} says {}", options.unit_tokens.value_or(1), layers.option,
                              *layers.unit_tokens));
  }
  return out;
}

/// Captures that name single tokens of entries get entries. Returns the sentence about it; "" if there are none.
std::string take_tokens(std::span<Capture> captures, const ImportOptions& options) {
  const std::uint32_t unit_tokens = options.unit_tokens.value_or(1);
  std::string first;
  for (Capture& capture : captures) {
    if (options.ids != IdClaim::physical && names_tokens(capture, unit_tokens)) {
      capture.file = join_tokens(capture, unit_tokens);
      first = first.empty() ? fmt::format("{}: ids name single tokens; those of an entry of {} are taken together",
                                          capture.path.string(), unit_tokens)
                            : first;
    }
  }
  return first;
}

/// What the captures say goes before what a model says, and agrees with what the user says.
void take_captures(std::span<const Capture> captures, const ImportOptions& user_options, ImportOptions& options) {
  const Capture& first = captures.front();
  const CaptureEntries said = entries_of(captures);
  const auto take = [&](std::string_view noun, const auto& found, std::string_view option, std::uint64_t user,
                        auto& target) {
    if (found && user != 0 && *found != user) {
      throw TraceError(first.place(0), "its {} is {}, {} says {}", noun, *found, option, user);
    }
    if (found) {
      target = *found;
    }
  };
  take("unit of an id in tokens", said.unit_tokens, "`unit_tokens`", user_options.unit_tokens.value_or(0),
       options.unit_tokens);
  take("page size in tokens", said.page_tokens, "`page_tokens`", user_options.page_tokens, options.page_tokens);
  take("number of bytes of an entry", said.entry_bytes, "`entry_bytes`", user_options.entry_bytes, options.entry_bytes);
  if (said.kind && !user_options.ids) {
    options.ids = said.kind == IdKind::physical ? IdClaim::physical : IdClaim::logical;
  }
  for (const Capture& capture : captures) {
    capture.require_contexts(options.unit_tokens.value_or(1));
  }
}

}  // namespace

ImportedIds import_captures(std::span<const fs::path> inputs, const fs::path& output, const ImportOptions& user_options,
                            const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  if (inputs.empty()) {
    throw ConfigError("import", "no input files");
  }
  require_options(user_options);
  ImportOptions options = user_options;
  const std::optional<LayerMap> layers = take_model(options);
  OpenedCaptures opened = open_captures(inputs, options, layers ? &*layers : nullptr);
  std::vector<Capture>& captures = opened.captures;
  take_captures(captures, user_options, options);
  require_output(output, inputs);
  PartialFile partial(output);
  options.writer.name = output.string();
  CapturedIds ids;
  ids.found.kind = options.ids == IdClaim::physical ? IdKind::physical : IdKind::logical;
  std::vector<std::string> warnings = opened.notes;
  const auto warn = [&](const std::vector<std::string>& more) {
    warnings.insert(warnings.end(), more.begin(), more.end());
  };
  if (layers) {
    warn(contradictions(captures, options, *layers));
  }
  if (const std::string tokens = take_tokens(captures, options); !tokens.empty()) {
    warn({tokens});
  }
  if (wants_proof(captures, options)) {
    if (const std::string proof = find_proof(captures); !proof.empty()) {
      ids = recover_positions(captures, options, proof);
    }
  }
  Absence absence(captures);
  const BatchEvidence evidence =
      write_trace(captures, partial.path(), options, ids, layers ? &*layers : nullptr, absence, progress);
  warn(judge(captures, evidence, options, ids.found.kind));
  absence.require_selections();
  if (const std::vector<std::uint32_t> kept = absence.selecting_layers();
      kept.size() < captures.front().requests().front().layers) {
    warn({left_out_layers(captures, kept, layers ? &*layers : nullptr)});
    for (Capture& capture : captures) {
      capture.file = keep_layers(std::move(capture.file), kept);
    }
    absence = Absence(captures);
    write_trace(captures, partial.path(), options, ids, layers ? &*layers : nullptr, absence, progress);
  }
  warn(absence.warnings());
  ids.found.warnings = std::move(warnings);
  partial.keep();
  return ids.found;
}

}  // namespace dsasim
