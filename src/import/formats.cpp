// The capture formats. A new one is a file beside this one that defines its ImportFormat, its line in formats.hpp and
// its row here; --from, "auto" and the messages read this list.
#include "formats.hpp"

#include <array>

namespace dsasim {

std::span<const ImportFormat> import_formats() {
  // "auto" takes the first that recognises a file: formats with a magic number stand before those that guess.
  static const std::array formats{
      npz_format(),
      npy_format(),
  };
  return formats;
}

}  // namespace dsasim
