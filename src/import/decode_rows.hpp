#pragma once

#include <cstdint>
#include <optional>

namespace dsasim {

/// Which rows of a capture are decode steps.
struct DecodeRows {
  std::uint64_t first = 0;
  std::uint64_t steps = 0;
};

/// The serving stacks record one row a query, row i for the query at position i. A request of P prompt and C completion
/// tokens has P + C - 1 queries, since nothing is asked with the last token: rows 0 .. P - 1 belong to the prompt (row
/// P - 1 chose the first completion token, in the prefill) and can be zeros or stale; rows P .. P + C - 2 are the C - 1
/// decode steps. Our step t has its query at position P + t, so row P is step 0.
///
/// P + C rows have one at the stop's edge: the step after the last token was begun before the stop was noticed. Nothing
/// came of it, and it is dropped. A tool that drops the prompt's rows leaves C - 1, all of them decode steps. C rows
/// are decode steps too: either the last token was fed back after all, or row 0 is that of position P - 1, whose ids
/// are then also below P + 1. Where a number of rows could mean two things, the stack's own form is taken.
///
/// Nothing if the rows fit none of these.
std::optional<DecodeRows> decode_rows(std::uint64_t rows, std::uint64_t prompt, std::uint64_t completion);

}  // namespace dsasim
