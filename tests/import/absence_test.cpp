#include "captures.hpp"
#include "catch.hpp"
#include "dsasim/analysis/analysis.hpp"
#include "dsasim/replay/replay.hpp"
#include "dsasim/report/analysis_report.hpp"
#include "dsasim/trace/reader.hpp"
#include "reading.hpp"

#include <fmt/format.h>

using namespace dsasim;
using namespace captures;

using Values = std::vector<std::int64_t>;

namespace {

ImportOptions with_prompt(std::uint64_t tokens) {
  ImportOptions options;
  options.prompt_tokens = tokens;
  return options;
}

struct Imported {
  std::vector<std::string> warnings;
  std::string digest;
  std::vector<LayerInfo> layers;
  std::string metrics;
};

Imported import(const TempDir& dir, const std::string& name, const ImportOptions& options) {
  const std::vector<std::filesystem::path> inputs{dir / name};
  Imported out;
  out.warnings = import_captures(inputs, dir / "out.dsat", options).warnings;
  for (std::string& warning : out.warnings) {
    warning = dir.strip(warning);
  }
  const TraceReader trace(dir / "out.dsat");
  out.digest = trace.digest();
  out.layers = trace.header().layers;
  const AnalysisResult result = analyze(trace, {.windows = {2}, .all = true});
  out.metrics = analysis_json({.trace = trace, .result = result});
  return out;
}

std::string error_of_import(const TempDir& dir, const std::string& name, const ImportOptions& options) {
  const std::vector<std::filesystem::path> inputs{dir / name};
  return error_of(dir, [&] { import_captures(inputs, dir / "out.dsat", options); });
}

/// Three steps of six layers of two ids, of which layers 2 and 5 select.
Values hybrid() {
  Values ids;
  for (std::int64_t step = 0; step < 3; ++step) {
    for (std::int64_t layer = 0; layer < 6; ++layer) {
      const bool selects = layer % 3 == 2;
      ids.push_back(selects ? layer + step : -1);
      ids.push_back(selects ? 10 + layer : -1);
    }
  }
  return ids;
}

}  // namespace

TEST_CASE("layers that never select are left out, and the user is told", "[import]") {
  const TempDir dir;
  write_file(dir / "a.npy", npy("(3, 6, 2)", hybrid()));
  const Imported found = import(dir, "a.npy", with_prompt(20));
  CHECK(found.warnings == std::vector<std::string>{
                              "4 of 6 layers never select and are left out: 0-1, 3-4; `layer_map`=-1,-1,2,-1,-1,5 says "
                              "so"});
  CHECK(found.layers ==
        std::vector<LayerInfo>{{.model_layer = 2, .group_size = 1}, {.model_layer = 5, .group_size = 1}});
  // Whoever says so gets the same trace and the same averages, without a word.
  ImportOptions options = with_prompt(20);
  options.layer_map = "-1,-1,2,-1,-1,5";
  const Imported said = import(dir, "a.npy", options);
  CHECK(said.warnings.empty());
  CHECK(said.digest == found.digest);
  CHECK(said.layers == found.layers);
  CHECK(said.metrics == found.metrics);
  // So does a checkpoint's list of layer types; its indexer_types are no claim about layers that do not select.
  write_file(dir / "config.json", R"({"text_config": {"model_type": "glm5_next_text", "num_hidden_layers": 6,
      "indexer_types": ["full", "full", "full", "full", "full", "full"], "layer_types": ["linear_attention",
      "linear_attention", "deepseek_sparse_attention", "linear_attention", "linear_attention",
      "deepseek_sparse_attention"]}})");
  options.layer_map = (dir / "config.json").string();
  const Imported by_types = import(dir, "a.npy", options);
  CHECK(by_types.warnings.empty());
  CHECK(by_types.digest == found.digest);
}

TEST_CASE("an owner that never selects takes those that share its index with it", "[import]") {
  const TempDir dir;
  write_file(dir / "a.npy", npy("(1, 4, 1)", {-1, -1, 3, 3}));
  ImportOptions options = with_prompt(9);
  options.layer_map = "0,0,2,2";
  const Imported found = import(dir, "a.npy", options);
  CHECK(found.warnings ==
        std::vector<std::string>{"1 of 2 layers never select and are left out: 0; `layer_map`=-1,-1,2,2 says so"});
  CHECK(found.layers == std::vector<LayerInfo>{{.model_layer = 2, .group_size = 2}});
}

TEST_CASE("a layer that selects in one request of a batch stays in all", "[import]") {
  const TempDir dir;
  write_file(dir / "a.npy", npy("(1, 3, 1)", {-1, 1, -1}));
  write_file(dir / "b.npy", npy("(1, 3, 1)", {2, 1, -1}));
  const std::vector<std::filesystem::path> inputs{dir / "a.npy", dir / "b.npy"};
  const ImportedIds imported = import_captures(inputs, dir / "out.dsat", with_prompt(9));
  const TraceReader trace(dir / "out.dsat");
  CHECK(trace.layer_count() == 2);
  CHECK(trace.accesses() == 3);
  REQUIRE(imported.warnings.size() == 2);
  CHECK(imported.warnings[0] == "1 of 3 layers never select and are left out: 2; `layer_map`=0,1,-1 says so");
  CHECK(dir.strip(imported.warnings[1]) ==
        "1 selections have no ids in steps in which other layers select (the first: a.npy: step 0, layer 0); they "
        "count as no selections");
}

TEST_CASE("an archive that says which layers own an index keeps them", "[import]") {
  const TempDir dir;
  const auto archive = [&](const Values& ids) {
    write_zip(dir / "a.npz", {{"topk_indices.npy", npy("(2, 2, 1)", ids)},
                              {"prompt_len.npy", scalar(9)},
                              {"model_layers.npy", npy("(2,)", {3, 7})}});
  };
  archive({-1, 1, -1, 2});
  CHECK(import(dir, "a.npz", {}).layers.size() == 2);
  archive({-1, -1, -1, -1});
  CHECK(import(dir, "a.npz", {}).layers.size() == 2);
}

TEST_CASE("rows without ids are counted, and said to be no selections", "[import]") {
  const TempDir dir;
  // A prompt of 2 and 6 completion tokens: rows 2 to 6 are steps, of which 0, 1 and 3 were not recorded.
  const std::string meta = R"(, "prompt_tokens": 2, "completion_tokens": 6)";
  write_file(dir / "r.json", sglang_response({-1, -1, 0, 1, -1, -1, -1, -1, 0, 4, -1, -1, 4, 5}, meta));
  ImportOptions options;
  options.layers = 1;
  const Imported found = import(dir, "r.json", options);
  CHECK(found.warnings == std::vector<std::string>{"r.json: 3 of 5 rows have no ids in any layer: rows 2-3, 5 (steps "
                                                   "0-1, 3); they count as no selections"});
  const TraceReader trace(dir / "out.dsat");
  CHECK(trace.extent(0).steps == 5);
  const AnalysisResult result = analyze(trace, {});
  for (std::size_t i = 0; i < result.metrics.size(); ++i) {
    if (result.metrics[i].name == "new_lookups") {
      CHECK(result.pooled[i].count == 1);
      CHECK(result.pooled[i].mean == 0.5);  // {4, 5} after {0, 4}
    }
  }
}

TEST_CASE("a capture without any id is an error", "[import]") {
  const TempDir dir;
  write_file(dir / "r.json", sglang_response(Values(12, -1), R"(, "prompt_tokens": 2, "completion_tokens": 3)"));
  ImportOptions options;
  options.layers = 3;
  CHECK(error_of_import(dir, "r.json", options) == "r.json: selects nothing: all ids of all 3 layers are padding");
  CHECK_FALSE(std::filesystem::exists(dir / "out.dsat"));
}

TEST_CASE("the block that is being filled can be selected", "[import]") {
  const TempDir dir;
  // Entries of 4 tokens, a prompt of 6: the queries are at 6, 7, 8. Blocks 1, 1 and 2 are being filled.
  write_file(dir / "a.npy", npy("(3, 1, 2)", {1, 0, 1, 0, 2, 1}));
  ImportOptions options = with_prompt(6);
  options.unit_tokens = 4;
  CHECK(import(dir, "a.npy", options).warnings.empty());
  const TraceReader trace(dir / "out.dsat");
  ReplayConfig config;
  config.capacity = Capacity::parse("2");
  const ReplayResult result = replay(trace, config);
  CHECK(result.totals.accesses == 6);
  CHECK(result.totals.misses() == 4);  // 1 0 | 1 0 | 2 1: 2 drives out 1
  CHECK(result.totals.compulsory_misses == 3);
  // A block that no token belongs to cannot.
  write_file(dir / "a.npy", npy("(3, 1, 2)", {1, 0, 2, 0, 2, 1}));
  CHECK(
      error_of_import(dir, "a.npy", options) ==
      "a.npy: request 0, step 1, layer 0: id 2 lies outside the context of 2 entries: 1 of 3 selections have such ids; "
      "`ids` physical says that ids are slots");
}

TEST_CASE("tokens of whole entries are taken together where a unit is given", "[import]") {
  const TempDir dir;
  // Entries of 4 tokens, a prompt of 6: the queries are at 6 and 7. Entry 1 has three tokens, then all four.
  write_file(dir / "tokens.npy", npy("(2, 1, 8)", {4, 5, 6, 0, 1, 2, 3, -1, 0, 1, 2, 3, 7, 6, 5, 4}));
  write_file(dir / "entries.npy", npy("(2, 1, 2)", {1, 0, 0, 1}));
  ImportOptions options = with_prompt(6);
  options.unit_tokens = 4;
  const Imported tokens = import(dir, "tokens.npy", options);
  CHECK(tokens.warnings ==
        std::vector<std::string>{"tokens.npy: ids name single tokens; those of an entry of 4 are taken together"});
  const Imported entries = import(dir, "entries.npy", options);
  CHECK(entries.warnings.empty());
  CHECK(tokens.digest == entries.digest);
  // A part of an entry is none.
  write_file(dir / "tokens.npy", npy("(2, 1, 8)", {4, 5, 6, 0, 1, 2, 3, -1, 0, 1, 2, -1, 7, 6, 5, 4}));
  CHECK(error_of_import(dir, "tokens.npy", options) ==
        "tokens.npy: request 0, step 1, layer 0: ids name tokens, and 3 of the 4 tokens of entry 0; expected "
        "all of them");
  // Without a unit they stay tokens.
  options.unit_tokens.reset();
  write_file(dir / "tokens.npy", npy("(1, 1, 2)", {5, 6}));
  CHECK(import(dir, "tokens.npy", options).warnings.empty());
}
