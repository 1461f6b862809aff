#include "result.hpp"

#include "files.hpp"

#include "dsasim/report/csv.hpp"
#include "dsasim/trace/reader.hpp"

#include <fmt/core.h>

namespace dsasim::tool {

void Result::add_options(CLI::App& app, const std::string& what) {
  add_output_option(app, "--json", json_path_, fmt::format("Write {} as JSON (- for stdout) instead of the text", what),
                    ".json");
  add_output_option(app, "--csv", csv_path_, fmt::format("Write {} as rows (- for stdout) instead of the text", what),
                    ".csv");
}

void Result::open() {
  if (!json_path_.empty()) {
    json_.emplace("--json", json_path_);
  }
  if (!csv_path_.empty()) {
    csv_.emplace("--csv", csv_path_);
  }
}

void Result::write(const std::function<std::string()>& json, const std::function<std::string()>& text,
                   const std::function<std::string()>& csv) {
  Progress::clear();
  if (is_text()) {
    fmt::print("{}", text());
    return;
  }
  const std::string document = json_ || !csv ? json() : std::string();
  if (json_) {
    json_->write(document);
    json_->commit();
  }
  if (csv_) {
    csv_->write(csv ? csv() : csv_of(document));
    csv_->commit();
  }
}

void write_trace_shape(Result& result, const std::string& path, nlohmann::ordered_json document) {
  const TraceReader trace(path);
  document["requests"] = trace.request_count();
  document["layers"] = trace.layer_count();
  document["steps"] = trace.longest_request_steps();
  document["top_k"] = trace.longest_selection();
  document["accesses"] = trace.accesses();
  document["file_bytes"] = trace.file_bytes();
  document["digest"] = trace.digest();
  result.write([&] { return json_text(document); },
               [&] {
                 return fmt::format("{}: requests {}, layers {}, steps {}, top-k {}, {} ids in {} bytes\n", path,
                                    trace.request_count(), trace.layer_count(), trace.longest_request_steps(),
                                    trace.longest_selection(), trace.accesses(), trace.file_bytes());
               });
}

std::string json_text(const nlohmann::ordered_json& document) {
  return document.dump(2, ' ', /*ensure_ascii=*/false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace dsasim::tool
