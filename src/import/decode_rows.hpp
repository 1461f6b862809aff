#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace dsasim {

/// Which rows of a capture are decode steps.
struct DecodeRows {
  std::uint64_t first = 0;
  std::uint64_t steps = 0;
  bool may_start_early = false;  ///< row 0 may be that of position P - 1
};

/// The serving stacks record one row a query, row i for the query at position i. A request of P prompt and C completion
/// tokens has P + C - 1 queries, since nothing is asked with the last token: rows 0 .. P - 1 belong to the prompt (row
/// P - 1 chose the first completion token, in the prefill) and can be zeros or stale; rows P .. P + C - 2 are the C - 1
/// decode steps. Our step t has its query at position P + t, so row P is step 0.
///
/// P + C rows have one at the stop's edge: the step after the last token was begun before the stop was noticed. Nothing
/// came of it, and it is dropped. A tool that drops the prompt's rows leaves C - 1, all of them decode steps. C rows
/// are one of two things: the last token was fed back after all, and all are decode steps; or row 0 is that of position
/// P - 1, as trainers keep it, and the ids have to show it (may_start_early). Where a number of rows could mean two
/// things besides, the stack's own form is taken.
///
/// `start` is the position of row 0's query if something says it: a prefix of the prompt that was cached has no rows.
///
/// Nothing if the rows fit none of these.
std::optional<DecodeRows> decode_rows(std::uint64_t rows, std::uint64_t prompt, std::uint64_t completion,
                                      std::optional<std::uint64_t> start = {});

/// Of a request whose completion has no known length: every row from position P on.
DecodeRows rows_after_prompt(std::uint64_t rows, std::uint64_t prompt, std::optional<std::uint64_t> start = {});

/// What to say of rows that fit nothing: how many there should be, and the option that says where they begin.
std::string rows_hint(std::uint64_t rows, std::uint64_t prompt, std::uint64_t completion,
                      std::optional<std::uint64_t> start);

}  // namespace dsasim
