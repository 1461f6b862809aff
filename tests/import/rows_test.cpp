// The formats that name request, step and layer of each selection: jsonl and csv.
#include "captures.hpp"
#include "catch.hpp"
#include "dsasim/replay/replay.hpp"
#include "dsasim/trace/reader.hpp"
#include "import/float16.hpp"
#include "reading.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <random>

using namespace dsasim;
using namespace captures;

using Values = std::vector<std::int64_t>;

namespace {

std::string line(std::string_view request, int step, int layer, int context, const std::vector<int>& ids) {
  return fmt::format(R"({{"request_id": {}, "layer_id": {}, "step_idx": {}, "seq_len_current": {}, )"
                     R"("selected_token_pos": [{}]}})"
                     "\n",
                     request, layer, step, context, fmt::join(ids, ", "));
}

std::vector<Contents> read(std::string_view format, std::string_view text) {
  const TempDir dir;
  write_file(dir / "r", text);
  return read_requests(*captures::open(format, dir / "r"));
}

std::string error(std::string_view format, std::string_view text) {
  const TempDir dir;
  write_file(dir / "r", text);
  return error_of(dir, [&] { read_requests(*captures::open(format, dir / "r")); });
}

/// Two requests of layers 2 and 5, as a server that decodes both in one batch logs them.
std::vector<std::string> interleaved() {
  return {
      line(R"("a")", 0, 2, 4, {3, 1}), line("17", 3, 2, 9, {8}),       //
      line(R"("a")", 0, 5, 4, {0}),    line("17", 3, 5, 9, {1, 2}),    //
      line(R"("a")", 1, 2, 5, {4, 2}), line(R"("a")", 1, 5, 5, {}),    //
      line("17", 4, 2, 10, {9, 0}),    line("17", 4, 5, 10, {7, -1}),  //
      line(R"("a")", 2, 2, 6, {5}),    line(R"("a")", 2, 5, 6, {1, 3, 4}),
  };
}

void check_interleaved(const std::vector<Contents>& contents) {
  REQUIRE(contents.size() == 2);
  CHECK(contents[0].shape ==
        CaptureShape{.steps = 3,
                     .layers = 2,
                     .top_k = 3,
                     .prompt_tokens = 3,
                     .has_scores = false,
                     .first_row = 0,
                     .layer_infos = {{.model_layer = 2, .group_size = 1}, {.model_layer = 5, .group_size = 1}}});
  CHECK(contents[0].ids == Values{3, 1, -1, 0, -1, -1, 4, 2, -1, -1, -1, -1, 5, -1, -1, 1, 3, 4});
  CHECK(contents[1].shape.prompt_tokens == 8U);
  CHECK(contents[1].ids == Values{8, -1, -1, 1, 2, -1, 9, 0, -1, 7, -1, -1});
}

}  // namespace

TEST_CASE("selections of interleaved requests are put together", "[import][jsonl]") {
  check_interleaved(read("jsonl", fmt::format("{}", fmt::join(interleaved(), ""))));
  check_interleaved(read("jsonl", fmt::format("[{}]", fmt::join(interleaved(), ","))));
}

TEST_CASE("the order of the lines does not matter", "[import][jsonl]") {
  std::vector<std::string> lines = interleaved();
  std::mt19937 random(5);
  for (int i = 0; i < 50; ++i) {
    std::shuffle(lines.begin() + 1, lines.end(), random);  // the first stays, so that the requests keep their numbers
    check_interleaved(read("jsonl", fmt::format("{}", fmt::join(lines, ""))));
  }
}

TEST_CASE("lines name the model's layers", "[import][jsonl]") {
  const auto contents = read("jsonl", line("1", 0, 1, 1, {0}) + line("1", 0, 0, 1, {0}));
  CHECK(contents.at(0).shape.layer_infos ==
        std::vector<LayerInfo>{{.model_layer = 0, .group_size = 1}, {.model_layer = 1, .group_size = 1}});
  CHECK(contents.at(0).shape.prompt_tokens == 0U);
}

TEST_CASE("lines that make no request say why", "[import][jsonl]") {
  const std::string a = line("1", 0, 0, 5, {0});
  const auto [text, message] = GENERATE_COPY(table<std::string, std::string>({
      {"", "holds no selection"},
      {"{}", "line 1, byte 2: the object that ends here has no request_id"},
      {R"({"request_id": 1, "layer_id": 1, "step_idx": 0, "seq_len_current": 3})",
       "line 1, byte 69: the object that ends here has no selected_token_pos"},
      {R"({"request_id": null})", "line 1, byte 15: request_id is null, expected a string"},
      {R"({"request_id": ")" + std::string(300, 'x') + R"("})",
       "line 1, byte 317: request_id is longer than 256 bytes"},
      {R"({"layer_id": 1, "layer_id": 2})", "line 1, byte 28: layer_id is there twice"},
      {R"({"layer_id": 2147483648})", "line 1, byte 23: layer_id is 2147483648, expected a number below 2147483648"},
      {line("1", 0, 70000, 5, {0}), "line 1, byte 100: layer 70000 is not below 65536"},
      {R"({"selected_token_pos": 4})", "line 1, byte 23: selected_token_pos is a number, expected a list"},
      {line("1", 0, 0, 0, {0}), "line 1, byte 96: the context is 0 at step 0, expected at least 1"},
      {a + line("1", 1, 0, 4, {0}),
       "line 2, byte 193: the context of request 1 at step 1 is 4, from its first row follows 6"},
      {a + line("1", 2, 0, 7, {0}), "request 1 has 2 rows of layer 0, expected one for each step from 0 to 2"},
      {a + line("2", 0, 1, 5, {0}), "request 1 has 0 rows of layer 1, expected one for each step from 0 to 0"},
      {a + a, "request 1 has 2 rows of layer 0, expected one for each step from 0 to 0"},
      {a + a + line("1", 2, 0, 7, {0}),
       "line 2, byte 193: request 1 has layer 0 at step 0 twice; where steps have several queries, as multi-token "
       "prediction makes them, each row says its `query` and how many are `accepted`"},
      {a.substr(0, 60), "line 1, byte 60: the text ends within a string, which begins at byte 48"},
  }));
  CAPTURE(text);
  CHECK(error("jsonl", text) == "r: " + message);
}

TEST_CASE("a csv file has one line for each id", "[import][csv]") {
  const std::string text =
      "request,step,layer,id\n"
      "a,0,0,5\n"
      "a,0,0,3\n"
      "a,0,1,\n"
      "b,7,1,2\r\n"
      "b,7,0,4\n"
      "a,1,0,1\n"
      "a,1,1,0\n";
  const auto contents = read("csv", text);
  REQUIRE(contents.size() == 2);
  CHECK(contents[0].shape ==
        CaptureShape{.steps = 2, .layers = 2, .top_k = 2, .prompt_tokens = {}, .has_scores = false});
  CHECK(contents[0].ids == Values{5, 3, -1, -1, 1, -1, 0, -1});
  CHECK(contents[1].ids == Values{4, -1, 2, -1});
  CHECK(contents[1].shape.start_step == 7);
}

TEST_CASE("a csv file may have scores", "[import][csv]") {
  const auto contents = read("csv",
                             "request,step,layer,id,score\n"
                             "0,0,0,5,1\n"
                             "0,0,0,3,-0.5\n"
                             "0,0,1,2,1e-7\n");
  REQUIRE(contents.size() == 1);
  CHECK(contents[0].shape.has_scores);
  CHECK(contents[0].ids == Values{5, 3, 2, -1});
  CHECK(contents[0].scores == std::vector<std::uint16_t>{0x3c00, 0xb800, 0x0002, 0});
}

TEST_CASE("a csv file that is none says why", "[import][csv]") {
  const std::string header = "request,step,layer,id\n";
  const std::string expected =
      "expected a header of the columns request, step, layer, id and, if there is one, score, or query and accepted, "
      "in any order and divided "
      "by commas";
  const std::string whole = "a whole file ends with a line end";
  const auto [text, message] = GENERATE_COPY(table<std::string, std::string>({
      {"", "line 1: is missing, " + expected},
      {"# nothing\n", "line 2: is missing, " + expected},
      {"step,id\n", "line 1: found \"step,id\", " + expected},
      {"request,step,layer,id,id\n", "line 1: found \"request,step,layer,id,id\", " + expected},
      {"request;step;layer;id\n", "line 1: found \"request;step;layer;id\", " + expected},
      {"request,step,layer,id", "line 1: the file ends within \"request,step,layer,id\" and may be cut off; " + whole},
      {header, "holds no selection"},
      {header + "a,0,0\n", "line 2: found \"a,0,0\", expected 4 columns: request,step,layer,id"},
      {header + "a,0,0,1,5\n", "line 2: found \"a,0,0,1,5\", expected 4 columns: request,step,layer,id"},
      {header + "a,0,x,1\n", "line 2: layer is \"x\", expected a whole number below 2147483648"},
      {header + "a,0,0,-1\n", "line 2: id is \"-1\", expected a whole number below 2147483648"},
      {header + "a,0,0,2147483648\n", "line 2: id is \"2147483648\", expected a whole number below 2147483648"},
      {header + "a,0,0,3\na,0,0,1", "line 3: the file ends within \"a,0,0,1\" and may be cut off; " + whole},
      {header + "a,0,0,1\na,0,1,1\na,0,0,2\na,2,0,1\na,1,1,1\na,2,1,1\n",
       "line 4: request a has layer 0 at step 0 twice; where steps have several queries, as multi-token prediction "
       "makes "
       "them, each row says its `query` and how many are `accepted`"},
      {header + std::string(5000, 'a'), "line 2: is longer than 4096 bytes"},
      {"request,step,layer,id,score\na,0,0,1,high\n", "line 2: score is \"high\", expected a number"},
      {"request,step,layer,id,score\na,0,0,1\n",
       "line 2: found \"a,0,0,1\", expected 5 columns: request,step,layer,id,score"},
  }));
  CHECK(error("csv", text) == "r: " + message);
}

TEST_CASE("the columns of a csv file are known by their names", "[import][csv]") {
  const std::string plain = "request,step,layer,id\na,0,0,7\na,0,0,2\na,0,1,5\n";
  const auto text = GENERATE_COPY(values<std::string>({
      "\xef\xbb\xbf" + plain,
      gzip("\xef\xbb\xbf" + plain),
      plain + "\n",
      "\n# by hand\n" + plain,
      ",request,step,layer,id\n0,a,0,0,7\n1,a,0,0,2\n2,a,0,1,5\n",
      "step,request,layer,id\n0,a,0,7\n0,a,0,2\n0,a,1,5\n",
      "id,rank,layer,step,request\r\n7,3,0,0,a\r\n2,3,0,0,a\r\n5,3,1,0,a\r\n",
  }));
  const auto contents = read("csv", text);
  REQUIRE(contents.size() == 1);
  CHECK(contents[0].ids == Values{7, 2, 5, -1});
  // By the content, too.
  const TempDir dir;
  write_file(dir / "r", text);
  ImportOptions options;
  options.prompt_tokens = 10;
  const std::vector<std::filesystem::path> inputs{dir / "r"};
  import_captures(inputs, dir / "out.dsat", options);
  CHECK(TraceReader(dir / "out.dsat").header().provenance == "csv: r");
}

TEST_CASE("a csv file that was cut anywhere is refused or ends with a line", "[import][csv]") {
  const std::string text = "request,step,layer,id\na,0,0,31\na,0,0,2\na,1,0,15\n";
  for (std::size_t size = 0; size < text.size(); ++size) {
    const std::string message = error("csv", text.substr(0, size));
    CHECK(message.empty() == (size > 22 && text[size - 1] == '\n'));
  }
}

TEST_CASE("the options check what rows say", "[import][csv][jsonl]") {
  const TempDir dir;
  write_file(dir / "csv", "request,step,layer,id\na,0,0,3\na,0,0,4\n");
  write_file(dir / "jsonl", line("1", 0, 0, 5, {3, 4}));
  const std::string format = GENERATE("csv", "jsonl");
  const auto message = [&](std::optional<std::uint32_t> layers, std::optional<std::uint32_t> top_k) {
    ImportOptions options;
    options.layers = layers;
    options.top_k = top_k;
    return error_of(dir, [&] { captures::open(format, dir / format, options); });
  };
  CHECK(message(1, 2).empty());
  CHECK(message({}, 9).empty());  // a short context
  CHECK(message(2, {}) == format + ": has rows of 1 layers, `layers` says 2");
  CHECK(message({}, 1) == format + ": has a selection of 2 ids, `top_k` says 1");
}

TEST_CASE("objects may have scores, all or none", "[import][jsonl]") {
  const auto with = [](int layer, std::string_view ids, std::string_view more) {
    return fmt::format(R"({{"request_id": 1, "layer_id": {}, "step_idx": 0, "seq_len_current": 9, )"
                       R"("selected_token_pos": [{}]{}}})"
                       "\n",
                       layer, ids, more);
  };
  const auto contents =
      read("jsonl", with(0, "3, 1", R"(, "scores": [ 1.0, -5e-1])") + with(1, "2", R"(, "scores": [0])"));
  CHECK(contents.at(0).shape.has_scores);
  CHECK(contents[0].ids == Values{3, 1, 2, -1});
  CHECK(contents[0].scores == std::vector<std::uint16_t>{0x3c00, 0xb800, 0, 0});
  CHECK(read("jsonl", with(0, "", R"(, "scores": [])")).at(0).shape.has_scores);
  const auto [text, message] = GENERATE_COPY(table<std::string, std::string>({
      {with(0, "3, 1", R"(, "scores": [1.0])"),
       "line 1, byte 116: the object that ends here has 1 scores of 2 positions"},
      {with(0, "3", R"(, "scores": [1])") + with(1, "3", ""),
       "line 2, byte 208: the object that ends here has no scores"},
      {with(0, "3", "") + with(1, "3", R"(, "scores": [1])"),
       "line 2, byte 208: the object that ends here has scores, those before it have none"},
      {with(0, "3", R"(, "scores": ["1"])"), "line 1, byte 108: expected a number, found '\"'"},
      {with(0, "3", R"(, "scores": [1,])"), "line 1, byte 110: expected a number, found ']'"},
      {with(0, "3", R"(, "scores": 1)"), "line 1, byte 107: scores is a number, expected a list"},
  }));
  CAPTURE(text);
  CHECK(error("jsonl", text) == "r: " + message);
}

namespace {

struct Row {
  const char* request;
  int step, layer, context;
  std::vector<int> ids;
};

/// Two requests of one batch, of which the second begins at step 5.
const std::vector<Row>& joining() {
  static const std::vector<Row> rows{
      {"r0", 0, 0, 11, {6, 3, 1, 9, 2, 10}},    {"r0", 0, 2, 11, {6, 9, 3, 8, 5, 0}},
      {"r0", 1, 0, 12, {1, 10, 6, 11, 0, 3}},   {"r0", 1, 2, 12, {7, 10, 2, 0, 9, 6}},
      {"r0", 2, 0, 13, {11, 9, 5, 10, 2, 4}},   {"r0", 2, 2, 13, {12, 10, 4, 6, 7, 11}},
      {"r0", 3, 0, 14, {0, 5, 7, 12, 11, 2}},   {"r0", 3, 2, 14, {6, 12, 1, 10, 2, 9}},
      {"r0", 4, 0, 15, {3, 13, 11, 8, 6, 12}},  {"r0", 4, 2, 15, {10, 2, 0, 1, 9, 11}},
      {"r2", 5, 0, 5, {4, 1, 0, 3, 2}},         {"r2", 5, 2, 5, {4, 1, 2, 3, 0}},
      {"r0", 5, 0, 16, {12, 0, 5, 11, 4, 3}},   {"r0", 5, 2, 16, {11, 12, 14, 2, 7, 6}},
      {"r0", 6, 0, 17, {2, 4, 8, 11, 0, 6}},    {"r0", 6, 2, 17, {2, 15, 9, 7, 11, 6}},
      {"r2", 6, 0, 6, {2, 1, 3, 5, 4, 0}},      {"r2", 6, 2, 6, {5, 4, 0, 1, 3, 2}},
      {"r2", 7, 0, 7, {5, 4, 1, 6, 2, 0}},      {"r2", 7, 2, 7, {2, 0, 4, 3, 6, 5}},
      {"r0", 7, 0, 18, {7, 12, 9, 10, 8, 15}},  {"r0", 7, 2, 18, {7, 4, 13, 3, 10, 1}},
      {"r0", 8, 0, 19, {6, 15, 4, 0, 13, 18}},  {"r0", 8, 2, 19, {2, 6, 8, 17, 12, 4}},
      {"r2", 8, 0, 8, {7, 0, 3, 1, 4, 2}},      {"r2", 8, 2, 8, {7, 1, 2, 0, 4, 6}},
      {"r0", 9, 0, 20, {15, 3, 18, 17, 11, 5}}, {"r0", 9, 2, 20, {17, 5, 6, 13, 2, 3}},
      {"r2", 9, 0, 9, {7, 6, 5, 1, 4, 3}},      {"r2", 9, 2, 9, {4, 1, 3, 0, 7, 5}},
      {"r2", 10, 0, 10, {7, 2, 0, 6, 9, 3}},    {"r2", 10, 2, 10, {1, 9, 3, 8, 4, 0}},
      {"r0", 10, 0, 21, {5, 9, 13, 1, 16, 3}},  {"r0", 10, 2, 21, {11, 0, 6, 3, 10, 17}},
      {"r0", 11, 0, 22, {8, 4, 1, 6, 5, 7}},    {"r0", 11, 2, 22, {3, 9, 21, 0, 19, 2}},
  };
  return rows;
}

std::vector<std::uint64_t> shared_lru_misses(const std::filesystem::path& trace, const std::vector<int>& capacities) {
  std::vector<std::uint64_t> out;
  for (const int capacity : capacities) {
    ReplayConfig config;
    config.scope = Scope::shared;
    config.capacity = Capacity::parse(std::to_string(capacity));
    out.push_back(replay(TraceReader(trace), config).totals.misses());
  }
  return out;
}

}  // namespace

TEST_CASE("a request that joins a batch later keeps its step", "[import][jsonl][csv]") {
  const TempDir dir;
  std::string lines;
  std::string csv = "request,step,layer,id\n";
  for (const Row& row : joining()) {
    lines += line(fmt::format("\"{}\"", row.request), row.step, row.layer, row.context, row.ids);
    for (const int id : row.ids) {
      csv += fmt::format("{},{},{},{}\n", row.request, row.step, row.layer, id);
    }
  }
  write_file(dir / "jsonl", lines);
  write_file(dir / "csv", csv);
  for (const std::string format : {"jsonl", "csv"}) {
    ImportOptions options;
    if (format == "csv") {
      options.prompt_tokens = 10;
    }
    const std::vector<std::filesystem::path> inputs{dir / format};
    import_captures(inputs, dir / "out.dsat", options);
    const TraceReader trace(dir / "out.dsat");
    CHECK(trace.header().requests[0].start_step == 0);
    CHECK(trace.header().requests[1].start_step == 5);
    // Of 214 accesses, by LRU's definition. As if both began at step 0 it would be other numbers.
    CHECK(shared_lru_misses(dir / "out.dsat", {12, 18, 24, 40}) == std::vector<std::uint64_t>{196, 176, 122, 74});
  }
}

TEST_CASE("steps that are positions are told", "[import][jsonl]") {
  const auto notes = [](int second_step) {
    const TempDir dir;
    write_file(dir / "r", line("1", 20, 0, 21, {1}) + line("2", second_step, 0, 31, {2}));
    return captures::open("jsonl", dir / "r")->notes();
  };
  CHECK(notes(20).empty());
  CHECK(notes(29).empty());
  REQUIRE(notes(30).size() == 1);
  CHECK(notes(30)[0].ends_with(
      "r: the steps of all 2 requests are positions of their queries; they are taken for steps of the batch, so that "
      "requests of longer prompts join it later"));
  CHECK(notes(31).size() == 1);  // counted from 1
}

TEST_CASE("a request that pauses, of rows without queries, is refused and said to pause", "[import][jsonl][csv]") {
  // Steps 2 and 3 are another's.
  std::string lines;
  std::string csv = "request,step,layer,id\n";
  for (const auto& [step, context] : std::vector<std::pair<int, int>>{{0, 5}, {1, 6}, {4, 7}, {5, 8}}) {
    lines += line("\"a\"", step, 0, context, {1});
    csv += fmt::format("a,{},0,1\n", step);
  }
  CHECK(error("jsonl", lines) ==
        "r: request a pauses: it has no rows from step 2 to step 3, and its context goes on from 6 to 7, as in a "
        "preemption; expected that each row says its `query` (0) and how many of its step's are `accepted` (1): a step "
        "without rows is then a pause");
  CHECK(
      error("csv", csv) ==
      "r: request a pauses: it has no rows from step 2 to step 3, as in a preemption; expected that each row says its "
      "`query` (0) and how many of its step's are `accepted` (1): a step without rows is then a pause");
  // Where the context grew meanwhile, rows are missing.
  CHECK(error("jsonl", line("1", 0, 0, 5, {0}) + line("1", 3, 0, 8, {0})) ==
        "r: request 1 has 2 rows of layer 0, expected one for each step from 0 to 3");
}

TEST_CASE("several rows a step without queries are refused, in words of multi-token prediction", "[import][jsonl]") {
  std::string lines;
  for (int step = 0; step < 3; ++step) {
    for (const int query : {0, 1}) {
      lines += line("\"a\"", step, 0, 21 + 2 * step + query, {3}) + line("\"a\"", step, 1, 21 + 2 * step + query, {4});
    }
  }
  CHECK(
      error("jsonl", lines) ==
      "r: request a has 2 rows of layer 0 at step 0, with contexts from 21 to 22: several queries a step, as "
      "multi-token prediction (speculative decoding) makes them; expected that each row says its `query` (from 0) and "
      "how many of its step's are `accepted`");
  CHECK(
      error("jsonl", line("1", 0, 0, 5, {0}) + line("1", 1, 0, 7, {0})) ==
      "r: the context of request 1 grows from 5 to 7 between steps 0 and 1: several tokens a step, as multi-token "
      "prediction (speculative decoding) makes them; expected that each row says its `query` (from 0) and how many of "
      "its step's are `accepted`");
}

TEST_CASE("float16 is rounded to the nearest, ties to even", "[import][float16]") {
  for (std::uint32_t bits = 0; bits < 0x10000U; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const double value = double_from_float16(half);
    if (std::isnan(value)) {
      CHECK((bits & 0x7fffU) > 0x7c00U);
      CHECK(std::isnan(double_from_float16(float16_from(value))));
      continue;
    }
    if (float16_from(value) != half) {
      FAIL("float16 " << bits << " does not come back from " << value);
    }
    if ((bits & 0x7fffU) >= 0x7bffU) {
      continue;
    }
    // Between a number and the next larger: below the middle, the middle, above the middle.
    const double next = double_from_float16(static_cast<std::uint16_t>(half + 1));
    const double middle = (value + next) / 2;
    const auto even = static_cast<std::uint16_t>(half + (half & 1U));
    if (float16_from(middle) != even || float16_from(std::nextafter(middle, value)) != half ||
        float16_from(std::nextafter(middle, next)) != half + 1) {
      FAIL("float16 " << bits << " is not rounded to");
    }
  }
  CHECK(float16_from(65504) == 0x7bff);
  CHECK(float16_from(65519.99) == 0x7bff);
  CHECK(float16_from(65520) == 0x7c00);
  CHECK(float16_from(-1e300) == 0xfc00);
}
