#include "captures.hpp"
#include "catch.hpp"
#include "dsasim/trace/reader.hpp"
#include "reading.hpp"

#include <fmt/format.h>

#include <algorithm>

using namespace dsasim;
using namespace captures;

namespace fs = std::filesystem;
using Values = std::vector<std::int64_t>;

namespace {

ImportOptions with_prompt(std::uint64_t tokens) {
  ImportOptions options;
  options.prompt_tokens = tokens;
  return options;
}

/// All of a request's ids, each selection followed by -1.
Values ids_of(const TraceReader& trace, std::uint32_t request) {
  Values out;
  RequestCursor cursor(trace, request, 0, trace.extent(request).steps);
  while (cursor.next()) {
    for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
      const SelectionView selection = cursor.selection(layer);
      for (std::uint32_t i = 0; i < selection.size; ++i) {
        out.push_back(value(selection.ids[i]));
      }
      out.push_back(-1);
    }
  }
  return out;
}

std::vector<fs::path> files_in(const TempDir& dir) {
  std::vector<fs::path> out;
  for (const fs::directory_entry& entry : fs::directory_iterator(dir.path())) {
    out.push_back(entry.path().filename());
  }
  std::sort(out.begin(), out.end());
  return out;
}

/// The message of importing these files of the directory to out.dsat.
std::string import_error(const TempDir& dir, const std::vector<std::string>& names, const ImportOptions& options) {
  std::vector<fs::path> inputs;
  for (const std::string& name : names) {
    inputs.push_back(dir / name);
  }
  return error_of(dir, [&] { import_captures(inputs, dir / "out.dsat", options); });
}

}  // namespace

TEST_CASE("captures become one batch in the order given", "[import]") {
  const TempDir dir;
  write_zip(dir / "req_0.npz", {{"topk_indices.npy", npy("(2, 2, 3)", {5, 0, 3, 1, -1, -1, 2, 4, 6, -1, -1, -1})},
                                {"prompt_len.npy", scalar(7)}});
  write_zip(dir / "req_1.npz", {{"topk_indices.npy", npy("(1, 2, 2)", {1, 0, 2, -7})}, {"prompt_len.npy", scalar(9)}});
  const std::vector<fs::path> inputs{dir / "req_1.npz", dir / "req_0.npz"};
  std::vector<std::pair<std::uint64_t, std::uint64_t>> progress;
  import_captures(inputs, dir / "out.dsat", {},
                  [&](std::uint64_t done, std::uint64_t total) { progress.emplace_back(done, total); });
  const TraceReader trace(dir / "out.dsat");
  const TraceHeader& header = trace.header();
  CHECK(header.provenance == "npz: req_1.npz, req_0.npz");
  CHECK(header.ids == IdKind::logical);
  CHECK(header.unit_tokens == 1);
  CHECK_FALSE(header.has_scores);
  REQUIRE(header.layers.size() == 2);
  CHECK(header.layers[1].model_layer == 1);
  CHECK(header.layers[1].group_size == 1);
  REQUIRE(header.requests.size() == 2);
  CHECK(header.requests[0].prompt_tokens == 9);
  CHECK(header.requests[1].prompt_tokens == 7);
  CHECK(ids_of(trace, 0) == Values{1, 0, -1, 2, -1});
  CHECK(ids_of(trace, 1) == Values{5, 0, 3, -1, 1, -1, 2, 4, 6, -1, -1});
  CHECK(progress == std::vector<std::pair<std::uint64_t, std::uint64_t>>{{1, 3}, {2, 3}, {3, 3}});
}

TEST_CASE("an import may take no more than the first steps of each capture", "[import]") {
  const TempDir dir;
  write_zip(dir / "long.npz",
            {{"topk_indices.npy", npy("(3, 1, 2)", {5, 0, 2, 4, 3, 1})}, {"prompt_len.npy", scalar(7)}});
  write_zip(dir / "short.npz", {{"topk_indices.npy", npy("(1, 1, 1)", {1})}, {"prompt_len.npy", scalar(7)}});
  const std::vector<fs::path> inputs{dir / "long.npz", dir / "short.npz"};
  ImportOptions options;
  options.steps = 2;
  std::uint64_t last_total = 0;
  import_captures(inputs, dir / "out.dsat", options, [&](std::uint64_t, std::uint64_t total) { last_total = total; });
  const TraceReader trace(dir / "out.dsat");
  CHECK(ids_of(trace, 0) == Values{5, 0, -1, 2, 4, -1});
  CHECK(ids_of(trace, 1) == Values{1, -1});
  CHECK(last_total == 3);
  options.steps = 0;
  CHECK(import_error(dir, {"long.npz"}, options) == "`steps`: is 0, expected at least 1");
}

TEST_CASE("scores follow their ids into the trace", "[import]") {
  const TempDir dir;
  // A padded id's score is not a number in some captures, and nobody's.
  write_zip(dir / "r.npz", {{"topk_indices.npy", npy("(1, 1, 3)", {2, 0, -1})},
                            {"topk_scores.npy", halves("(1, 1, 3)", {0x4000, 0xfc00, 0x7e00})}});
  const std::vector<fs::path> inputs{dir / "r.npz"};
  import_captures(inputs, dir / "out.dsat", with_prompt(5));
  const TraceReader trace(dir / "out.dsat");
  CHECK(trace.header().has_scores);
  RequestCursor cursor(trace, 0, 0, 1);
  REQUIRE(cursor.next());
  const SelectionView selection = cursor.selection(0);
  REQUIRE(selection.size == 2);
  REQUIRE(selection.scores != nullptr);
  CHECK(selection.scores[0] == 0x4000);
  CHECK(selection.scores[1] == 0xfc00);
}

TEST_CASE("what the options say stands in the header", "[import]") {
  const TempDir dir;
  write_file(dir / "a.npy", npy("(1, 1, 2)", {1, 0}));
  ImportOptions options = with_prompt(11);
  options.ids = IdClaim::physical;
  options.unit_tokens = 4;
  options.page_tokens = 64;
  options.entry_bytes = 656;
  options.model = "gpt-oss-120b";  // has no indexer, hence no layers to collapse
  options.provenance = "p";
  const std::vector<fs::path> inputs{dir / "a.npy"};
  import_captures(inputs, dir / "out.dsat", options);
  const TraceReader trace(dir / "out.dsat");
  CHECK(trace.header().ids == IdKind::physical);
  CHECK(trace.header().unit_tokens == 4);
  CHECK(trace.header().page_tokens == 64);
  CHECK(trace.header().entry_bytes == 656);
  CHECK(trace.header().model == "gpt-oss-120b");
  CHECK(trace.header().provenance == "p");
}

TEST_CASE("a model says what the capture and the options do not", "[import]") {
  const TempDir dir;
  // DeepSeek-V4-Flash: 43 layers, of which 2, 4, ... 42 own an indexer; rows of 512 entries of 4 tokens, 584 bytes
  // each.
  const std::vector<std::int64_t> row = iota(512);
  std::vector<std::int64_t> ids;
  for (int layer = 0; layer < 21; ++layer) {
    ids.insert(ids.end(), row.begin(), row.end());
  }
  write_file(dir / "a.json", sglang_response(ids, R"(, "prompt_tokens": 2048, "completion_tokens": 2)"));
  const std::vector<fs::path> inputs{dir / "a.json"};
  ImportOptions options;
  options.model = "deepseek-v4-flash";
  import_captures(inputs, dir / "out.dsat", options);
  const TraceReader trace(dir / "out.dsat");
  CHECK(trace.header().model == "deepseek-v4-flash");
  CHECK(trace.header().unit_tokens == 4);
  CHECK(trace.header().entry_bytes == 584);
  CHECK(trace.longest_selection() == 512);
  REQUIRE(trace.layer_count() == 21);
  CHECK((trace.header().layers[1] == LayerInfo{.model_layer = 4, .group_size = 1}));

  options.entry_bytes = 1024;
  options.unit_tokens = 2;
  import_captures(inputs, dir / "out.dsat", options);
  CHECK(TraceReader(dir / "out.dsat").header().entry_bytes == 1024);
  CHECK(TraceReader(dir / "out.dsat").header().unit_tokens == 2);
  options.model = "glm-5.1";
  CHECK(error_of(dir, [&] { import_captures(inputs, dir / "out.dsat", options); }) ==
        "a.json: response 0, meta_info.indexer_topk: has 10752 ids, which are no rows of the model's 78 layers nor of "
        "its 78 with an index, of 2048 ids each; give `layers` or `top_k`");
}

TEST_CASE("the origin of a mixed batch names each format once", "[import]") {
  const TempDir dir;
  write_file(dir / "a.npy", npy("(1, 1, 2)", {1, 0}));
  write_zip(dir / "b.npz", {{"x.npy", npy("(1, 1, 2)", {1, 0})}});
  std::vector<fs::path> inputs{dir / "a.npy", dir / "b.npz", dir / "b.npz"};
  import_captures(inputs, dir / "out.dsat", with_prompt(5));
  CHECK(TraceReader(dir / "out.dsat").header().provenance == "npy: a.npy; npz: b.npz, b.npz");
  inputs.resize(18, dir / "b.npz");
  import_captures(inputs, dir / "out.dsat", with_prompt(5));
  CHECK(TraceReader(dir / "out.dsat").header().provenance.ends_with("b.npz, b.npz and 2 more"));
}

TEST_CASE("an import that fails names the file and leaves the output as it was", "[import]") {
  const TempDir dir;
  write_zip(dir / "good.npz", {{"topk_indices.npy", npy("(1, 1, 2)", {1, 0})}, {"prompt_len.npy", scalar(5)}});
  write_zip(dir / "wide.npz", {{"topk_indices.npy", npy("(1, 2, 2)", iota(4))}, {"prompt_len.npy", scalar(5)}});
  write_zip(dir / "scored.npz", {{"topk_indices.npy", npy("(1, 1, 2)", {1, 0})},
                                 {"topk_scores.npy", halves("(1, 1, 2)", {0x3c00, 0x7c01})},
                                 {"prompt_len.npy", scalar(5)}});
  write_file(dir / "gap.npy", npy("(2, 2, 3)", {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, -1, 2}));  // which is padding
  write_file(dir / "large.npy", npy_around(dictionary("<u4", "(1, 1, 2)"), integers({0, 2147483648}, 4)));
  write_file(dir / "ahead.npy", npy("(2, 1, 2)", {5, 0, 7, 1}));
  write_file(dir / "twice.npy", npy("(1, 1, 3)", {1, 2, 1}));
  write_file(dir / "text.csv", "a,b\n");
  write_file(dir / "empty", "");
  ImportOptions foreign;
  foreign.format = "vcr";
  ImportOptions as_npz;
  as_npz.format = "npz";
  ImportOptions no_layers;
  no_layers.layers = 0;
  using Names = std::vector<std::string>;
  const auto [names, options, message] = GENERATE_COPY(table<Names, ImportOptions, std::string>({
      {{}, {}, "import: no input files"},
      {{"good.npz"},
       foreign,
       "`from`: unknown format \"vcr\"; known: auto, npz, npy, safetensors, sgltopk, sglang, "
       "vllm, jsonl, qsa, csv"},
      {{"good.npz"}, no_layers, "`layers`: is 0, expected at least 1"},
      {{"none.npz"}, {}, "none.npz: cannot open: No such file or directory"},
      {{"text.csv"},
       {},
       "text.csv: starts with \"a,b\\x0a\", which no known format does; give `from`, one of npz, npy, safetensors, "
       "sgltopk, sglang, vllm, "
       "jsonl, qsa, csv"},
      {{"empty"},
       {},
       "empty: is empty, which no known format does; give `from`, one of npz, npy, safetensors, sgltopk, sglang, "
       "vllm, jsonl, qsa, csv"},
      {{"gap.npy"}, as_npz, "gap.npy: starts with \"\\x93NUMPY\\x01\\x00\", expected a zip file (\"PK\\x03\\x04\")"},
      {{"good.npz", "wide.npz"}, {}, "wide.npz: has 2 layers, good.npz has 1; a batch has one model"},
      {{"good.npz", "scored.npz"},
       {},
       "scored.npz: has scores, good.npz has none; all requests of a batch have them, or none"},
      {{"scored.npz", "good.npz"},
       {},
       "good.npz: has no scores, scored.npz has some; all requests of a batch have them, or none"},
      {{"good.npz"}, with_prompt(6), "good.npz: its prompt length is 5, `prompt_len` says 6"},
      {{"gap.npy"}, {}, "gap.npy: does not say how long the prompt is; give `prompt_len`"},
      {{"gap.npy"},
       with_prompt(std::uint64_t{1} << 63U),
       "gap.npy: a prompt of 9223372036854775808 tokens and 2 steps have more entries than ids can name, 2147483648"},
      {{"good.npz", "scored.npz"},
       {},
       "scored.npz: has scores, good.npz has none; all requests of a batch have them, or "
       "none"},
      {{"good.npz", "large.npy"},
       with_prompt(5),
       "large.npy: step 0, layer 0, column 1: id 2147483648 is not below 2147483648"},
      {{"good.npz", "ahead.npy"}, with_prompt(5), "ahead.npy: request 1, step 1, layer 0: id 7 "},
      {{"twice.npy"}, with_prompt(5), "twice.npy: request 0, step 0, layer 0: id 1 "},
  }));
  CAPTURE(names);
  const bool existing = GENERATE(false, true);
  if (existing) {
    write_file(dir / "out.dsat", "a trace");
  }
  const std::vector<fs::path> before = files_in(dir);
  const std::string found = import_error(dir, names, options);
  // The last words on ids outside the context or named twice are the writer's.
  CHECK((message.ends_with(' ') ? found.substr(0, message.size()) : found) == message);
  CHECK(files_in(dir) == before);
  if (existing) {
    CHECK(read_file(dir / "out.dsat") == "a trace");
  }
}

TEST_CASE("auto recognises every format by its content", "[import]") {
  const TempDir dir;
  const std::string row = R"({"layer_id": 0, "step_idx": 0, "request_id": 1, "seq_len_current": 6, )"
                          R"("selected_token_pos": [1, 0]})";
  const std::string sglang = sglang_response({1, 0}, R"(, "prompt_tokens": 5, "completion_tokens": 2)");
  const std::string vllm = vllm_response({vllm_choice(npy("(6, 1, 2)", {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0}))},
                                         R"("prompt_tokens": 5, "completion_tokens": 2)");
  const auto [format, text] = GENERATE_COPY(table<std::string, std::string>({
      {"npy", npy("(1, 1, 2)", {1, 0})},
      {"sglang", sglang},
      {"sglang", "\n [" + sglang + "]"},
      {"sglang", gzip(sglang)},
      {"sglang", zstd(sglang)},
      {"sglang", R"({"text": ")" + std::string(100000, '.') + R"(", )" + sglang.substr(1)},
      {"vllm", vllm},
      {"vllm", gzip("[" + vllm + "]")},
      {"jsonl", row},
      {"jsonl", zstd(row)},
      {"csv", "request,step,layer,id\na,0,0,1\na,0,0,0\n"},
      {"csv", gzip("request,step,layer,id\na,0,0,1\na,0,0,0\n")},
  }));
  CAPTURE(format);
  write_file(dir / "capture", text);
  ImportOptions options = with_prompt(5);
  options.layers = format == "sglang" ? std::optional<std::uint32_t>(1) : std::nullopt;
  options.top_k = format == "sglang" ? std::optional<std::uint32_t>(2) : std::nullopt;
  const std::vector<fs::path> inputs{dir / "capture"};
  import_captures(inputs, dir / "out.dsat", options);
  const TraceReader trace(dir / "out.dsat");
  CHECK(trace.header().provenance == format + ": capture");
  CHECK(ids_of(trace, 0) == Values{1, 0, -1});
}

TEST_CASE("what no format recognises is refused", "[import]") {
  const TempDir dir;
  const auto text = GENERATE(values<std::string>(
      {"7", "{}", "[]", R"({"text": {"meta_info": 1}})", R"([{"a": 1}, {"meta_info": 1}])", "step,layer,id\n"}));
  write_file(dir / "a", text);
  CHECK(import_error(dir, {"a"}, {}).find("which no known format does; give `from`, one of npz, npy, safetensors") !=
        std::string::npos);
}

TEST_CASE("requests of one file are numbered from the batch's", "[import]") {
  const TempDir dir;
  write_file(dir / "a.npy", npy("(1, 1, 2)", {1, 0}));
  const auto two = [&](std::string_view second_id) {
    return fmt::format("request,step,layer,id\na,0,0,1\nb,0,0,2\nb,1,0,{}\na,1,0,0\na,2,0,3\n", second_id);
  };
  write_file(dir / "b.csv", two("4"));
  const std::vector<fs::path> inputs{dir / "a.npy", dir / "b.csv"};
  import_captures(inputs, dir / "out.dsat", with_prompt(5));
  const TraceReader trace(dir / "out.dsat");
  REQUIRE(trace.request_count() == 3);
  CHECK(ids_of(trace, 1) == Values{1, -1, 0, -1, 3, -1});
  CHECK(ids_of(trace, 2) == Values{2, -1, 4, -1});
  write_file(dir / "b.csv", two("7"));
  CHECK(import_error(dir, {"a.npy", "b.csv"}, with_prompt(5)).starts_with("b.csv: request 2, step 1, layer 0: id 7 "));
  ImportOptions no_prompt;
  CHECK(import_error(dir, {"b.csv"}, no_prompt) ==
        "b.csv: request 0: does not say how long the prompt is; give `prompt_len`");
}

TEST_CASE("entries of four tokens can be selected from their first token on", "[import]") {
  // A prompt of 6 tokens is one entry and a part of the second, which is whole at position 7, step 1's own.
  const TempDir dir;
  write_file(dir / "a.npy", npy("(2, 1, 2)", {0, -1, 1, 0}));
  ImportOptions options = with_prompt(6);
  options.unit_tokens = 4;
  const std::vector<fs::path> inputs{dir / "a.npy"};
  import_captures(inputs, dir / "out.dsat", options);
  CHECK(ids_of(TraceReader(dir / "out.dsat"), 0) == Values{0, -1, 1, 0, -1});
  write_file(dir / "a.npy", npy("(2, 1, 2)", {2, -1, 1, 0}));
  CHECK(import_error(dir, {"a.npy"}, options)
            .starts_with("a.npy: request 0, step 0, layer 0: id 2 lies outside the "
                         "context of 2 entries"));
}

TEST_CASE("the output replaces a trace, and nothing else", "[import]") {
  const TempDir dir;
  write_file(dir / "a.npy", npy("(1, 1, 2)", {1, 0}));
  const std::vector<fs::path> inputs{dir / "a.npy"};
  const auto to = [&](const fs::path& output) {
    return error_of(dir, [&] { import_captures(inputs, output, with_prompt(5)); });
  };
  CHECK(to(dir / "a.npy") == "a.npy: is an input and the output");
  CHECK(to(dir / "none/out.dsat") ==
        dir.strip(fmt::format("none/out.dsat: the directory {} does not exist", (dir / "none").string())));
  fs::create_directory(dir / "d");
  CHECK(to(dir / "d") == "d: not a regular file");
  CHECK(to("/dev/null") == "/dev/null: not a regular file");
  CHECK(fs::is_character_file("/dev/null"));

  write_file(dir / "old.dsat", "old");
  fs::create_symlink(dir / "old.dsat", dir / "link.dsat");
  CHECK(to(dir / "link.dsat").empty());
  CHECK(fs::is_symlink(dir / "link.dsat"));
  CHECK(TraceReader(dir / "old.dsat").accesses() == 2);
  CHECK(files_in(dir) == std::vector<fs::path>{"a.npy", "d", "link.dsat", "old.dsat"});
}

TEST_CASE("every format is listed once, with a description", "[import]") {
  std::vector<std::string_view> names;
  for (const ImportFormat& format : import_formats()) {
    CHECK(std::find(names.begin(), names.end(), format.name) == names.end());
    CHECK_FALSE(format.description.empty());
    names.push_back(format.name);
  }
  CHECK(std::find(names.begin(), names.end(), "auto") == names.end());
}
