#include "capture.hpp"

#include "dsasim/error.hpp"
#include "first_steps.hpp"
#include "recognise.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

namespace dsasim {
namespace {

namespace fs = std::filesystem;

std::uint64_t prompt_tokens_of(const std::string& place, const CaptureShape& shape, const ImportOptions& options) {
  if (shape.prompt_tokens && options.prompt_tokens && *shape.prompt_tokens != *options.prompt_tokens) {
    throw TraceError(place, "its prompt length is {}, `prompt_len` says {}", *shape.prompt_tokens,
                     *options.prompt_tokens);
  }
  if (!shape.prompt_tokens && !options.prompt_tokens) {
    throw TraceError(place, "does not say how long the prompt is; give `prompt_len`");
  }
  return shape.prompt_tokens ? *shape.prompt_tokens : *options.prompt_tokens;
}

Capture inspect(const fs::path& path, const ImportOptions& options, const LayerMap* layers,
                std::vector<std::string>& notes) {
  const ImportFormat& format = choose_format(path, options.format);
  if (options.prompt_start && format.names_steps) {
    throw ConfigError("`prompt_start`", "does not apply to {}, whose rows name their steps", path.string());
  }
  if (options.heads && !format.is_array) {
    throw ConfigError("`heads`", "does not apply to {}; expected an array (npz, npy)", path.string());
  }
  std::unique_ptr<CaptureFile> file = format.open(path, options);
  const std::vector<std::string> said = file->notes();
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
  notes.insert(notes.end(), said.begin(), said.end());
  return capture;
}

/// Without any they are the model's first, each with an index of its own.
std::vector<LayerInfo> layer_infos_of(const CaptureShape& shape) {
  std::vector<LayerInfo> infos = shape.layer_infos;
  for (auto layer = static_cast<std::uint32_t>(infos.size()); layer < shape.layers; ++layer) {
    infos.push_back({.model_layer = layer, .group_size = 1});
  }
  return infos;
}

void require_alike(const Capture& first_capture, const Capture& other_capture, std::uint32_t request) {
  const CaptureShape& first = first_capture.requests().front();
  const CaptureShape& other = other_capture.requests()[request];
  if (first.layers != other.layers) {
    throw TraceError(other_capture.place(request), "has {} layers, {} has {}; a batch has one model", other.layers,
                     first_capture.place(0), first.layers);
  }
  if (layer_infos_of(first) != layer_infos_of(other)) {
    throw TraceError(other_capture.place(request), "has other layers than {}; a batch has one model",
                     first_capture.place(0));
  }
  if (first.stores != other.stores) {
    throw TraceError(other_capture.place(request), "reads other KV stores than {}; a batch has one model",
                     first_capture.place(0));
  }
  if (first.has_scores != other.has_scores) {
    throw TraceError(other_capture.place(request),
                     "has {}scores, {} has {}; all requests of a batch have them, or none",
                     other.has_scores ? "" : "no ", first_capture.place(0), first.has_scores ? "some" : "none");
  }
}

}  // namespace

bool Capture::has_queries() const {
  return std::ranges::any_of(requests(), &CaptureShape::has_queries);
}

void Capture::require_contexts(std::uint32_t unit_tokens) const {
  const std::uint64_t most = (max_entry_ids - 1) * unit_tokens;
  for (std::uint32_t i = 0; i < requests().size(); ++i) {
    const std::uint64_t prompt = prompt_tokens[i];
    const std::uint64_t steps = requests()[i].steps;
    if (prompt > most || steps > most - prompt) {
      throw TraceError(place(i), "a prompt of {} tokens and {} steps have more entries than ids can name, {}", prompt,
                       steps, max_entry_ids);
    }
  }
}

std::uint64_t Capture::total_steps() const {
  std::uint64_t total = 0;
  for (const CaptureShape& shape : requests()) {
    total += shape.steps;
  }
  return total;
}

std::string Capture::place(std::uint32_t request) const {
  return requests().size() == 1 ? path.string() : fmt::format("{}: request {}", path.string(), request);
}

CaptureEntries entries_of(std::span<const Capture> captures) {
  CaptureEntries all;
  const auto take = [](const auto& said, auto& known, const std::string& place, std::string_view noun) {
    if (said && known && *said != *known) {
      throw TraceError(place, "and one before it differ in {}; a batch has one model", noun);
    }
    known = known ? known : said;
  };
  for (const Capture& capture : captures) {
    for (std::uint32_t i = 0; i < capture.requests().size(); ++i) {
      const CaptureEntries& said = capture.requests()[i].entries;
      take(said.kind, all.kind, capture.place(i), "what ids are");
      take(said.unit_tokens, all.unit_tokens, capture.place(i), "the unit of an id in tokens");
      take(said.page_tokens, all.page_tokens, capture.place(i), "the page size in tokens");
      take(said.entry_bytes, all.entry_bytes, capture.place(i), "the bytes of an entry");
    }
  }
  return all;
}

OpenedCaptures open_captures(std::span<const fs::path> inputs, const ImportOptions& options, const LayerMap* layers) {
  OpenedCaptures out;
  std::uint64_t requests = 0;
  for (const fs::path& input : inputs) {
    try {
      out.captures.push_back(inspect(input, options, layers, out.notes));
    } catch (const TraceError& error) {
      if (!options.skip_bad) {
        throw;
      }
      out.notes.push_back(fmt::format("left out: {}", error.what()));
      continue;
    }
    Capture& capture = out.captures.back();
    capture.first_request = static_cast<std::uint32_t>(requests);
    requests += capture.requests().size();
    if (requests > std::numeric_limits<std::uint32_t>::max()) {
      throw ConfigError("import", "{} requests are more than a batch can have", requests);
    }
    for (std::uint32_t i = 0; i < capture.requests().size(); ++i) {
      require_alike(out.captures.front(), capture, i);
    }
  }
  if (out.captures.empty()) {
    throw TraceError("import", "none of {} inputs can be used; the first is {}", inputs.size(), out.notes.front());
  }
  return out;
}

}  // namespace dsasim
