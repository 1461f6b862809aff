#pragma once

#include "decode_rows.hpp"
#include "dsasim/import/import.hpp"
#include "dsasim/import/source.hpp"
#include "npy.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// What something beside an array says of the array's shape: an option, or another array of the same archive.
struct Claim {
  std::string_view by;  ///< "`layers`", "num_layers"
  std::uint64_t value = 0;
};

struct ArrayClaims {
  std::vector<Claim> layers;
  std::vector<Claim> top_k;
  bool has_queries = false;                 ///< something beside the array counts the queries of its steps
  std::optional<std::uint32_t> heads = {};  ///< an array of four dimensions is (steps, layers, heads, top-k)
};

/// What the user said.
ArrayClaims claims_of(const ImportOptions& options);

/// An array of ids as rows of layers of ids. Rows need not be decode steps.
struct ArrayShape {
  std::uint64_t rows = 0;
  std::uint32_t queries = 1;  ///< of a row: those that a step has not are padding
  std::uint32_t layers = 0;   ///< times heads
  std::uint32_t top_k = 0;
};

/// (rows, layers, top_k) is taken as it is, (rows, queries, layers, top_k) and (rows, layers, heads, top_k) if the
/// claims say which it is, (rows, layers * top_k) needs to be told the layers, and a flat array both numbers. Throws
/// TraceError naming the number that disagrees with a claim, or what has to be claimed.
ArrayShape array_shape(const NpyReader& ids, const ArrayClaims& claims);

/// The queries of a step, of those that its row has room for, and how many of them are accepted.
struct ArrayStep {
  std::optional<std::uint32_t> queries;  ///< none: up to the last that selects or is accepted
  std::uint32_t accepted = 1;

  bool operator==(const ArrayStep&) const = default;
};

/// What an array says of a request: its rows that are steps, its layers and its ids. Throws TraceError if the types or
/// sizes of the arrays are not right, or if there are no steps. `scores` may be null.
CaptureShape capture_shape(NpyReader& ids, NpyReader* scores, const ArrayShape& array, const DecodeRows& rows,
                           std::optional<std::uint64_t> prompt_tokens);

/// With --heads, unless the capture or a map says which layers of the model these are: the heads of a layer have its
/// number.
void take_heads(CaptureShape& shape, const ImportOptions& options);

/// The position of the query of row 0, by what stands beside the rows or by --prompt-start. Throws TraceError if the
/// two differ, or if --prompt-start counts from the end of a prompt of unknown length.
std::optional<std::uint64_t> start_of_rows(const std::string& name, std::optional<std::uint64_t> recorded,
                                           const ImportOptions& options, std::optional<std::uint64_t> prompt);

/// The steps of an array of `rows` that holds nothing but decode steps, unless `start` says that it begins earlier, at
/// a position of the prompt. Throws TraceError if that is not in the prompt.
DecodeRows steps_from(const std::string& name, std::uint64_t rows, std::optional<std::uint64_t> prompt,
                      std::optional<std::uint64_t> start);

/// Reads the steps of one request out of an array of ids and, perhaps, one of scores that has the same shape.
std::unique_ptr<CaptureSource> read_arrays(std::unique_ptr<NpyReader> ids, std::unique_ptr<NpyReader> scores,
                                           const CaptureShape& shape);

/// The arrays of one request, and what they say.
struct RequestArrays {
  std::unique_ptr<NpyReader> ids;
  std::unique_ptr<NpyReader> scores;  ///< or null
  CaptureShape shape;
  std::vector<std::string> unread = {};  ///< names of what else the file holds
  std::uint32_t queries = 1;             ///< of a row
  std::vector<ArrayStep> steps = {};     ///< of each row, if the shape has queries
};

/// A file that holds one request as arrays. `open` is called twice: to know the shape, and to read.
std::unique_ptr<CaptureFile> array_file(const std::filesystem::path& path, const ImportOptions& options,
                                        RequestArrays (*open)(const std::filesystem::path&, const ImportOptions&));

}  // namespace dsasim
