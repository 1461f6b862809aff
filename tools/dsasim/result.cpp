#include "result.hpp"

#include "files.hpp"

#include "dsasim/report/csv.hpp"

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

void Result::write(const std::function<std::string()>& json, const std::function<std::string()>& text) {
  Progress::clear();
  if (is_text()) {
    fmt::print("{}", text());
    return;
  }
  const std::string document = json();
  if (json_) {
    json_->write(document);
    json_->commit();
  }
  if (csv_) {
    csv_->write(csv_of(document));
    csv_->commit();
  }
}

}  // namespace dsasim::tool
