#pragma once

#include "dsasim/import/import.hpp"
#include "dsasim/import/source.hpp"
#include "npy.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace dsasim {

/// What something beside an array says of the array's shape: an option, or another array of the same archive.
struct Claim {
  std::string_view by;  ///< "--layers", "num_layers"
  std::uint64_t value = 0;
};

struct ArrayClaims {
  std::vector<Claim> layers;
  std::vector<Claim> top_k;
};

/// What the user said.
ArrayClaims claims_of(const ImportOptions& options);

/// An array of ids as rows of layers of ids. Rows need not be decode steps.
struct ArrayShape {
  std::uint64_t rows = 0;
  std::uint32_t layers = 0;
  std::uint32_t top_k = 0;
};

/// (rows, layers, top_k) is taken as it is, (rows, layers * top_k) needs to be told the layers, and a flat array both
/// numbers. Throws TraceError naming the number that disagrees with a claim, or what has to be claimed.
ArrayShape array_shape(const NpyReader& ids, const ArrayClaims& claims);

/// Reads steps out of an array of ids and, perhaps, one of scores that has the same shape; the first `skipped_rows`
/// of both are no steps. Throws TraceError if the types or sizes of the arrays are not right.
std::unique_ptr<CaptureSource> open_arrays(std::unique_ptr<NpyReader> ids, std::unique_ptr<NpyReader> scores,
                                           const ArrayShape& shape, std::uint64_t skipped_rows,
                                           std::optional<std::uint64_t> prompt_tokens);

}  // namespace dsasim
