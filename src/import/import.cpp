// From captures to a trace: opens and checks all inputs, then copies them one after the other.
#include "dsasim/import/import.hpp"

#include "capture.hpp"
#include "captured_ids.hpp"
#include "dsasim/config/config_object.hpp"
#include "dsasim/error.hpp"
#include "dsasim/model/model.hpp"
#include "dsasim/trace/partial_file.hpp"
#include "layer_map.hpp"

#include <fmt/format.h>

#include <algorithm>
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

TraceHeader make_header(std::span<const Capture> captures, const ImportOptions& options, const ImportedIds& ids) {
  const CaptureShape& first = captures.front().requests().front();
  TraceHeader header{.model = options.model.empty() ? "" : config_title(options.model),
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
  }
  return header;
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

/// Copies one capture's steps; holds one of them at a time.
class CaptureCopier {
 public:
  /// `positions`: those of the capture's requests, or empty.
  CaptureCopier(const Capture& capture, std::span<const SlotPages> positions, TraceWriter& writer)
      : capture_(capture), positions_(positions), writer_(writer) {}

  void copy_step(std::uint32_t request, std::uint64_t step_number, const CaptureStep& step) {
    request_ = request;
    step_ = step_number;
    const CaptureShape& shape = capture_.requests()[request];
    const std::size_t top_k = shape.top_k;
    for (layer_ = 0; layer_ < shape.layers; ++layer_) {
      const std::size_t begin = layer_ * top_k;
      const std::size_t size = take_ids(std::span(step.ids).subspan(begin, top_k));
      std::span<const std::uint16_t> scores;
      if (shape.has_scores) {
        scores = std::span(step.scores).subspan(begin, size);
      }
      append(scores);
    }
    if (step_ + 1 == shape.steps) {
      writer_.end_request(capture_.first_request + request);
    }
  }

 private:
  /// Turns a row into row_, without the negative ids that pad its end. Returns how many are left.
  std::size_t take_ids(std::span<const std::int64_t> row) {
    std::uint64_t seen = 0;
    for (const std::int64_t id : row) {
      seen |= static_cast<std::uint64_t>(id);
    }
    const std::size_t size = seen < max_entry_ids ? row.size() : selected(row);
    row_.resize(size);
    for (std::size_t i = 0; i < size; ++i) {
      row_[i] = EntryId{static_cast<std::uint32_t>(positions_.empty() ? row[i] : position(row[i]))};
    }
    return size;
  }

  /// The length of a row that is padded or wrong. Throws if it is wrong.
  std::size_t selected(std::span<const std::int64_t> row) const {
    std::size_t size = row.size();
    while (size > 0 && row[size - 1] < 0) {
      --size;
    }
    for (std::size_t column = 0; column < size; ++column) {
      if (row[column] < 0) {
        throw TraceError(place(column), "{} stands before an id; negative ids pad the end of a row", row[column]);
      }
      if (static_cast<std::uint64_t>(row[column]) >= max_entry_ids) {
        throw TraceError(place(column), "id {} is not below {}", row[column], max_entry_ids);
      }
    }
    return size;
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
  void append(std::span<const std::uint16_t> scores) {
    try {
      writer_.append(capture_.first_request + request_, row_, scores);
    } catch (const TraceError& error) {
      throw TraceError(capture_.path.string(), "{}", error.what());
    }
  }

  const Capture& capture_;
  std::span<const SlotPages> positions_;
  TraceWriter& writer_;
  std::uint32_t request_ = 0;
  std::uint64_t step_ = 0;
  std::size_t layer_ = 0;
  std::vector<EntryId> row_;
};

/// Writes the trace while nothing proves that ids are no positions, if that is looked for. Returns the proof; "" if the
/// trace is whole.
std::string write_trace(std::span<const Capture> captures, const fs::path& path, const ImportOptions& options,
                        const CapturedIds& ids, bool look_for_proof,
                        const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  std::uint64_t total = 0;
  for (const Capture& capture : captures) {
    total += capture.total_steps();
  }
  TraceWriter writer(path, make_header(captures, options, ids.found), options.writer);
  std::string proof;
  std::uint64_t done = 0;
  for (const Capture& capture : captures) {
    std::span<const SlotPages> positions = ids.positions;
    if (!positions.empty()) {
      positions = positions.subspan(capture.first_request, capture.requests().size());
    }
    CaptureCopier copier(capture, positions, writer);
    const bool whole =
        for_each_step(capture, [&](std::uint32_t request, std::uint64_t step_number, const CaptureStep& step) {
          if (look_for_proof) {
            proof = find_proof(capture, request, step_number, step);
          }
          if (!proof.empty()) {
            return false;
          }
          copier.copy_step(request, step_number, step);
          if (progress) {
            progress(++done, total);
          }
          return true;
        });
    if (!whole) {
      return proof;
    }
  }
  writer.finish();
  return proof;
}

void require_options(const ImportOptions& options) {
  const auto at_least_one = [](std::string_view option, std::uint64_t value) {
    if (value == 0) {
      throw ConfigError(option, "is 0, expected at least 1");
    }
  };
  at_least_one("--layers", options.layers.value_or(1));
  at_least_one("--top-k", options.top_k.value_or(1));
  at_least_one("--steps", options.steps.value_or(1));
  at_least_one("--unit-tokens", options.unit_tokens.value_or(1));
}

/// What `options` leave open and the model says: tokens and bytes of an entry of the layers that are logged.
void take_entries(const Model& model, ImportOptions& options) {
  const auto logged = std::find_if(model.layers.begin(), model.layers.end(),
                                   [&](const ModelLayer& layer) { return layer.owns_indexer || !model.has_indexer(); });
  options.unit_tokens = options.unit_tokens.value_or(std::max(logged->unit_tokens, 1U));
  options.entry_bytes = options.entry_bytes == 0 ? logged->entry_bytes : options.entry_bytes;
}

/// Adds what the model says to `options`, and returns which layers own an index, if that or --layer-map says so.
std::optional<LayerMap> take_model(ImportOptions& options) {
  std::optional<LayerMap> layers;
  if (!options.model.empty()) {
    const Model model = load_model(options.model);
    take_entries(model, options);
    layers = layer_map_of(model);
  }
  if (!options.layer_map.empty()) {
    layers = parse_layer_map(options.layer_map);
  }
  if (layers) {
    options.model_shape = {.layers = static_cast<std::uint32_t>(layers->owner_of.size()),
                           .indexer_layers = static_cast<std::uint32_t>(layers->groups().size()),
                           .top_k = layers->top_k};
  }
  return layers;
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
  take("unit of an id in tokens", said.unit_tokens, "--unit-tokens", user_options.unit_tokens.value_or(0),
       options.unit_tokens);
  take("page size in tokens", said.page_tokens, "--page-tokens", user_options.page_tokens, options.page_tokens);
  take("number of bytes of an entry", said.entry_bytes, "--entry-bytes", user_options.entry_bytes, options.entry_bytes);
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
  const std::vector<Capture> captures = open_captures(inputs, options, layers ? &*layers : nullptr);
  take_captures(captures, user_options, options);
  require_output(output, inputs);
  PartialFile partial(output);
  options.writer.name = output.string();
  CapturedIds ids;
  ids.found.kind = options.ids == IdClaim::physical ? IdKind::physical : IdKind::logical;
  // Ids are positions until one proves otherwise, which most often the first does: then all is read once more.
  const std::string proof =
      write_trace(captures, partial.path(), options, ids, wants_proof(captures, options), progress);
  if (!proof.empty()) {
    ids = recover_positions(captures, options, proof);
    write_trace(captures, partial.path(), options, ids, /*look_for_proof=*/false, progress);
  }
  partial.keep();
  return ids.found;
}

}  // namespace dsasim
