// From captures to a trace: opens and checks all inputs, then copies them one after the other.
#include "dsasim/import/import.hpp"

#include "byte_source.hpp"
#include "dsasim/error.hpp"
#include "first_steps.hpp"
#include "json_fields.hpp"
#include "layer_map.hpp"
#include "slots.hpp"
#include "text_stream.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <system_error>

namespace dsasim {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_named_inputs = 16;

std::string known_formats() {
  std::vector<std::string_view> names;
  for (const ImportFormat& format : import_formats()) {
    names.push_back(format.name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

/// The first key of the first JSON object that one of the formats is known by; "" if there is none.
std::string_view find_json_key(const fs::path& path) {
  std::vector<JsonFields::Path> keys;
  for (const ImportFormat& format : import_formats()) {
    if (!format.json_key.empty()) {
      keys.push_back({format.json_key});
    }
  }
  JsonFields json(path, keys);
  return json.next() == JsonFields::Event::field ? keys[json.field()].front() : "";
}

const ImportFormat* find_format(const CaptureStart& start) {
  const std::span<const ImportFormat> formats = import_formats();
  const auto found =
      std::find_if(formats.begin(), formats.end(), [&](const auto& row) { return row.recognises(start); });
  return found == formats.end() ? nullptr : &*found;
}

bool may_be_json(std::span<const unsigned char> bytes) {
  const auto first = std::find_if(bytes.begin(), bytes.end(), [](unsigned char c) { return c > ' '; });
  return first != bytes.end() && (*first == '{' || *first == '[');
}

const ImportFormat& recognise(const fs::path& path) {
  const std::vector<unsigned char> bytes = read_first_text(path);
  const ImportFormat* const found =
      find_format({.bytes = bytes, .json_key = may_be_json(bytes) ? find_json_key(path) : ""});
  if (found == nullptr) {
    throw TraceError(path.string(), "{}, which no known format does; give --from, one of {}",
                     bytes.empty() ? "is empty" : fmt::format("starts with {}", quoted_start(bytes)), known_formats());
  }
  return *found;
}

const ImportFormat& choose_format(const fs::path& path, const std::string& name) {
  if (name == "auto") {
    return recognise(path);
  }
  const std::span<const ImportFormat> formats = import_formats();
  const auto named = std::find_if(formats.begin(), formats.end(), [&](const auto& row) { return row.name == name; });
  if (named == formats.end()) {
    throw ConfigError("--from", "unknown format \"{}\"; known: auto, {}", name, known_formats());
  }
  return *named;
}

/// One input: its requests are known, its selections not yet read.
struct Capture {
  fs::path path;
  const ImportFormat* format;
  std::unique_ptr<CaptureFile> file;
  std::uint32_t first_request;               ///< the number of its first request in the batch
  std::vector<std::uint64_t> prompt_tokens;  ///< of each request

  const std::vector<CaptureShape>& requests() const { return file->requests(); }
  std::uint64_t total_steps() const {
    std::uint64_t total = 0;
    for (const CaptureShape& shape : requests()) {
      total += shape.steps;
    }
    return total;
  }
  /// "r.json", or "r.json: request 2" if there are several.
  std::string place(std::uint32_t request) const {
    return requests().size() == 1 ? path.string() : fmt::format("{}: request {}", path.string(), request);
  }
};

std::uint64_t prompt_tokens_of(const std::string& place, const CaptureShape& shape, const ImportOptions& options) {
  if (shape.prompt_tokens && options.prompt_tokens && *shape.prompt_tokens != *options.prompt_tokens) {
    throw TraceError(place, "its prompt length is {}, --prompt-len says {}", *shape.prompt_tokens,
                     *options.prompt_tokens);
  }
  if (!shape.prompt_tokens && !options.prompt_tokens) {
    throw TraceError(place, "does not say how long the prompt is; give --prompt-len");
  }
  const std::uint64_t prompt = shape.prompt_tokens ? *shape.prompt_tokens : *options.prompt_tokens;
  const std::uint64_t most = (max_entry_ids - 1) * options.unit_tokens;
  if (prompt > most || shape.steps > most - prompt) {
    throw TraceError(place, "a prompt of {} tokens and {} steps have more entries than ids can name, {}", prompt,
                     shape.steps, max_entry_ids);
  }
  return prompt;
}

Capture inspect(const fs::path& path, const ImportOptions& options, const LayerMap* layers) {
  const ImportFormat& format = choose_format(path, options.format);
  std::unique_ptr<CaptureFile> file = format.open(path, options);
  if (options.steps) {
    file = first_steps(std::move(file), *options.steps);
  }
  if (layers != nullptr) {
    file = collapse_layers(std::move(file), path, *layers);
  }
  Capture capture{.path = path, .format = &format, .file = std::move(file), .first_request = 0, .prompt_tokens = {}};
  for (std::uint32_t i = 0; i < capture.requests().size(); ++i) {
    capture.prompt_tokens.push_back(prompt_tokens_of(capture.place(i), capture.requests()[i], options));
  }
  return capture;
}

void require_alike(const Capture& first_capture, const Capture& other_capture, std::uint32_t request) {
  const CaptureShape& first = first_capture.requests().front();
  const CaptureShape& other = other_capture.requests()[request];
  if (first.layers != other.layers) {
    throw TraceError(other_capture.place(request), "has {} layers, {} has {}; a batch has one model", other.layers,
                     first_capture.place(0), first.layers);
  }
  if (first.layer_infos != other.layer_infos) {
    throw TraceError(other_capture.place(request), "has other layers than {}; a batch has one model",
                     first_capture.place(0));
  }
  if (first.has_scores != other.has_scores) {
    throw TraceError(other_capture.place(request),
                     "has {}scores, {} has {}; all requests of a batch have them, or none",
                     other.has_scores ? "" : "no ", first_capture.place(0), first.has_scores ? "some" : "none");
  }
}

std::vector<Capture> inspect_all(std::span<const fs::path> inputs, const ImportOptions& options) {
  std::optional<LayerMap> layers;
  if (!options.layer_map.empty()) {
    layers = parse_layer_map(options.layer_map);
  }
  std::vector<Capture> captures;
  std::uint64_t requests = 0;
  for (const fs::path& input : inputs) {
    captures.push_back(inspect(input, options, layers ? &*layers : nullptr));
    Capture& capture = captures.back();
    capture.first_request = static_cast<std::uint32_t>(requests);
    requests += capture.requests().size();
    if (requests > std::numeric_limits<std::uint32_t>::max()) {
      throw ConfigError("import", "{} requests are more than a batch can have", requests);
    }
    for (std::uint32_t i = 0; i < capture.requests().size(); ++i) {
      require_alike(captures.front(), capture, i);
    }
  }
  return captures;
}

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
  TraceHeader header{.model = options.model,
                     .provenance = options.provenance.empty() ? describe_origin(captures) : options.provenance,
                     .ids = ids.kind,
                     .unit_tokens = options.unit_tokens,
                     .page_tokens = options.page_tokens,
                     .entry_bytes = options.entry_bytes,
                     .has_scores = first.has_scores,
                     .layers = first.layer_infos,
                     .requests = {}};
  for (auto layer = static_cast<std::uint32_t>(header.layers.size()); layer < first.layers; ++layer) {
    header.layers.push_back({.model_layer = layer, .group_size = 1});
  }
  for (const Capture& capture : captures) {
    for (const std::uint64_t prompt : capture.prompt_tokens) {
      header.requests.push_back({.prompt_tokens = prompt, .start_step = 0});
    }
  }
  return header;
}

/// The file that becomes the output once it is whole. It stands beside it, so that renaming is one step.
class PartialFile {
 public:
  /// A link is followed: what it points to is replaced, not the link.
  explicit PartialFile(const fs::path& output) {
    std::error_code error;
    output_ = fs::canonical(output, error);
    if (error) {
      output_ = output;  // nothing there yet
    }
    path_ = output_;
    path_ += fmt::format(".partial-{}", ::getpid());
  }
  ~PartialFile() {
    std::error_code ignored;  // there is nothing left to be done about it
    fs::remove(path_, ignored);
  }
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  const fs::path& path() const noexcept { return path_; }

  void keep() {
    std::error_code error;
    fs::rename(path_, output_, error);
    if (error) {
      throw SystemError(output_.string(), "cannot rename the finished trace: {}", error.message());
    }
  }

 private:
  fs::path output_;
  fs::path path_;
};

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

// ---- What the ids are ----

/// Calls f(request of the capture, its step, what was read) for each step of the capture, until that returns false.
template <class F>
bool for_each_step(const Capture& capture, F&& f) {
  const std::unique_ptr<CaptureSource> source = capture.file->read();
  const std::uint64_t total = capture.total_steps();
  std::vector<std::uint64_t> steps(capture.requests().size());
  CaptureStep step;
  for (std::uint64_t i = 0; i < total; ++i) {
    source->read_step(step);
    if (!f(step.request, steps[step.request]++, step)) {
      return false;
    }
  }
  return true;
}

/// What proves that the ids are slots; "" if nothing in this step does.
std::string find_proof(const Capture& capture, std::uint32_t request, std::uint64_t step_number,
                       const CaptureStep& step) {
  const std::uint64_t context = capture.prompt_tokens[request] + step_number + 1;
  const std::optional<std::size_t> found = find_slot(step.ids, context);
  if (!found) {
    return "";
  }
  return fmt::format("{}, step {}, layer {}: id {} lies outside the context of {}", capture.place(request), step_number,
                     *found / capture.requests()[request].top_k, step.ids[*found], context);
}

/// The positions of the slots of each request of the batch.
struct Positions {
  std::vector<SlotPages> requests;
  std::string reason;  ///< why there are none, if `requests` is empty
};

Positions learn_positions(std::span<const Capture> captures, std::uint32_t page) {
  Positions out;
  for (const Capture& capture : captures) {
    out.requests.resize(out.requests.size() + capture.requests().size(), SlotPages(page));
    const bool certain =
        for_each_step(capture, [&](std::uint32_t request, std::uint64_t step_number, const CaptureStep& step) {
          SlotPages& pages = out.requests[capture.first_request + request];
          const std::uint64_t context = capture.prompt_tokens[request] + step_number + 1;
          if (pages.learn(step.ids, capture.requests()[request].top_k, context)) {
            return true;
          }
          out.reason = fmt::format("{}, step {}: {}", capture.place(request), step_number, pages.reason());
          return false;
        });
    if (!certain) {
      out.requests.clear();
      break;
    }
  }
  return out;
}

bool wants_proof(std::span<const Capture> captures, const ImportOptions& options) {
  const bool automatic = options.ids ? *options.ids == IdClaim::automatic
                                     : std::any_of(captures.begin(), captures.end(), [](const Capture& capture) {
                                         return capture.format->ids == IdClaim::automatic;
                                       });
  // Where an id stands for several tokens, the stacks log positions, and one outside the context is damage.
  return automatic && options.unit_tokens == 1;
}

/// What the ids of a batch turned out to be.
struct Ids {
  ImportedIds found;
  std::vector<SlotPages> positions;  ///< of the slots of each request, if they are known
};

/// Of ids that `proof` says are slots: learns the positions that they hold.
Ids recover_positions(std::span<const Capture> captures, const ImportOptions& options, const std::string& proof) {
  constexpr std::uint32_t page_of_all_stacks = 64;
  std::string reason;
  for (const std::uint32_t page : {options.page_tokens == 0 ? page_of_all_stacks : options.page_tokens, 1U}) {
    Positions learned = learn_positions(captures, page);
    if (!learned.requests.empty()) {
      std::string note =
          fmt::format("ids are slots ({}); the positions they hold were recovered, with pages of {}", proof, page);
      return {.found = {.kind = IdKind::logical, .note = std::move(note)}, .positions = std::move(learned.requests)};
    }
    reason = reason.empty() ? learned.reason : reason;
  }
  return {
      .found = {.kind = IdKind::physical,
                .note = fmt::format("ids are slots ({}), and stay so: positions are uncertain ({})", proof, reason)},
      .positions = {}};
}

// ---- Writing ----

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
        require_numbers(scores);
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

  void require_numbers(std::span<const std::uint16_t> scores) const {
    for (std::size_t column = 0; column < scores.size(); ++column) {
      if ((scores[column] & 0x7fffU) > 0x7c00U) {
        throw TraceError(place(column), "the score is not a number (NaN)");
      }
    }
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
                        const Ids& ids, bool look_for_proof,
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
  at_least_one("--unit-tokens", options.unit_tokens);
}

}  // namespace

ImportedIds import_captures(std::span<const fs::path> inputs, const fs::path& output, const ImportOptions& options,
                            const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  if (inputs.empty()) {
    throw ConfigError("import", "no input files");
  }
  require_options(options);
  const std::vector<Capture> captures = inspect_all(inputs, options);
  require_output(output, inputs);
  PartialFile partial(output);
  Ids ids;
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
