#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"
#include "replay_options.hpp"

#include "dsasim/analysis/analysis.hpp"
#include "dsasim/report/analysis_report.hpp"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace dsasim::tool {
namespace {

struct Options {
  std::vector<std::string> traces;
  AnalysisConfig config;
  bool allow_truncated = false;
  std::string json;
  std::string csv;
};

void add_list(CLI::App& app, const std::string& option, std::vector<std::uint32_t>& list,
              const std::string& description) {
  add_option(
      app, option,
      [&list, option](const std::string& text) {
        list.clear();
        for (const std::string_view item : list_items(text)) {
          list.push_back(parse_number<std::uint32_t>(option, item, 1, most_analysis_number));
        }
      },
      description)
      .type("N,...")
      .list();
}

/// As add_list, with `trace` for the trace's own page size.
std::vector<std::uint32_t> parse_pages(const std::string& text) {
  std::vector<std::uint32_t> pages;
  for (const std::string_view item : list_items(text)) {
    pages.push_back(item == "trace" ? 0 : parse_number<std::uint32_t>("--page-tokens", item, 1, most_analysis_number));
  }
  return pages;
}

void add_paper_options(CLI::App& app, AnalysisConfig& config) {
  add_list(app, "--windows", config.windows, "Working sets over N steps [50]");
  add_flag(app, "--inclusive-windows", config.inclusive_windows,
           "A window of N steps holds N + 1 selections, as in the paper's formula, instead of N as in its prose");
  add_option(
      app, "--page-tokens", [&](const std::string& text) { config.page_tokens = parse_pages(text); },
      "Page utilisation for pages of N tokens; `trace` takes the trace's [16]")
      .type("N|trace,...")
      .list();
}

void add_further_options(CLI::App& app, AnalysisConfig& config) {
  add_flag(app, "--all", config.all,
           "Every metric: those of the options below, reuse distance, the overlap shifted by an entry, and between "
           "requests");
  add_list(app, "--overlap-steps", config.overlap_steps,
           "Overlap with the selection N steps before [with --all: 1,2,4,8,16,32,64]");
  add_list(app, "--union-steps", config.union_steps, "Union of N consecutive selections [with --all: 2,4,8,16,32,64]");
  add_list(app, "--block-tokens", config.block_tokens,
           "Blocks of N tokens that a selection touches [with --all: 16,32,64,128]");
  add_number<std::uint32_t>(app, "--sink-tokens", config.sink_tokens, "Share of the first N positions [with --all: 4]",
                            1, most_analysis_number);
  add_number<std::uint32_t>(app, "--recent-tokens", config.recent_tokens,
                            "Share of the last N positions [with --all: 128]", 1, most_analysis_number);
}

void add_run_options(CLI::App& app, Options& options) {
  add_option(
      app, "--steps", [&](const std::string& text) { options.config.steps = parse_steps("--steps", text); },
      "Analyse steps A up to B only, as if there were no others [all]")
      .type("A:B");
  add_machine_options(app, options.config.jobs);
  add_flag(app, "--allow-truncated", options.allow_truncated, "Analyse the whole chunks of a trace that was cut off");
  add_output_option(app, "--json", options.json, "Write everything as JSON (- for stdout) instead of the table",
                    ".json");
  add_text(app, "--csv", options.csv, "Write metrics.csv and histograms.csv, a row for each number, into a folder")
      .type("DIR");
}

/// The two tables of --csv. Their folder is made if its parent exists, and removed again if nothing comes of it.
class CsvFolder {
 public:
  explicit CsvFolder(std::string folder) : folder_(std::move(folder)) {
    std::error_code error;
    created_ = std::filesystem::create_directory(folder_, error);
    if (error) {
      throw SystemError("--csv", "{} cannot be created: {}", folder_, error.message());
    }
    if (created_) {
      unfinished_.emplace(folder_);
    }
    metrics_.emplace("--csv", metrics_path(folder_));
    histograms_.emplace("--csv", histograms_path(folder_));
  }
  ~CsvFolder() {
    metrics_.reset();
    histograms_.reset();
    if (created_) {
      std::error_code not_empty;
      std::filesystem::remove(folder_, not_empty);
    }
  }
  CsvFolder(const CsvFolder&) = delete;
  CsvFolder& operator=(const CsvFolder&) = delete;

  static std::string metrics_path(const std::string& folder) { return folder + "/metrics.csv"; }
  static std::string histograms_path(const std::string& folder) { return folder + "/histograms.csv"; }

  void write(std::span<const Analysed> analyses) {
    metrics_->write(metrics_csv(analyses));
    histograms_->write(histograms_csv(analyses));
    metrics_->commit();
    histograms_->commit();
  }

 private:
  std::string folder_;
  bool created_ = false;
  std::optional<UnfinishedName> unfinished_;
  std::optional<Output> metrics_;
  std::optional<Output> histograms_;
};

int run(const Options& options, const CLI::App& app) {
  if (!options.csv.empty()) {
    Files files = files_of(app);
    files.write("--csv", CsvFolder::metrics_path(options.csv));
    files.write("--csv", CsvFolder::histograms_path(options.csv));
  }
  std::vector<TraceReader> traces;
  for (const std::string& path : options.traces) {
    traces.emplace_back(path, ReadOptions{.allow_truncated = options.allow_truncated});
  }
  for (const TraceReader& trace : traces) {
    effective_analysis(trace, options.config);
    if (trace.truncated()) {
      spdlog::warn("{} is cut off; analysing its {} whole chunks", trace.name(), trace.chunk_count());
    }
  }
  std::optional<Output> json;
  std::optional<CsvFolder> csv;
  if (!options.json.empty()) {
    json.emplace("--json", options.json);
  }
  if (!options.csv.empty()) {
    csv.emplace(options.csv);
  }

  std::vector<AnalysisResult> results;
  for (const TraceReader& trace : traces) {
    Progress progress("analyze");
    results.push_back(
        analyze(trace, options.config, {.on_step = [&](auto done, auto total) { progress.update(done, total); }}));
  }
  std::vector<Analysed> analyses;
  for (std::size_t i = 0; i < traces.size(); ++i) {
    analyses.push_back({.trace = traces[i], .result = results[i]});
  }
  if (csv) {
    csv->write(analyses);
  }
  if (json) {
    json->write(analyses.size() == 1 ? analysis_json(analyses[0]) : comparison_json(analyses[0], analyses[1]));
    json->commit();
  } else {
    fmt::print("{}", analyses.size() == 1 ? analysis_table(analyses[0]) : comparison_table(analyses[0], analyses[1]));
  }
  return exit_done;
}

}  // namespace

std::function<int()> add_analyze(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_texts(app, "trace", options->traces, "Trace to analyse (.dsat), or two to compare")
      .required()
      .at_most(2)
      .type("TRACE");
  add_paper_options(app, options->config);
  add_further_options(app, options->config);
  add_run_options(app, *options);
  return [options, &app] { return run(*options, app); };
}

}  // namespace dsasim::tool
