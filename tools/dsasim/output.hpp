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

/// A line on stderr that shows how far the work is, if stderr is a terminal; nothing otherwise.
class Progress {
 public:
  explicit Progress(std::string label);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(std::uint64_t done, std::uint64_t total);

 private:
  std::string label_;
  bool terminal_;
  double last_drawn_s_ = -1;
  double started_s_;
};

}  // namespace dsasim::tool
