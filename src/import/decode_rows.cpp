#include "decode_rows.hpp"

namespace dsasim {

std::optional<DecodeRows> decode_rows(std::uint64_t rows, std::uint64_t prompt, std::uint64_t completion) {
  if (prompt <= rows && completion >= 1) {
    const std::uint64_t after_prompt = rows - prompt;
    if (after_prompt + 1 == completion || after_prompt == completion) {
      return DecodeRows{.first = prompt, .steps = completion - 1};
    }
  }
  if (rows == completion || rows + 1 == completion) {
    return DecodeRows{.first = 0, .steps = rows};
  }
  return std::nullopt;
}

}  // namespace dsasim
