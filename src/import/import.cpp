// From captures to a trace: opens and checks all inputs, then copies them one after the other.
#include "dsasim/import/import.hpp"

#include "byte_source.hpp"
#include "dsasim/error.hpp"

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

const ImportFormat& choose_format(const fs::path& path, const std::string& name) {
  const std::span<const ImportFormat> formats = import_formats();
  if (name != "auto") {
    const auto named = std::find_if(formats.begin(), formats.end(), [&](const auto& row) { return row.name == name; });
    if (named == formats.end()) {
      throw ConfigError("--from", "unknown format \"{}\"; known: auto, {}", name, known_formats());
    }
    return *named;
  }
  const std::vector<unsigned char> bytes = read_first_bytes(path);
  const auto found =
      std::find_if(formats.begin(), formats.end(), [&](const auto& row) { return row.recognises(bytes); });
  if (found == formats.end()) {
    throw TraceError(path.string(), "{}, which no known format does; give --from, one of {}",
                     bytes.empty() ? "is empty" : fmt::format("starts with {}", quoted_start(bytes)), known_formats());
  }
  return *found;
}

/// One input that was opened, checked and closed again: a batch may have more requests than a process open files.
struct Capture {
  fs::path path;
  const ImportFormat* format;
  CaptureShape shape;
  std::uint64_t steps;  ///< that are imported
  std::uint64_t prompt_tokens;
};

std::uint64_t prompt_tokens_of(const fs::path& path, const CaptureShape& shape, const ImportOptions& options) {
  if (shape.prompt_tokens && options.prompt_tokens && *shape.prompt_tokens != *options.prompt_tokens) {
    throw TraceError(path.string(), "its prompt length is {}, --prompt-len says {}", *shape.prompt_tokens,
                     *options.prompt_tokens);
  }
  if (!shape.prompt_tokens && !options.prompt_tokens) {
    throw TraceError(path.string(), "does not say how long the prompt is; give --prompt-len");
  }
  const std::uint64_t prompt = shape.prompt_tokens ? *shape.prompt_tokens : *options.prompt_tokens;
  const std::uint64_t most = (max_entry_ids - 1) * options.unit_tokens;
  if (prompt > most || shape.steps > most - prompt) {
    throw TraceError(path.string(), "a prompt of {} tokens and {} steps have more entries than ids can name, {}",
                     prompt, shape.steps, max_entry_ids);
  }
  return prompt;
}

Capture inspect(const fs::path& path, const ImportOptions& options) {
  const ImportFormat& format = choose_format(path, options.format);
  const CaptureShape shape = format.open(path, options)->shape();
  return {.path = path,
          .format = &format,
          .shape = shape,
          .steps = std::min(shape.steps, options.steps.value_or(shape.steps)),
          .prompt_tokens = prompt_tokens_of(path, shape, options)};
}

void require_alike(const Capture& first, const Capture& other) {
  if (first.shape.layers != other.shape.layers) {
    throw TraceError(other.path.string(), "has {} layers, {} has {}; a batch has one model", other.shape.layers,
                     first.path.string(), first.shape.layers);
  }
  if (first.shape.has_scores != other.shape.has_scores) {
    throw TraceError(other.path.string(), "has {}scores, {} has {}; all requests of a batch have them, or none",
                     other.shape.has_scores ? "" : "no ", first.path.string(),
                     first.shape.has_scores ? "some" : "none");
  }
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

TraceHeader make_header(std::span<const Capture> captures, const ImportOptions& options) {
  TraceHeader header{.model = options.model,
                     .provenance = options.provenance.empty() ? describe_origin(captures) : options.provenance,
                     .ids = options.ids,
                     .unit_tokens = options.unit_tokens,
                     .page_tokens = options.page_tokens,
                     .entry_bytes = options.entry_bytes,
                     .has_scores = captures.front().shape.has_scores,
                     .layers = {},
                     .requests = {}};
  for (std::uint32_t layer = 0; layer < captures.front().shape.layers; ++layer) {
    header.layers.push_back({.model_layer = layer, .group_size = 1});
  }
  for (const Capture& capture : captures) {
    header.requests.push_back({.prompt_tokens = capture.prompt_tokens, .start_step = 0});
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

/// Copies one request's steps; holds one of them at a time.
class RequestCopier {
 public:
  RequestCopier(const Capture& capture, std::uint32_t request, TraceWriter& writer)
      : capture_(capture), request_(request), writer_(writer) {}

  void copy_step(CaptureSource& source) {
    source.read_step(ids_, scores_);
    const std::size_t top_k = capture_.shape.top_k;
    for (layer_ = 0; layer_ < capture_.shape.layers; ++layer_) {
      const std::size_t begin = layer_ * top_k;
      const std::size_t size = take_ids(std::span(ids_).subspan(begin, top_k));
      std::span<const std::uint16_t> scores;
      if (capture_.shape.has_scores) {
        scores = std::span(scores_).subspan(begin, size);
        require_numbers(scores);
      }
      append(scores);
    }
    ++step_;
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
      row_[i] = EntryId{static_cast<std::uint32_t>(row[i])};
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

  void require_numbers(std::span<const std::uint16_t> scores) const {
    for (std::size_t column = 0; column < scores.size(); ++column) {
      if ((scores[column] & 0x7fffU) > 0x7c00U) {
        throw TraceError(place(column), "the score is not a number (NaN)");
      }
    }
  }

  std::string place(std::size_t column) const {
    return fmt::format("{}: step {}, layer {}, column {}", capture_.path.string(), step_, layer_, column);
  }

  /// The writer checks the ids against the context and each other; it does not know the input's name.
  void append(std::span<const std::uint16_t> scores) {
    try {
      writer_.append(request_, row_, scores);
    } catch (const TraceError& error) {
      throw TraceError(capture_.path.string(), "{}", error.what());
    }
  }

  const Capture& capture_;
  std::uint32_t request_;
  TraceWriter& writer_;
  std::uint64_t step_ = 0;
  std::size_t layer_ = 0;
  std::vector<std::int64_t> ids_;
  std::vector<std::uint16_t> scores_;
  std::vector<EntryId> row_;
};

void write_trace(std::span<const Capture> captures, const fs::path& path, const ImportOptions& options,
                 const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  std::uint64_t total = 0;
  for (const Capture& capture : captures) {
    total += capture.steps;
  }
  TraceWriter writer(path, make_header(captures, options), options.writer);
  std::uint64_t done = 0;
  for (std::uint32_t request = 0; request < captures.size(); ++request) {
    const Capture& capture = captures[request];
    const std::unique_ptr<CaptureSource> source = capture.format->open(capture.path, options);
    if (source->shape() != capture.shape) {
      throw TraceError(capture.path.string(), "was changed while it was imported");
    }
    RequestCopier copier(capture, request, writer);
    for (std::uint64_t step = 0; step < capture.steps; ++step) {
      copier.copy_step(*source);
      if (progress) {
        progress(++done, total);
      }
    }
  }
  writer.finish();
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

void import_captures(std::span<const fs::path> inputs, const fs::path& output, const ImportOptions& options,
                     const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  if (inputs.empty()) {
    throw ConfigError("import", "no input files");
  }
  if (inputs.size() > std::numeric_limits<std::uint32_t>::max()) {
    throw ConfigError("import", "{} input files are more than a batch can have", inputs.size());
  }
  require_options(options);
  std::vector<Capture> captures;
  captures.reserve(inputs.size());
  for (const fs::path& input : inputs) {
    captures.push_back(inspect(input, options));
    require_alike(captures.front(), captures.back());
  }
  require_output(output, inputs);
  PartialFile partial(output);
  write_trace(captures, partial.path(), options, progress);
  partial.keep();
}

}  // namespace dsasim
