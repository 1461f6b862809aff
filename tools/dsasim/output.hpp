#pragma once

#include "dsasim/trace/partial_file.hpp"

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace dsasim::tool {

/// Throws ConfigError unless --output names a file for a trace, which appears whole or not at all.
void require_trace_file(const std::string& path);

/// Writes to stderr. That it cannot be written, because it is closed or full, changes nothing else.
void say(std::string_view text) noexcept;

/// A result: a file, or stdout for "-". Opened before the work begins, so that a bad path costs nothing; a file has its
/// name only when it is whole.
class Output {
 public:
  /// `option` names it in errors. Throws SystemError if the file cannot be created.
  Output(std::string option, std::string path);
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(std::string_view text);
  void commit();

 private:
  [[noreturn]] void fail(const char* what) const;

  std::string option_;
  std::string path_;
  std::optional<PartialFile> partial_;  ///< none for stdout
  std::FILE* file_ = nullptr;
};

/// Where stderr is no terminal, progress is a line so often: a log shows that the work goes on, and short work is
/// silent.
inline constexpr double progress_line_s = 30;
/// DSASIM_PROGRESS=off: a script that wants stderr for messages alone.
bool progress_is_off();

/// A line on stderr that shows how far the work is; elsewhere than on a terminal, one every progress_line_s.
class Progress {
 public:
  explicit Progress(std::string label);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(std::uint64_t done, std::uint64_t total);
  void update_share(double share);  ///< of the work: what is done, from 0 to 1
  /// Where nobody knows how much is to come.
  void update_bytes(std::uint64_t written);
  /// Takes the line off the terminal: whoever prints a result does so first.
  static void clear() noexcept;

 private:
  bool is_due(double now) const;
  void draw(double now, const std::string& text);

  std::string label_;
  bool terminal_;
  bool off_;
  double last_drawn_s_ = -1;
  double started_s_;
};

}  // namespace dsasim::tool
