#pragma once

#include "dsasim/replay/replay.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace dsasim {

/// Null where a quantity is not known, or is of nothing: a ratio without accesses.
using MeasureValue = std::variant<std::monostate, std::uint64_t, double>;

/// What a quantity is read from: the counters of a row of a report, and, of the totals alone, the whole result.
struct Measured {
  const Counters& counters;
  const EffectiveConfig& config;
  const ReplayResult* whole = nullptr;
};

/// What a quantity depends on.
enum class Basis : std::uint8_t {
  misses,   ///< accesses and misses alone, and it never rises where misses fall
  lookups,  ///< what Wanted::misses counts
  caches,   ///< all that a cache does
  pages,    ///< and the size of a page
  time,     ///< the memory model, and pages as far as that does
  step,     ///< a model and a GPU
};

/// A quantity that a replay gives. A new one is a row in src/replay/measure.cpp: it becomes a field of reports and of
/// their CSV, a column of sweeps and a target of `knee`.
struct Measure {
  std::string_view name;  ///< as reports and columns have it
  std::string_view unit;  ///< empty for a ratio
  std::string_view sentence;
  Basis basis;
  bool of_rows;            ///< each layer, request and step has it; otherwise the totals of a sweep and targets
  bool in_step_rows;       ///< --per-step has it
  std::string_view needs;  ///< what must be given for it to be known; empty: nothing
  bool (*is_known)(const EffectiveConfig& config);
  MeasureValue (*value)(const Measured& measured);
};

/// In the order of reports.
std::span<const Measure> measures();

/// Null if there is none of that name.
const Measure* find_measure(std::string_view name) noexcept;

/// Of a whole result.
MeasureValue total_of(const Measure& measure, const ReplayResult& result);

/// 0 for null: what has nothing to miss reaches any target.
double number_of(const MeasureValue& value);

/// As reports and tables write it; empty for null.
std::string text_of(const MeasureValue& value);

}  // namespace dsasim
