// Opens any bytes as a capture of one format (FORMAT, defined by the build) and reads them to the end. Only an Error
// that names the file may come of it, and what is read must have the shape that was promised.
//
// The first byte chooses what the user says; the rest is the file.

#include "dsasim/error.hpp"
#include "dsasim/import/import.hpp"
#include "fuzz/fuzzing.hpp"
#include "import/layer_map.hpp"
#include "import/slots.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace dsasim;

/// A small file can claim a great deal of padding, which takes time to write and finds nothing.
constexpr std::uint64_t most_ids = std::uint64_t{1} << 20U;

const ImportFormat& format() {
  for (const ImportFormat& row : import_formats()) {
    if (row.name == FORMAT) {
      return row;
    }
  }
  std::abort();
}

ImportOptions options_from(std::uint8_t choice) {
  ImportOptions options;
  if ((choice & 1U) != 0) {
    options.layers = 2;
  }
  if ((choice & 2U) != 0) {
    options.top_k = 3;
  }
  if ((choice & 4U) != 0) {
    options.prompt_tokens = 3;
  }
  options.unit_tokens = (choice & 8U) != 0 ? 4 : 1;
  options.skip_bad = (choice & 128U) != 0;
  if (options.skip_bad && !format().names_steps) {
    options.prompt_start = PromptStart{.from = PromptStart::From::end, .tokens = 1};
  }
  if ((choice & 32U) != 0) {
    options.model_shape = {.layers = 4, .indexer_layers = 2, .top_k = std::nullopt};
    if ((choice & 64U) != 0) {
      options.model_shape->top_k = 3;
    }
  }
  return options;
}

void read(const CaptureFile& file) {
  std::uint64_t total = 0;
  std::vector<std::uint64_t> left;
  std::vector<SlotPages> pages(file.requests().size(), SlotPages(64));
  require(!left.empty() || !file.requests().empty());
  for (const CaptureShape& shape : file.requests()) {
    require(shape.steps > 0 && shape.layers > 0 && shape.top_k > 0);
    left.push_back(shape.steps);
    if (shape.steps > most_ids / shape.layers / shape.top_k) {
      return;
    }
    total += shape.steps;
  }
  const auto source = file.read();
  CaptureStep step;
  for (std::uint64_t i = 0; i < total; ++i) {
    source->read_step(step);
    require(step.request < left.size() && left[step.request]-- > 0);
    const CaptureShape& shape = file.requests()[step.request];
    const std::size_t ids = std::size_t{step.queries} * shape.layers * shape.top_k;
    require(step.accepted <= step.queries && (shape.has_queries || step.accepted + step.queries == 2));
    require(step.ids.size() == ids && step.scores.size() == (shape.has_scores ? ids : 0));
    const std::uint64_t context = shape.prompt_tokens.value_or(3) + (shape.steps - left[step.request]);
    const bool learned = pages[step.request].learn(step.ids, shape.top_k, context);
    for (const std::int64_t id : step.ids) {
      require(!learned || id < 0 || pages[step.request].position(id).value() < static_cast<std::int64_t>(context));
    }
    if (!learned) {
      pages[step.request] = SlotPages(1);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string path = path_of(data + 1, size - 1);
  try {
    auto file = format().open(path, options_from(data[0]));
    if ((data[0] & 16U) != 0) {
      file = collapse_layers(std::move(file), path, parse_layer_map("0,0"));
    }
    read(*file);
  } catch (const Error& error) {
    require_names(error.what(), path);
  }
  return 0;
}
