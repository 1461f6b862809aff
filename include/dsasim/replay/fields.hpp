#pragma once

#include "dsasim/replay/replay.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace dsasim {

/// What is replayed and how: all that decides the result of a replay.
struct ReplaySpec {
  std::string trace;             ///< path
  bool allow_truncated = false;  ///< replay the whole chunks of a trace that is cut off
  ReplayConfig config;
};

/// Commands take fields by the group.
enum class FieldGroup : std::uint8_t {
  cache,     ///< policy, scope, capacity, and what enters a cache when
  workload,  ///< the part of the trace
  memory,    ///< what a miss costs
  llc,       ///< the last-level cache around the reservation
  step,      ///< the decode step that waits for the gathers
};

/// Something that can be said of a replay: an option of the command line, a key of a configuration file and of a
/// sweep's grid, an argument in Python. A new one is a row in src/replay/fields.cpp.
struct ReplayField {
  std::string_view name;  ///< as an option has it, without dashes before: new-token
  FieldGroup group;
  std::string values;         ///< N, none|first|prompt-tail, ...; empty: a flag, whose text is true or false
  std::string_view sentence;  ///< with the default in brackets; other fields in backticks
  /// Throws ConfigError, which begins with the field.
  void (*set)(ReplaySpec& spec, std::string_view text);
  std::string_view instead_of = {};  ///< another field, which must not be said as well
  /// Where it has an effect; null: everywhere. `needs` completes "has no effect here; expected ...".
  bool (*has_effect)(const ReplaySpec& spec) = nullptr;
  std::string_view needs = {};
};

/// All but the trace, in the order of --help.
std::span<const ReplayField> replay_fields();

/// The path of the trace, where fields are told by name.
inline constexpr std::string_view trace_field = "trace";

/// A field as text, and where that was written, for errors.
struct Setting {
  std::string_view field;
  std::string_view text;
  std::string where;
};

/// `base` with these fields set. The field "trace" is the path. Throws ConfigError for a field that is not known, a
/// text that it does not take, two fields that take each other's place, and one that has no effect.
ReplaySpec with_settings(ReplaySpec base, std::span<const Setting> settings);
/// Checks the text of one alone.
ReplaySpec with_setting(ReplaySpec base, const Setting& setting);

/// Null if there is none of that name.
const ReplayField* find_replay_field(std::string_view name) noexcept;

/// Whether the memory prices pages: serial does, the others price rows.
bool prices_pages(const ReplayConfig& config);

}  // namespace dsasim
