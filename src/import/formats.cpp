// The capture formats. A new one is a file beside this one that defines its ImportFormat, its line in formats.hpp and
// its row here; --from, "auto" and the messages read this list.
#include "formats.hpp"

#include <array>

namespace dsasim {

std::span<const ImportFormat> import_formats() {
  // "auto" takes the first that recognises a file: by a magic number, by a header line, or by a key of JSON.
  static const std::array formats{
      npz_format(),  npy_format(),   safetensors_format(), sgltopk_format(), sglang_format(),
      vllm_format(), jsonl_format(), qsa_format(),         csv_format(),
  };
  return formats;
}

}  // namespace dsasim
