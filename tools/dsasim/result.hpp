#pragma once

#include "options.hpp"
#include "output.hpp"

#include <nlohmann/json.hpp>

#include <functional>
#include <optional>
#include <string>

namespace dsasim::tool {

/// Where the result of a command goes: to --json FILE, to --csv FILE, or as text to stdout if there is neither.
class Result {
 public:
  /// Declares --json and --csv; `what` is the result in words: "the curve".
  void add_options(CLI::App& app, const std::string& what);

  /// Before the work begins, so that a bad path costs nothing.
  void open();
  /// Makes and writes the forms that were asked for. `json` is a document of this project: the CSV is made of it,
  /// unless the command has a table of its own.
  void write(const std::function<std::string()>& json, const std::function<std::string()>& text,
             const std::function<std::string()>& csv = {});

  bool to_stdout() const noexcept { return json_path_ == "-" || csv_path_ == "-"; }
  bool wants_json() const noexcept { return !json_path_.empty(); }
  bool is_text() const noexcept { return json_path_.empty() && csv_path_.empty(); }

 private:
  std::string json_path_;
  std::string csv_path_;
  std::optional<Output> json_;
  std::optional<Output> csv_;
};

/// Of a command that wrote a trace to `path`: its shape, as a line, or behind what the `document` has.
void write_trace_shape(Result& result, const std::string& path, nlohmann::ordered_json document);

/// A document as the commands write it.
std::string json_text(const nlohmann::ordered_json& document);

}  // namespace dsasim::tool
