#include "import/layer_map.hpp"

#include "captures.hpp"
#include "catch.hpp"
#include "dsasim/trace/reader.hpp"
#include "reading.hpp"

#include <fmt/format.h>

using namespace dsasim;
using namespace captures;

using Values = std::vector<std::int64_t>;

namespace {

using Infos = std::vector<LayerInfo>;

/// One layer a line of five: layers 0 and 1 own, 2 has none, 3 and 4 use that of 1.
const std::string five_layers = "0,1,-1,1,1";

std::string error_of_map(const TempDir& dir, const std::string& text) {
  return error_of(dir, [&] { parse_layer_map(text); });
}

}  // namespace

TEST_CASE("a layer map is a list, or a model's configuration", "[import][layers]") {
  const TempDir dir;
  const Infos expected{{.model_layer = 0, .group_size = 1}, {.model_layer = 1, .group_size = 3}};
  CHECK(parse_layer_map(five_layers).groups() == expected);
  for (const std::string_view text :
       {"[0, 1, -1, 1, 1]", R"(["full", "full", "shared", "shared"])",
        R"({"indexer_types": ["full","full","shared","shared"]})",
        R"({"text_config": {"indexer_types": ["full", "full", "shared", "shared"]}, "index_topk": 2048})"}) {
    write_file(dir / "config.json", text);
    CHECK(parse_layer_map((dir / "config.json").string()).groups() == expected);
  }
}

TEST_CASE("a checkpoint's configuration is a layer map, and says how wide a row is", "[import][layers]") {
  const TempDir dir;
  const auto [text, layers, top_k, unit] =
      GENERATE(table<std::string_view, std::size_t, std::optional<std::uint32_t>, std::optional<std::uint32_t>>({
          {R"({"indexer_types": ["full", "shared"], "index_topk": 2048})", 2, 2048, 1},
          {R"({"text_config": {"indexer_types": ["full"], "index_topk": 64}})", 1, 64, 1},
          {R"({"model_type": "deepseek_v32", "num_hidden_layers": 3, "index_topk": 512})", 3, 512, 1},
          {R"({"model_type": "deepseek_v4", "num_hidden_layers": 2, "compress_ratios": [0, 4], "index_topk": 512})", 2,
           512, 4},
          {R"(["full", "full", "full"])", 3, std::nullopt, std::nullopt},
      }));
  CAPTURE(text);
  write_file(dir / "config.json", text);
  const LayerMap map = parse_layer_map((dir / "config.json").string());
  CHECK(map.owner_of.size() == layers);
  CHECK(map.top_k == top_k);
  CHECK(map.unit_tokens == unit);
}

TEST_CASE("a model that is known by name is a layer map", "[import][layers]") {
  const auto map_of = [](const std::string& name) { return layer_map_of(load_selections(name), "`model`"); };
  const LayerMap shared = map_of("glm-5.2").value();
  CHECK(shared.owner_of.size() == 78);
  CHECK(shared.top_k == 2048U);
  REQUIRE(shared.groups().size() == 21);
  CHECK((shared.groups()[1] == LayerInfo{.model_layer = 1, .group_size = 1}));
  CHECK((shared.groups()[3] == LayerInfo{.model_layer = 6, .group_size = 4}));

  const LayerMap compressed = map_of("deepseek-v4-pro").value();
  CHECK(compressed.owner_of.size() == 61);
  CHECK_FALSE(compressed.owner_of[1].has_value());
  CHECK(compressed.groups().size() == 30);
  CHECK(compressed.top_k == 1024U);
  CHECK(compressed.unit_tokens == 4U);

  CHECK_FALSE(map_of("gpt-oss-120b").has_value());
}

TEST_CASE("a layer map that is none says why", "[import][layers]") {
  const TempDir dir;
  const auto [text, message] = GENERATE(table<std::string, std::string>({
      {"0,,1", "expected numbers of layers (0,1,2,2) or a JSON file, found \"0,,1\""},
      {"0,5", "layer 1 has the index of layer 5; expected itself, one before it, or -1 for none"},
      {"0,-2", "layer 1 has the index of layer -2; expected itself, one before it, or -1 for none"},
      {"0,0,1", "layer 2 has the index of layer 1, which has none of its own"},
      {"-1,-1", "no layer owns an index"},
  }));
  CHECK(error_of_map(dir, text) == "`layer_map`: " + message);
  CHECK(error_of_map(dir, (dir / "none.json").string()) == "none.json: cannot be opened");
  const auto [json, json_message] = GENERATE(table<std::string, std::string>({
      {"{}", "config.json: has no \"num_hidden_layers\""},
      {"7", "`layer_map`: config.json holds neither a list of owners nor a checkpoint's configuration"},
      {R"({"indexer_types": 7})", "config.json: has no \"num_hidden_layers\""},
      {"[]", "`layer_map`: has 0 layers, expected 1 to 65535"},
      {std::string(100'000, '[') + std::string(100'000, ']'), "config.json: nests deeper than 64 levels"},
      {R"(["shared"])",
       "`layer_map`: config.json: layer 0 is \"shared\", expected \"full\" before the first \"shared\""},
      {R"(["full", "half"])",
       "`layer_map`: config.json: layer 1 is \"half\", expected \"full\", \"shared\" or a number"},
      {"[0, 18446744073709551615]",
       "`layer_map`: config.json: layer 1 has the index of layer 65536; expected itself, one before it, or -1 for "
       "none"},
      {"[0, 1.0]", "`layer_map`: config.json: layer 1 is 1.0, expected \"full\", \"shared\" or a number"},
  }));
  write_file(dir / "config.json", json);
  CHECK(error_of_map(dir, (dir / "config.json").string()) == json_message);
  write_file(dir / "config.json", "[0,");
  CHECK(error_of_map(dir, (dir / "config.json").string()).starts_with("config.json: parse error at line 1"));
}

TEST_CASE("layers that share an index are dropped, after a look at them", "[import][layers]") {
  const TempDir dir;
  // Two steps of five layers of two ids; layers 3 and 4 repeat layer 1, layer 2 has anything.
  Values ids{0, 1, 2, 3, 9, 9, 2, 3, 2, 3, 4, 0, 1, -1, -1, -1, 1, -1, 1, -1};
  write_file(dir / "a.npy", npy("(2, 5, 2)", ids));
  ImportOptions options;
  options.prompt_tokens = 8;
  options.layer_map = five_layers;
  const std::vector<std::filesystem::path> inputs{dir / "a.npy"};
  import_captures(inputs, dir / "out.dsat", options);
  const TraceReader trace(dir / "out.dsat");
  CHECK(trace.header().layers == Infos{{.model_layer = 0, .group_size = 1}, {.model_layer = 1, .group_size = 3}});
  CHECK(trace.accesses() == 7);

  ids[17] = 0;
  write_file(dir / "a.npy", npy("(2, 5, 2)", ids));
  CHECK(error_of(dir, [&] { import_captures(inputs, dir / "out.dsat", options); }) ==
        "a.npy: request 0, row 1 (step 1), layer 3, column 1: 0, but -1 in layer 1, whose index it shares");
}

TEST_CASE("rows are those of the response, steps those of the trace", "[import][layers]") {
  const TempDir dir;
  // Prompt of 2: rows 2 and 3 are steps. The prompt's rows are not compared.
  write_file(dir / "r.json",
             sglang_response({0, 7, 0, 0, 1, 1, 2, 3}, R"(, "prompt_tokens": 2, "completion_tokens": 3)"));
  ImportOptions options;
  options.layers = 2;
  options.layer_map = "0,0";
  const std::vector<std::filesystem::path> inputs{dir / "r.json"};
  CHECK(error_of(dir, [&] { import_captures(inputs, dir / "out.dsat", options); }) ==
        "r.json: request 0, row 3 (step 1), layer 1, column 0: 3, but 2 in layer 0, whose index it shares");
}

TEST_CASE("a file may have the owners alone", "[import][layers]") {
  const TempDir dir;
  write_file(dir / "a.npy", npy("(1, 2, 2)", {0, 1, 2, 3}));
  ImportOptions options;
  options.prompt_tokens = 8;
  options.layer_map = five_layers;
  std::vector<std::filesystem::path> inputs{dir / "a.npy"};
  import_captures(inputs, dir / "out.dsat", options);
  CHECK(TraceReader(dir / "out.dsat").header().layers.at(1).group_size == 3);

  const std::string row = R"({"request_id": 1, "step_idx": 0, "seq_len_current": 9, "selected_token_pos": [1], )";
  write_file(dir / "r.jsonl", row + R"("layer_id": 0})" + row + R"("layer_id": 1})");
  inputs = {dir / "r.jsonl"};
  options.prompt_tokens.reset();
  import_captures(inputs, dir / "out.dsat", options);
  CHECK(TraceReader(dir / "out.dsat").header().layers.at(1).group_size == 3);

  write_file(dir / "r.jsonl", row + R"("layer_id": 0})" + row + R"("layer_id": 3})");
  CHECK(error_of(dir, [&] { import_captures(inputs, dir / "out.dsat", options); }) ==
        "r.jsonl: has rows of layer 3 where `layer_map` has layer 1, which owns an index");
  // An archive of all layers that says so is as good as one that does not; one that contradicts the map is not.
  const auto archive = [&](const std::vector<std::int64_t>& sizes) {
    write_zip(dir / "a.npz", {{"topk_indices.npy", npy("(1, 5, 1)", {3, 4, 5, 4, 4})},
                              {"prompt_len.npy", scalar(9)},
                              {"model_layers.npy", npy("(5,)", {0, 1, 2, 3, 4})},
                              {"group_sizes.npy", npy("(5,)", sizes)}});
  };
  inputs = {dir / "a.npz"};
  archive({1, 1, 1, 1, 1});
  import_captures(inputs, dir / "out.dsat", options);
  CHECK(TraceReader(dir / "out.dsat").header().layers.at(1).group_size == 3);
  archive({2, 1, 1, 1, 1});
  CHECK(error_of(dir, [&] { import_captures(inputs, dir / "out.dsat", options); }) ==
        "a.npz: says that 2 layers use the index of layer 0, `layer_map` says 1");
  write_file(dir / "b.npy", npy("(1, 3, 2)", iota(6)));
  inputs = {dir / "b.npy"};
  CHECK(error_of(dir, [&] { import_captures(inputs, dir / "out.dsat", options); }) ==
        "b.npy: has 3 layers, `layer_map` has 5, of which 2 own an index");
}

TEST_CASE("layers that share an index are found from a frequency, and make the trace of the owners alone",
          "[import][layers]") {
  const TempDir dir;
  // Two steps of 12 layers of two ids. Full are 0, 1, 2, 6, 10: with the offset 3 every fourth from 2 on.
  const std::vector<std::int64_t> owner_of = {0, 1, 2, 2, 2, 2, 6, 6, 6, 6, 10, 10};
  Values all;
  Values owners;
  for (std::int64_t step = 0; step < 2; ++step) {
    for (std::int64_t layer = 0; layer < 12; ++layer) {
      const std::int64_t owner = owner_of[static_cast<std::size_t>(layer)];
      const Values row = {(3 * owner + step) % 17, (3 * owner + step + 5) % 17};
      all.insert(all.end(), row.begin(), row.end());
      if (owner == layer) {
        owners.insert(owners.end(), row.begin(), row.end());
      }
    }
  }
  write_file(dir / "all.npy", npy("(2, 12, 2)", all));
  write_file(dir / "owners.npy", npy("(2, 5, 2)", owners));
  write_file(dir / "config.json", R"({"model_type": "glm_moe_dsa", "num_hidden_layers": 12, "index_topk": 2,
                                      "index_topk_freq": 4, "index_skip_topk_offset": 3})");
  std::vector<std::string> digests;
  for (const bool by_model : {false, true}) {
    for (const char* name : {"all.npy", "owners.npy"}) {
      ImportOptions options;
      options.prompt_tokens = 17;
      (by_model ? options.model : options.layer_map) = (dir / "config.json").string();
      const std::vector<std::filesystem::path> inputs{dir / name};
      CHECK(import_captures(inputs, dir / "out.dsat", options).warnings.empty());
      const TraceReader trace(dir / "out.dsat");
      digests.push_back(trace.digest());
      CHECK(trace.header().model == (by_model ? "glm_moe_dsa" : ""));
      CHECK(trace.header().layers == Infos{{.model_layer = 0, .group_size = 1},
                                           {.model_layer = 1, .group_size = 1},
                                           {.model_layer = 2, .group_size = 4},
                                           {.model_layer = 6, .group_size = 4},
                                           {.model_layer = 10, .group_size = 2}});
    }
  }
  CHECK(digests == std::vector<std::string>(4, digests.front()));
  // With the default offset other layers are full, and the capture contradicts it.
  write_file(dir / "config.json", R"({"model_type": "glm_moe_dsa", "num_hidden_layers": 12, "index_topk_freq": 4})");
  ImportOptions options;
  options.prompt_tokens = 17;
  options.layer_map = (dir / "config.json").string();
  const std::vector<std::filesystem::path> inputs{dir / "all.npy"};
  CHECK(error_of(dir, [&] { import_captures(inputs, dir / "out.dsat", options); }) ==
        "all.npy: request 0, row 0 (step 0), layer 2, column 0: 6, but 3 in layer 1, whose index it shares");
}

TEST_CASE("a top-k and a unit that are not the model's are said", "[import][layers]") {
  const TempDir dir;
  write_file(dir / "a.npy", npy("(1, 1, 2)", {0, 1}));
  write_file(dir / "config.json", R"({"model_type": "deepseek_v4", "num_hidden_layers": 2, "compress_ratios": [0, 4],
                                      "index_topk": 512})");
  ImportOptions options;
  options.prompt_tokens = 9;
  options.layer_map = (dir / "config.json").string();
  const std::vector<std::filesystem::path> inputs{dir / "a.npy"};
  const ImportedIds four = import_captures(inputs, dir / "out.dsat", options);
  REQUIRE(four.warnings.size() == 1);
  CHECK(dir.strip(four.warnings[0]) == "a.npy: rows have 2 ids, `layer_map` says a top-k of 512");
  CHECK(TraceReader(dir / "out.dsat").header().unit_tokens == 4);
  options.unit_tokens = 1;
  const ImportedIds one = import_captures(inputs, dir / "out.dsat", options);
  REQUIRE(one.warnings.size() == 2);
  CHECK(one.warnings[1] == "an id stands for 1 tokens, `layer_map` says 4");
  CHECK(TraceReader(dir / "out.dsat").header().unit_tokens == 1);
}
