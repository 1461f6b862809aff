// Format "npy": one array of ids, and nothing said about it.
#include "array_source.hpp"
#include "formats.hpp"

namespace dsasim {
namespace {

bool is_npy(std::span<const unsigned char> first_bytes) {
  return starts_with(first_bytes, "\x93NUMPY");
}

std::unique_ptr<CaptureSource> open_npy(const std::filesystem::path& path, const ImportOptions& options) {
  require_start(path, is_npy, R"(an .npy array ("\x93NUMPY"))");
  auto ids = std::make_unique<NpyReader>(open_file(path));
  const ArrayShape shape = array_shape(*ids, claims_of(options));
  return open_arrays(std::move(ids), nullptr, shape, 0, std::nullopt);
}

}  // namespace

ImportFormat npy_format() {
  return {.name = "npy",
          .description = "one numpy array of integers, (steps, layers, top-k); flat with --layers and --top-k",
          .recognises = is_npy,
          .open = open_npy};
}

}  // namespace dsasim
