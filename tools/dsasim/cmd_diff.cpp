#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "result.hpp"

#include "dsasim/diff/diff.hpp"

#include <fmt/core.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace dsasim::tool {
namespace {

struct Options {
  std::string first;
  std::string second;
  DiffOptions diff;
  Result result;
};

ConfigObject read_document(const std::string& path) {
  return path == "-" ? ConfigObject::parse("stdin", read_text("/dev/stdin", max_config_bytes))
                     : ConfigObject::read(path);
}

int run(Options& options) {
  options.result.open();
  const ConfigObject first = read_document(options.first);
  const ConfigObject second = read_document(options.second);
  const DiffResult result = diff(first, second, options.diff);
  options.result.write([&] { return diff_json(result); }, [&] { return diff_table(result); });
  return result.differences.empty() ? exit_done : exit_negative;
}

}  // namespace

std::function<int()> add_diff(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_text(app, "first", options->first, "JSON of any command; the golden, if there is one")
      .required()
      .type("A.json|-");
  add_text(app, "second", options->second, "The one to compare with it; - is stdin, for either")
      .required()
      .type("B.json|-");
  add_option(
      app, "--tolerance",
      [options](const std::string& text) {
        options->diff.tolerances.clear();
        for (const std::string_view item : list_items(text)) {
          options->diff.tolerances.push_back(parse_tolerance(item));
        }
      },
      "How far times and ratios may move: an amount (below 1 also a share) or a share in percent; of a named field, "
      "even of a count [0]")
      .type("[FIELD=]0.01|5%,...")
      .list();
  add_option(
      app, "--ignore",
      [options](const std::string& text) {
        const auto items = list_items(text);
        options->diff.ignored.assign(items.begin(), items.end());
      },
      "Ignore fields of these names and all below them: config,digest")
      .type("FIELD,...")
      .list();
  options->result.add_options(app, "the differences");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
