#pragma once

#include "dsasim/config/config_object.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

inline constexpr std::string_view diff_schema = "dsasim-diff/1";

/// How far two numbers may lie apart and still count as equal: by this much, or by this share of the first.
struct Tolerance {
  std::string field;  ///< a key: what bears its name and all below it; empty for everything
  double absolute = 0;
  double relative = 0;
};

/// `5%` is a share; `0.01` is an amount and, below 1, a share as well, so that it fits times and ratios alike; `FIELD=`
/// before either names a field. Throws ConfigError for anything else.
Tolerance parse_tolerance(std::string_view text);

struct DiffOptions {
  std::vector<Tolerance> tolerances;  ///< of those that reach a value, the one with the innermost field, then the last
  std::vector<std::string> ignored;   ///< keys: not compared, nor what is below them
};

enum class DifferenceKind : std::uint8_t { value, type, length, only_in_first, only_in_second };

/// One place at which two documents differ.
struct Difference {
  std::string path;  ///< "/layers[layer=3]/misses": rows go by what they are of, where they say it
  DifferenceKind kind = DifferenceKind::value;
  std::string first;  ///< as JSON; of an object its number of keys, of an array its length; empty if absent
  std::string second;
  std::optional<double> change = {};    ///< of numbers: the second less the first
  std::optional<double> relative = {};  ///< change / first; none where the first is 0
};

struct DiffResult {
  std::string first_schema, second_schema;    ///< if these differ, nothing else was compared
  std::string first_version, second_version;  ///< of the tool; a difference here is none
  std::uint64_t compared_values = 0;
  std::uint64_t tolerated_values = 0;  ///< that differ within their tolerance
  /// What was asked comes first (the schema, `config`, `trace`), then what is not a number in both, then numbers by how
  /// far they moved in proportion; equal ones as in the document.
  std::vector<Difference> differences = {};
};

/// Compares two documents of this project, of any schema. Numbers are compared exactly, unless a tolerance says
/// otherwise: one without a field, or with that of an object or array, reaches times (`..._ns`, `..._us`) and numbers
/// with a fraction; to loosen a count, it has to be named itself. `config` and `trace` are always exact.
///
/// Throws ConfigError for documents that do not name a schema `dsasim-...`, numbers beyond 64 bits, and fields that
/// neither document has.
DiffResult diff(const ConfigObject& first, const ConfigObject& second, const DiffOptions& options = {});

/// The result as JSON, schema dsasim-diff/1 (docs/ci.md); ends with a newline.
std::string diff_json(const DiffResult& result);

/// For a person: what moved, worst first; of very much, some.
std::string diff_table(const DiffResult& result);

}  // namespace dsasim
