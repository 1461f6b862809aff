#include "decode_rows.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dsasim {

std::optional<DecodeRows> decode_rows(std::uint64_t rows, std::uint64_t prompt, std::uint64_t completion,
                                      std::optional<std::uint64_t> start) {
  const std::uint64_t before = prompt - std::min(prompt, start.value_or(0));  // rows of the prompt
  const bool has_prompt = start ? *start < prompt : true;
  if (has_prompt && before <= rows && completion >= 1) {
    const std::uint64_t after_prompt = rows - before;
    if (after_prompt + 1 == completion || after_prompt == completion) {
      return DecodeRows{.first = before, .steps = completion - 1};
    }
  }
  const bool may_lack_prompt = start ? *start == prompt : true;
  if (may_lack_prompt && (rows == completion || rows + 1 == completion)) {
    return DecodeRows{.first = 0, .steps = rows, .may_start_early = !start && rows == completion};
  }
  return std::nullopt;
}

DecodeRows rows_after_prompt(std::uint64_t rows, std::uint64_t prompt, std::optional<std::uint64_t> start) {
  const std::uint64_t first = std::min(rows, prompt - std::min(prompt, start.value_or(0)));
  return {.first = first, .steps = rows - first};
}

std::string rows_hint(std::uint64_t rows, std::uint64_t prompt, std::uint64_t completion,
                      std::optional<std::uint64_t> start) {
  const std::uint64_t queries = prompt + completion - std::min<std::uint64_t>(1, completion);
  if (start) {
    return fmt::format("{} prompt and {} completion tokens make {} from position {} on", prompt, completion,
                       queries - std::min(queries, *start), *start);
  }
  const bool prefix_is_missing = rows < queries && rows > completion;
  return fmt::format("{} prompt and {} completion tokens make {}{}", prompt, completion, queries,
                     prefix_is_missing ? fmt::format("; if the rows of a cached prefix are missing, `prompt_start` {} "
                                                     "says it",
                                                     queries - rows)
                                       : "");
}

}  // namespace dsasim
