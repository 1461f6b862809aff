#include "command.hpp"
#include "files.hpp"
#include "options.hpp"
#include "output.hpp"

#include "dsasim/import/import.hpp"
#include "dsasim/trace/reader.hpp"

#include <spdlog/spdlog.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace dsasim::tool {
namespace {

constexpr std::array id_claim_names = {std::pair<std::string_view, IdClaim>{"auto", IdClaim::automatic},
                                       std::pair<std::string_view, IdClaim>{"logical", IdClaim::logical},
                                       std::pair<std::string_view, IdClaim>{"physical", IdClaim::physical}};

struct Options {
  std::vector<std::string> inputs;
  std::string output;
  ImportOptions import;
  OptionRules rules;
};

PromptStart parse_prompt_start(const std::string& text) {
  if (text == "last" || text == "end") {
    return {.from = PromptStart::From::end, .tokens = text == "last" ? 1U : 0U};
  }
  return {.from = PromptStart::From::begin,
          .tokens = parse_number<std::uint64_t>("--prompt-start (or last, or end)", text, 0, max_entry_ids)};
}

int run(const Options& options) {
  options.rules.check();
  require_trace_file(options.output);
  Progress progress("import");
  const std::vector<std::filesystem::path> inputs(options.inputs.begin(), options.inputs.end());
  const ImportedIds ids =
      import_captures(inputs, options.output, options.import,
                      [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); });
  if (!ids.note.empty()) {
    spdlog::log(ids.kind == IdKind::physical ? spdlog::level::warn : spdlog::level::info, "{}", with_options(ids.note));
  }
  for (const std::string& warning : ids.warnings) {
    spdlog::warn("{}", with_options(warning));
  }
  const TraceReader trace(options.output);
  fmt::print("{}: requests {}, layers {}, steps {}, top-k {}, {} ids in {} bytes\n", options.output,
             trace.request_count(), trace.layer_count(), trace.longest_request_steps(), trace.longest_selection(),
             trace.accesses(), trace.file_bytes());
  return exit_done;
}

void add_shape_options(CLI::App& app, ImportOptions& import) {
  constexpr std::uint64_t most_tokens = max_entry_ids;
  add_number<std::uint32_t>(app, "--layers", import.layers, "Layers of the capture, where it does not say", 1,
                            TraceHeader::max_layers);
  add_number<std::uint32_t>(app, "--heads", import.heads,
                            "An array is (steps, layers, heads, top-k): each head selects for itself, as a layer does",
                            1, TraceHeader::max_layers);
  add_number<std::uint32_t>(app, "--top-k", import.top_k, "Ids in a row, where the capture does not say", 1, 1U << 30U);
  add_number<std::uint64_t>(app, "--prompt-len", import.prompt_tokens,
                            "Tokens of the prompt, where the capture does not say", 0, most_tokens);
  add_option(
      app, "--prompt-start", [&import](const std::string& text) { import.prompt_start = parse_prompt_start(text); },
      "Position of the query of a capture's first row, where the capture does not say: a number (a cached prefix "
      "has "
      "no rows), last (the prompt's last token) or end (behind the prompt)")
      .type("N|last|end");
  add_number<std::uint64_t>(app, "--steps", import.steps, "Import no more than the first N steps of each capture [all]",
                            1, most_tokens);
  add_flag(app, "--skip-bad", import.skip_bad,
           "Leave out requests that cannot be used (aborted, without decode steps) and ids outside their context, "
           "and say how many");
  add_choice(
      app, "--ids", import.ids,
      "What ids are: positions (logical) or slots of the stack's pool (physical); auto finds out, and turns slots "
      "into positions where these are certain [logical; auto for sglang]",
      id_claim_names);
  add_number<std::uint32_t>(app, "--unit-tokens", import.unit_tokens,
                            "Tokens that one id stands for [the model's, or 1]", 1, TraceHeader::max_unit_tokens);
}

}  // namespace

std::function<int()> add_import(CLI::App& app) {
  auto options = std::make_shared<Options>();
  ImportOptions& import = options->import;
  add_texts(app, "input", options->inputs, "Captures; their requests become one batch").required().type("FILE...");
  add_output_option(app, "-o,--output", options->output, "Trace to write", ".dsat");
  std::string formats = "auto";
  for (const ImportFormat& format : import_formats()) {
    formats += "|" + std::string(format.name);
  }
  add_text(app, "--from", import.format, "Format of the captures [auto]").type(formats);
  add_shape_options(app, import);
  add_number<std::uint32_t>(app, "--page-tokens", import.page_tokens, "Tokens of the stack's KV page, if known", 1,
                            TraceHeader::max_page_tokens);
  add_number<std::uint64_t>(app, "--entry-bytes", import.entry_bytes, "Bytes of an entry in one layer [the model's]", 1,
                            TraceHeader::max_entry_bytes);
  add_text(app, "--layer-map", import.layer_map,
           "Which layer's index each layer uses: 0,1,2,2,2 (-1 for none), or a JSON file (a checkpoint's config.json)")
      .type("LIST|FILE");
  add_text(app, "--kv-map", import.kv_map,
           "Which layer's KV store each layer of the model reads: 0,0,2,2, or a JSON list [each its own, or as the "
           "capture says]")
      .type("LIST|FILE");
  add_text(app, "--model", import.model,
           "One of `dsasim models`, a configuration file or a checkpoint's config.json: says which layers own an "
           "index, the top-k, and the tokens and bytes of an entry, where nothing else does")
      .type("NAME|FILE.json");
  add_arrival_options(app, options->rules, import.arrivals);
  add_text(app, "--provenance", import.provenance, "Where the capture comes from [the inputs' names]").type("TEXT");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
