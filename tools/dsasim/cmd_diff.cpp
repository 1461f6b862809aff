#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "result.hpp"

#include "dsasim/diff/scrape.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace dsasim::tool {
namespace {

struct Options {
  std::string first;
  std::string second;
  std::string since;
  std::uint64_t workers = 1;
  bool has_scrape = false;  ///< among the inputs, once they are read
  DiffOptions diff;
  OptionRules rules;
  Result result;
};

NamedText read(const std::string& path) {
  return path == "-" ? NamedText{.path = "stdin", .text = read_text("/dev/stdin", max_config_bytes)}
                     : NamedText{.path = path, .text = read_text(path, max_config_bytes)};
}

CounterDiff compare(Options& options) {
  const NamedText first = read(options.first);
  const NamedText second = read(options.second);
  options.has_scrape = is_scrape(first.text) || is_scrape(second.text);
  options.rules.check();
  if (options.has_scrape) {
    ScrapeOptions scrape{.since = {}, .workers = options.workers};
    if (!options.since.empty()) {
      scrape.since = read(options.since);
    }
    return diff_counters(first, second, scrape, options.diff);
  }
  return {.sources = "",
          .result = diff(ConfigObject::parse(first.path, first.text), ConfigObject::parse(second.path, second.text),
                         options.diff)};
}

int run(Options& options) {
  options.result.open();
  const CounterDiff found = compare(options);
  options.result.write([&] { return diff_json(found.result); },
                       [&] { return found.sources + diff_table(found.result); });
  return found.result.differences.empty() ? exit_done : exit_negative;
}

}  // namespace

std::function<int()> add_diff(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_text(app, "first", options->first,
           "JSON of any command, the golden, if there is one; or a scrape of a server's counters (vLLM's /metrics)")
      .required()
      .type("A.json|-");
  add_text(app, "second", options->second,
           "The one to compare with it; beside a scrape, a report of replay; - is stdin, for either")
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
  add_text(app, "--since", options->since, "Beside a scrape: an earlier one; what it counted is taken off")
      .type("FILE.txt|-");
  add_number<std::uint64_t>(app, "--workers", options->workers,
                            "Beside a scrape: GPUs of an engine that count the same, as tensor parallelism has them; "
                            "the report's counts are multiplied [1]",
                            1, 1U << 16U);
  options->rules.only_if(
      app, {"--since", "--workers"}, [options = options.get()] { return options->has_scrape; },
      "a scrape of a server's counters");
  options->result.add_options(app, "the differences");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
