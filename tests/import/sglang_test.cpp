#include "captures.hpp"
#include "catch.hpp"
#include "dsasim/trace/reader.hpp"
#include "reading.hpp"

#include <fmt/format.h>

using namespace dsasim;
using namespace captures;

using Values = std::vector<std::int64_t>;

namespace {

/// Two layers of three ids; prompt of 3, 3 completion tokens, hence 5 rows, of which the last two are decode steps.
/// The prompt's are zeros and stale numbers, as serving leaves them.
const Values five_rows{0,  0, 0, 0, 0, 0, 99, 98, 97, 96, 95, 94, 0, 0, 0,
                       -1, 7, 7, 3, 1, 0, 2,  -1, -1, 4,  0,  2,  3, 1, 4};
const Values two_steps{3, 1, 0, 2, -1, -1, 4, 0, 2, 3, 1, 4};
constexpr std::string_view counts = R"(, "prompt_tokens": 3, "completion_tokens": 3)";
constexpr std::string_view counts_and_layers =
    R"(, "prompt_tokens": 3, "completion_tokens": 3, "indexer_topk_num_layers": 2)";

ImportOptions shaped(std::optional<std::uint32_t> layers, std::optional<std::uint32_t> top_k,
                     std::optional<std::uint64_t> prompt = std::nullopt) {
  ImportOptions options;
  options.layers = layers;
  options.top_k = top_k;
  options.prompt_tokens = prompt;
  return options;
}

const CaptureShape shape{.steps = 2, .layers = 2, .top_k = 3, .prompt_tokens = 3, .has_scores = false, .first_row = 3};

std::string open_error(std::string_view text, const ImportOptions& options = {}) {
  const TempDir dir;
  write_file(dir / "r.json", text);
  return error_of(dir, [&] { read_requests(*captures::open("sglang", dir / "r.json", options)); });
}

}  // namespace

TEST_CASE("a response's decode rows are read, the prompt's dropped", "[import][sglang]") {
  const TempDir dir;
  const auto [meta, options] = GENERATE(table<std::string_view, ImportOptions>({
      {counts_and_layers, {}},  // the ids of a row from their number and the tokens
      {counts, shaped(2, std::nullopt)},
      {counts, shaped(std::nullopt, 3)},
      {counts, shaped(2, 3)},
      {R"(, "prompt_tokens": 3)", shaped(2, 3)},
      {R"(, "prompt_tokens": 3, "indexer_topk_num_layers": 2)", shaped(std::nullopt, 3)},
      {R"(, "completion_tokens": 3)", shaped(2, std::nullopt, 3)},
  }));
  CAPTURE(meta);
  write_file(dir / "r.json", sglang_response(five_rows, meta));
  Contents contents = read_all("sglang", dir / "r.json", options);
  CHECK(contents.ids == two_steps);
  contents.shape.prompt_tokens = 3;  // or --prompt-len says so
  CHECK(contents.shape == shape);
}

TEST_CASE("a model says which layers a response has", "[import][sglang]") {
  const TempDir dir;
  // Five rows of 6 ids: 2 layers of 3.
  const auto [model, meta, layers] = GENERATE(table<ModelShape, std::string_view, std::uint32_t>({
      {{.layers = 2, .indexer_layers = 2, .top_k = 3}, counts, 2},
      {{.layers = 2, .indexer_layers = 1, .top_k = 3}, counts, 2},  // layers that share an index repeat its row
      {{.layers = 7, .indexer_layers = 2, .top_k = 3}, counts, 2},  // only the layers that own one
      {{.layers = 4, .indexer_layers = 2, .top_k = std::nullopt}, counts, 2},
      {{.layers = 4, .indexer_layers = 2, .top_k = 3}, R"(, "prompt_tokens": 3)", 2},     // 12 do not divide 30, 6 do
      {{.layers = 4, .indexer_layers = 3, .top_k = std::nullopt}, counts_and_layers, 2},  // the response says so
  }));
  CAPTURE(model.layers, model.indexer_layers);
  ImportOptions options;
  options.model_shape = model;
  write_file(dir / "r.json", sglang_response(five_rows, meta));
  const Contents contents = read_all("sglang", dir / "r.json", options);
  CHECK(contents.shape.layers == layers);
  CHECK(contents.ids == two_steps);
}

TEST_CASE("a model that does not say which layers a response has is refused", "[import][sglang]") {
  const auto [model, meta, message] = GENERATE(table<ModelShape, std::string_view, std::string_view>({
      {{.layers = 6, .indexer_layers = 3, .top_k = std::nullopt},
       counts,
       "has 30 ids: 5 rows of 6 ids, which could be rows of the model's 6 layers and of its 3 with an index; give "
       "`layers` or `top_k`"},
      {{.layers = 7, .indexer_layers = 4, .top_k = std::nullopt},
       counts,
       "has 30 ids: 5 rows of 6 ids, which are no rows of the model's 7 layers nor of its 4 with an index; give "
       "`layers` or `top_k`"},
      {{.layers = 2, .indexer_layers = 1, .top_k = 3},
       R"(, "prompt_tokens": 3)",
       "has 30 ids, which could be rows of the model's 2 layers and of its 1 with an index, of 3 ids each; give "
       "`layers`"},
      {{.layers = 2, .indexer_layers = 1, .top_k = 4},
       counts,
       "has 30 ids: 5 rows of 6 ids, which are no rows of the model's 2 layers nor of its 1 with an index, of 4 ids "
       "each; give `layers` or `top_k`"},
  }));
  ImportOptions options;
  options.model_shape = model;
  CHECK(open_error(sglang_response(five_rows, meta), options) ==
        fmt::format("r.json: response 0, meta_info.indexer_topk: {}", message));
}

TEST_CASE("responses come as one object, a list, or lines; plain, in gzip or in zstd", "[import][sglang]") {
  const TempDir dir;
  const std::string first = sglang_response(five_rows, counts_and_layers);
  const std::string second = sglang_response({0, 0, 1, 0, 1, 2}, R"(, "completion_tokens": 3, "prompt_tokens": 1)"
                                                                 R"(, "indexer_topk_num_layers": 1)");
  const auto text = GENERATE_COPY(values<std::string>({
      first + "\n" + second + "\n",
      "[" + first + ", " + second + "]",
      "[" + first + "]\n[" + second + "]",
  }));
  const auto wrapped = GENERATE_COPY(values<std::string>({
      text,
      gzip(text),
      gzip(text.substr(0, 100)) + gzip(text.substr(100)),  // as `cat` of two makes it
      zstd(text),
      zstd(text.substr(0, 100)) + zstd(text.substr(100)),
  }));
  write_file(dir / "r", wrapped);
  const std::vector<Contents> contents = read_requests(*captures::open("sglang", dir / "r"));
  REQUIRE(contents.size() == 2);
  CHECK(contents[0].ids == two_steps);
  CHECK(contents[0].shape == shape);
  CHECK(contents[1].ids == Values{1, 0, 1, 2});
  CHECK(contents[1].shape.prompt_tokens == 1U);
}

TEST_CASE("the row at the stop's edge is dropped", "[import][sglang]") {
  const TempDir dir;
  Values six_rows = five_rows;
  six_rows.insert(six_rows.end(), {0, 0, 0, 0, 0, 0});  // or anything else
  write_file(dir / "r.json", sglang_response(six_rows, counts_and_layers));
  CHECK(read_all("sglang", dir / "r.json").ids == two_steps);
  CHECK(read_all("sglang", dir / "r.json").shape == shape);
}

TEST_CASE("a response whose prompt's rows were cut off is read", "[import][sglang]") {
  const TempDir dir;
  write_file(dir / "r.json", sglang_response(two_steps, counts_and_layers));
  const Contents contents = read_all("sglang", dir / "r.json", shaped(std::nullopt, 3));
  CHECK(contents.ids == two_steps);
  CHECK(contents.shape.first_row == 0);
}

TEST_CASE("long responses go through a buffer", "[import][sglang]") {
  const TempDir dir;
  const Values ids = iota(std::size_t{40} * 3 * 5000);
  write_file(dir / "r.json", sglang_response(ids, R"(, "prompt_tokens": 5, "completion_tokens": 36)"));
  const Contents contents = read_all("sglang", dir / "r.json", shaped(3, std::nullopt));
  CHECK(contents.shape.steps == 35);
  CHECK((contents.ids == Values(ids.begin() + 5 * 15000, ids.end())));
}

TEST_CASE("a response that cannot be read says why", "[import][sglang]") {
  const std::string good = sglang_response(five_rows, counts_and_layers);
  const auto [text, options, message] = GENERATE_COPY(table<std::string, ImportOptions, std::string>({
      {"", {}, "holds no response"},
      {"[]", {}, "holds no response"},
      {good.substr(0, 220),
       {},
       "line 1, byte 220: the text ends within meta_info.indexer_topk, which begins at byte 124"},
      {good.substr(0, good.size() - 1),
       {},
       fmt::format("line 1, byte {}: the text ends within a value", good.size() - 1)},
      {R"({"error": {"message": "no"}})",
       {},
       "line 1, byte 28: response 0 has no meta_info.indexer_topk; the server needs --enable-return-indexer-topk, the "
       "request \"return_indexer_topk\": true; `skip_bad` leaves out requests that cannot be used"},
      {good + "\n{}",
       {},
       fmt::format("line 2, byte {}: response 1 has no meta_info.indexer_topk; the server needs "
                   "--enable-return-indexer-topk, the request \"return_indexer_topk\": true; `skip_bad` leaves out "
                   "requests that cannot be used",
                   good.size() + 3)},
      {R"({"meta_info": {"indexer_topk": null}})",
       {},
       "line 1, byte 37: response 0 has no meta_info.indexer_topk; the server needs --enable-return-indexer-topk, the "
       "request \"return_indexer_topk\": true; `skip_bad` leaves out requests that cannot be used"},
      {R"({"meta_info": {"indexer_topk": "AAAAAAAA", "indexer_topk": "AAAA"}})",
       {},
       "line 1, byte 59: meta_info.indexer_topk is there twice"},
      {R"({"meta_info": {"indexer_topk": "AAAAA"}})",
       {},
       "response 0, meta_info.indexer_topk: has 5 characters of base64, which is no multiple of 4: it was cut off, or "
       "is "
       "no base64"},
      {R"({"meta_info": {"indexer_topk": "AAAAAAA="}})",
       {},
       "response 0, meta_info.indexer_topk: has 5 bytes, which are no int32: it was cut off"},
      {R"({"meta_info": {"prompt_tokens": -3}})",
       {},
       "line 1, byte 32: meta_info.prompt_tokens is -3, expected a whole number from 0"},
      {sglang_response(five_rows, counts),
       {},
       "response 0, meta_info.indexer_topk: does not say its shape: 5 rows of 6 ids; give `layers` or `top_k`"},
      {sglang_response(five_rows, ""),
       {},
       "response 0, meta_info.indexer_topk: does not say its shape; give `layers` or `top_k`"},
      {sglang_response(five_rows, ""), shaped(2, std::nullopt),
       "response 0, meta_info.indexer_topk: does not say its number of ids for each layer, nor prompt tokens to find "
       "it "
       "from; give `top_k`"},
      {sglang_response(five_rows, counts), shaped(4, std::nullopt),
       "response 0, meta_info.indexer_topk: has 30 ids; 3 prompt and 3 completion tokens make 5 rows, or one more, "
       "which divide into 4 layers in no way or in two; give `top_k`"},
      {sglang_response(Values(std::size_t{78} * 79 * 4), R"(, "prompt_tokens": 15, "completion_tokens": 64)"),
       shaped(std::nullopt, 4),
       "response 0, meta_info.indexer_topk: has 24648 ids; 15 prompt and 64 completion tokens make 78 rows, or one "
       "more, which divide into 4 ids for each layer in no way or in two; give `layers`"},
      {sglang_response(five_rows, R"(, "prompt_tokens": 0, "completion_tokens": 0)"), shaped(2, std::nullopt),
       "response 0, meta_info.indexer_topk: has 1 rows, 0 prompt and 0 completion tokens make 0"},
      {sglang_response(five_rows, counts), shaped(4, 2),
       "response 0, meta_info.indexer_topk: has 30 ids, which are no rows of 4 layers x 2 ids"},
      {sglang_response(five_rows, counts_and_layers), shaped(3, std::nullopt),
       "response 0, meta_info.indexer_topk: shape (5, 2, 3) has 2 layers, `layers` says 3"},
      {sglang_response(five_rows, ""), shaped(2, 3),
       "response 0, meta_info.indexer_topk: has no meta_info.prompt_tokens beside it; give `prompt_len`"},
      {sglang_response(five_rows, R"(, "prompt_tokens": 3, "completion_tokens": 9)"), shaped(2, 3),
       "response 0, meta_info.indexer_topk: has 5 rows, 3 prompt and 9 completion tokens make 11"},
      {sglang_response(five_rows, R"(, "prompt_tokens": 5, "completion_tokens": 1)"), shaped(2, 3),
       "response 0, meta_info.indexer_topk: has 5 rows for 5 prompt tokens, and no decode steps; `skip_bad` leaves out "
       "requests that cannot be used"},
      {gzip(good).substr(0, 60), {}, "the gzip stream is cut off after 60 bytes"},
      {zstd(good).substr(0, 60), {}, "the zstd stream is cut off after 60 bytes"},
  }));
  CHECK(open_error(text, options) == "r.json: " + message);
}

TEST_CASE("the chat endpoint has a response in each choice", "[import][sglang]") {
  const TempDir dir;
  const auto choice = [](const Values& ids) {
    const std::string response = sglang_response(ids, counts_and_layers);
    return fmt::format(R"({{"index": 0, "message": {{"content": "x"}}, {})",
                       response.substr(response.find("\"meta_info")));
  };
  const std::string text = fmt::format(R"({{"object": "chat.completion", "choices": [{}, {}], "usage": {{}}}})",
                                       choice(five_rows), choice(two_steps));
  write_file(dir / "r.json", text);
  const std::vector<Contents> contents = read_requests(*captures::open("sglang", dir / "r.json", shaped({}, 3)));
  REQUIRE(contents.size() == 2);
  CHECK(contents[0].ids == two_steps);
  CHECK(contents[0].shape == shape);
  CHECK(contents[1].ids == two_steps);
  // By its content, too.
  const std::vector<std::filesystem::path> inputs{dir / "r.json"};
  import_captures(inputs, dir / "out.dsat", shaped({}, 3));
  CHECK(TraceReader(dir / "out.dsat").header().provenance == "sglang: r.json");
  for (std::size_t at = 0; at < text.size(); ++at) {
    write_file(dir / "r.json", text.substr(0, at));
    CHECK_THROWS_AS(read_requests(*captures::open("sglang", dir / "r.json")), Error);
  }
  write_file(dir / "r.json", R"({"choices": [{"meta_info": {"id": "1", "indexer_topk": null, "prompt_tokens": 3}}]})");
  CHECK(error_of(dir, [&] {
          captures::open("sglang", dir / "r.json");
        }).starts_with("r.json: line 1, byte 83: response 0, choice 0 has no meta_info.indexer_topk; "));
}

TEST_CASE("damage within the base64 names its byte", "[import][sglang]") {
  std::string text = sglang_response(five_rows, counts_and_layers);
  const std::size_t begin = text.find(base64(integers(five_rows, 4)));
  text[begin + 130] = '*';
  CHECK(open_error(text) == fmt::format("r.json: response 0, meta_info.indexer_topk: '*' at byte {} of the text is no "
                                        "base64",
                                        begin + 130));
}

TEST_CASE("a damaged response is read or refused, never more", "[import][sglang]") {
  const TempDir dir;
  const std::string plain = sglang_response(five_rows, counts_and_layers);
  for (const std::string& good : {plain, gzip(plain), zstd(plain)}) {
    for (std::size_t at = 0; at < good.size(); ++at) {
      for (const unsigned flip : {1U, 4U, 0x80U}) {
        std::string bytes = good;
        bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ flip);
        write_file(dir / "r.json", bytes);
        CHECK(is_read_or_refused("sglang", dir / "r.json"));
      }
      write_file(dir / "r.json", good.substr(0, at));
      CHECK_THROWS_AS(read_requests(*captures::open("sglang", dir / "r.json")), Error);
    }
  }
}

namespace {

std::string encoded(const Values& ids) {
  return base64(integers(ids, 4));
}

/// The two requests of a file.
std::vector<Contents> read_sglang(const TempDir& dir, std::string_view text, const ImportOptions& options = {}) {
  write_file(dir / "r", text);
  return read_requests(*captures::open("sglang", dir / "r", options));
}

}  // namespace

TEST_CASE("an array may stand beside its shape and the position of its first row", "[import][sglang]") {
  const TempDir dir;
  const auto response = [](std::string_view array) {
    return fmt::format(R"({{"meta_info": {{"indexer_topk": {}, "prompt_tokens": 3, "completion_tokens": 3}}}})", array);
  };
  const std::string whole = encoded(five_rows);
  const std::string late = encoded(Values(five_rows.begin() + 6, five_rows.end()));
  const Contents contents =
      read_sglang(dir, response(fmt::format(R"({{"data": "{}", "shape": [5, 2, 3], "start": 0}})", whole))).front();
  CHECK(contents.ids == two_steps);
  CHECK(contents.shape == shape);
  // Without the first row, in any order of the keys, and with an indexer_topk of several.
  for (const char* text : {R"({{"start": 1, "shape": [4, 2, 3], "data": "{}"}})",
                           R"({{"shape": [4, 2, 3], "data": "{}", "start": 1, "dtype": "int32"}})"}) {
    const Contents without = read_sglang(dir, response(fmt::format(fmt::runtime(text), late))).front();
    CHECK(without.ids == two_steps);
    CHECK(without.shape.first_row == 2);
  }
  const auto error = [&](std::string_view array) { return open_error(response(array)); };
  const std::string prefix = "r.json: response 0, meta_info.indexer_topk: ";
  for (const char* wrong : {"5, 2, 4", "5, 6", "0, 2, 3", "-5, -2, 3", "5, 2, 3, 1", "2147483647, 2147483647, 3", ""}) {
    CHECK(error(fmt::format(R"({{"data": "{}", "shape": [{}]}})", whole, wrong)) ==
          fmt::format("{}has 30 ids, its shape is ({}), expected (rows, layers, top-k)", prefix, wrong));
  }
  CHECK(error(fmt::format(R"({{"data": "{}", "shape": [5, 2, 3], "start": 2}})", whole)) ==
        prefix + "has 5 rows, 3 prompt and 3 completion tokens make 3 from position 2 on");
  CHECK(error(R"({"shape": [5, 2, 3], "start": 1})").find("has no meta_info.indexer_topk") != std::string::npos);
  CHECK(error(R"({"data": 7})").ends_with("meta_info.indexer_topk.data is a number, expected a string"));
  CHECK(
      error(R"({"data": "AAAA", "shape": 5})").ends_with("meta_info.indexer_topk.shape is a number, expected a list"));
}

TEST_CASE("the chat endpoint may have arrays in sglext, and tokens in usage", "[import][sglang]") {
  const TempDir dir;
  const std::string ext =
      fmt::format(R"("sglext": {{"indexer_topk": "{}", "indexer_topk_num_layers": 2}})", encoded(five_rows));
  const std::string usage = R"("usage": {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6})";
  for (const std::string& text :
       {fmt::format(R"({{"choices": [{{"index": 0, "message": {{}}}}], {}, {}}})", usage, ext),
        fmt::format(
            R"({{{}, "choices": [{{"index": 0, "meta_info": {{"prompt_tokens": 3, "completion_tokens": 3}}}}]}})", ext),
        fmt::format(R"({{"choices": [{{"index": 0, {}}}], {}}})", ext, usage)}) {
    CAPTURE(text);
    const Contents contents = read_sglang(dir, text).front();
    CHECK(contents.ids == two_steps);
    CHECK(contents.shape == shape);
    const std::vector<std::filesystem::path> inputs{dir / "r"};
    import_captures(inputs, dir / "out.dsat", {});
    CHECK(TraceReader(dir / "out.dsat").header().provenance == "sglang: r");
  }
  CHECK(open_error(fmt::format(R"({{{}, "choices": [{{{}}}]}})", ext, ext))
            .ends_with("response 0 has indexer_topk of its own and in a choice"));
  CHECK(open_error(fmt::format(R"({{"choices": [{{{}}}]}})", ext)) ==
        "r.json: response 0, choice 0, sglext.indexer_topk: does not say its number of ids for each layer, nor prompt "
        "tokens to find it from; give `top_k`");
}

TEST_CASE("streams of server-sent events are responses", "[import][sglang]") {
  const TempDir dir;
  // /generate: each event says all so far, the last has the ids. Two streams, of which the second has no end.
  const auto event = [](const char* text, int completion, const std::string& more) {
    return fmt::format(
        "data: {{\"text\": \"{}\", \"meta_info\": {{\"prompt_tokens\": 3, \"completion_tokens\": {}{}}}}}\n\n", text,
        completion, more);
  };
  const std::string ids = fmt::format(R"(, "indexer_topk_num_layers": 2, "indexer_topk": "{}")", encoded(five_rows));
  const std::string stream = event("a", 1, R"(, "indexer_topk": null)") +
                             ": a comment\nid: 7\nevent: message\nretry: 5\n" + event("ab", 3, ids);
  const std::string done = "data: [DONE]\n\n";
  const std::vector<Contents> two = read_sglang(dir, stream + done + stream);
  REQUIRE(two.size() == 2);
  for (const Contents& contents : two) {
    CHECK(contents.ids == two_steps);
    CHECK(contents.shape == shape);
  }
  std::string windows = stream + done;
  for (std::size_t at = windows.find('\n'); at != std::string::npos; at = windows.find('\n', at + 2)) {
    windows.replace(at, 1, "\r\n");
  }
  CHECK(read_sglang(dir, windows).size() == 1);
  CHECK(read_sglang(dir, gzip(stream + done)).front().ids == two_steps);
  std::string tight = stream + done;
  for (std::size_t at = tight.find("data: "); at != std::string::npos; at = tight.find("data: ", at)) {
    tight.erase(at + 5, 1);
  }
  CHECK(read_sglang(dir, tight).front().ids == two_steps);

  // The chat endpoint: the ids in one event, usage in another; recognised, though the first event shows nothing.
  const std::string chat =
      "data: {\"object\": \"chat.completion.chunk\", \"choices\": [{\"index\": 0, \"delta\": {\"content\": "
      "\"a\"}}]}\n\n"
      "data: {\"choices\": [{\"index\": 0, \"delta\": {}, \"finish_reason\": \"stop\"}], \"sglext\": "
      "{\"indexer_topk\": \"" +
      encoded(five_rows) +
      "\", \"indexer_topk_num_layers\": 2}}\n\n"
      "data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 3, \"completion_tokens\": 3}}\n\n" +
      done;
  CHECK(read_sglang(dir, chat).front().ids == two_steps);
  const std::vector<std::filesystem::path> inputs{dir / "r"};
  import_captures(inputs, dir / "out.dsat", {});
  CHECK(TraceReader(dir / "out.dsat").header().provenance == "sglang: r");
}

TEST_CASE("a stream of events that is none says why", "[import][sglang]") {
  const TempDir dir;
  const std::string ids = fmt::format(
      "data: {{\"meta_info\": {{\"indexer_topk\": \"{}\", \"prompt_tokens\": 3, \"completion_tokens\": 3, "
      "\"indexer_topk_num_layers\": 2}}}}\n",
      encoded(five_rows));
  CHECK(open_error("data: {\"meta_info\": {}}\n{\"meta_info\": {}}\n") ==
        "r.json: line 2: starts with \"{\"meta_i\", expected one of server-sent events: data:, event:, id:, retry:");
  CHECK(open_error(ids + ids).find("meta_info.indexer_topk is in two events of response 0") != std::string::npos);
  CHECK(open_error("data: [DONE]\n").find("response 0 has no meta_info.indexer_topk") != std::string::npos);
  CHECK(open_error("data: {\"meta_info\"").find("line 1, byte 18: the text ends within") != std::string::npos);
  // An error after the events names its line in the file.
  CHECK(open_error("data: {\"meta_info\": {}}\n\ndata: {\"meta_info\": 7,}\n").starts_with("r.json: line 3, byte "));
  // A request that was aborted is left out, and counted.
  ImportOptions skip;
  skip.skip_bad = true;
  const std::string aborted =
      "data: {\"meta_info\": {\"finish_reason\": {\"type\": \"abort\"}, \"completion_tokens\": 0}}\ndata: [DONE]\n";
  write_file(dir / "r.json", aborted + ids + "data: [DONE]\n" + aborted);
  const auto file = captures::open("sglang", dir / "r.json", skip);
  CHECK(file->requests().size() == 1);
  REQUIRE(file->notes().size() == 3);
  CHECK(dir.strip(file->notes()[0]) == "r.json: 2 of 3 requests are left out:");
  CHECK(file->notes()[1].find("response 0 was aborted") != std::string::npos);
  CHECK(file->notes()[2].find("response 2 was aborted") != std::string::npos);
  CHECK(read_requests(*file).front().ids == two_steps);
  write_file(dir / "r.json", "data: {\"choices\": [{\"indexer_topk\": \"AAAA\"}]}\n");
  CHECK(error_of(dir, [&] { captures::open("vllm", dir / "r.json"); }) ==
        "r.json: holds server-sent events, which are read as SGLang sends them; expected responses");
  for (const std::string& good : {ids + "data: [DONE]\n"}) {
    for (std::size_t at = 0; at < good.size(); ++at) {
      for (const unsigned flip : {1U, 0x80U}) {
        std::string bytes = good;
        bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ flip);
        write_file(dir / "r.json", bytes);
        CHECK(is_read_or_refused("sglang", dir / "r.json"));
      }
    }
  }
}
