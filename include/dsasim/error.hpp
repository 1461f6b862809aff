#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string_view>
#include <utility>

namespace dsasim {

/// Base of everything this library throws on purpose. The message is one line and complete: where
/// (file, field or key), what was found there, what was expected. Fields are named in backticks, `new_token`: the tool
/// prints options in their places, --new-token, and exits with 2.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A field, a configuration file or a combination of them is wrong. `where` is a field, "`new_token`", or
/// "file: /json/pointer".
class ConfigError final : public Error {
 public:
  template <class... Args>
  ConfigError(std::string_view where, fmt::format_string<Args...> what, Args&&... args)
      : Error(fmt::format("{}: {}", where, fmt::format(what, std::forward<Args>(args)...))) {}
};

/// A trace or a capture is damaged, or does not fit what was said of it. `where` is a file, with a place in it
/// where there is one.
class TraceError final : public Error {
 public:
  template <class... Args>
  TraceError(std::string_view where, fmt::format_string<Args...> what, Args&&... args)
      : Error(fmt::format("{}: {}", where, fmt::format(what, std::forward<Args>(args)...))) {}
};

/// The machine refused: a file cannot be opened, read or written, or memory does not suffice.
class SystemError final : public Error {
 public:
  template <class... Args>
  SystemError(std::string_view where, fmt::format_string<Args...> what, Args&&... args)
      : Error(fmt::format("{}: {}", where, fmt::format(what, std::forward<Args>(args)...))) {}
};

}  // namespace dsasim
