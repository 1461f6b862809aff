// Format "npy": one array of ids, and nothing said about it.
#include "array_source.hpp"
#include "formats.hpp"

namespace dsasim {
namespace {

bool has_npy_magic(std::span<const unsigned char> bytes) {
  return starts_with(bytes, "\x93NUMPY");
}

RequestArrays open_array(const std::filesystem::path& path, const ImportOptions& options) {
  auto ids = std::make_unique<NpyReader>(open_file(path));
  const ArrayShape array = array_shape(*ids, claims_of(options));
  const std::optional<std::uint64_t> start = start_of_rows(ids->name(), std::nullopt, options, options.prompt_tokens);
  const DecodeRows rows = steps_from(ids->name(), array.rows, options.prompt_tokens, start);
  CaptureShape shape = capture_shape(*ids, nullptr, array, rows, /*prompt_tokens=*/std::nullopt);
  take_heads(shape, options);
  return {.ids = std::move(ids), .scores = nullptr, .shape = shape};
}

std::unique_ptr<CaptureFile> open_npy(const std::filesystem::path& path, const ImportOptions& options) {
  require_start(path, has_npy_magic, R"(an .npy array ("\x93NUMPY"))");
  return array_file(path, options, open_array);
}

}  // namespace

ImportFormat npy_format() {
  return {.name = "npy",
          .description = "one numpy array of integers, (steps, layers, top-k); flat with `layers` and `top_k`",
          .recognises = [](const CaptureStart& start) { return has_npy_magic(start.bytes); },
          .open = open_npy,
          .is_array = true};
}

}  // namespace dsasim
