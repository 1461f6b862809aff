// The formats that name request, step and layer of each selection: jsonl and csv.
#include "captures.hpp"
#include "catch.hpp"
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
      {a + line("1", 1, 0, 7, {0}),
       "line 2, byte 193: the context of request 1 at step 1 is 7, from its first row follows 6"},
      {a + line("1", 2, 0, 7, {0}), "request 1 has 2 rows of layer 0, expected one for each step from 0 to 2"},
      {a + line("2", 0, 1, 5, {0}), "request 1 has 0 rows of layer 1, expected one for each step from 0 to 0"},
      {a + a, "request 1 has 2 rows of layer 0, expected one for each step from 0 to 0"},
      {a + a + line("1", 2, 0, 7, {0}), "line 2, byte 193: request 1 has layer 0 at step 0 twice"},
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
      "a,1,1,0";
  const auto contents = read("csv", text);
  REQUIRE(contents.size() == 2);
  CHECK(contents[0].shape ==
        CaptureShape{.steps = 2, .layers = 2, .top_k = 2, .prompt_tokens = {}, .has_scores = false});
  CHECK(contents[0].ids == Values{5, 3, -1, -1, 1, -1, 0, -1});
  CHECK(contents[1].ids == Values{4, -1, 2, -1});
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
  const auto [text, message] = GENERATE_COPY(table<std::string, std::string>({
      {"", "line 1: is missing, expected the header \"request,step,layer,id\" or \"request,step,layer,id,score\""},
      {"step,id\n",
       "line 1: found \"step,id\", expected the header \"request,step,layer,id\" or "
       "\"request,step,layer,id,score\""},
      {header, "holds no selection"},
      {header + "a,0,0", "line 2: ends after layer, expected request,step,layer,id"},
      {header + "a,0,0,1\n\n", "line 3: ends after request, expected request,step,layer,id"},
      {header + "a,0,x,1", "line 2: layer is \"x\", expected a whole number below 2147483648"},
      {header + "a,0,0,-1", "line 2: id is \"-1\", expected a whole number below 2147483648"},
      {header + "a,0,0,1,5", "line 2: id is \"1,5\", expected a whole number below 2147483648"},
      {header + "a,0,0,2147483648", "line 2: id is \"2147483648\", expected a whole number below 2147483648"},
      {header + "a,0,0,1\na,0,1,1\na,0,0,2\na,2,0,1\na,1,1,1\na,2,1,1",
       "line 4: request a has layer 0 at step 0 twice"},
      {header + std::string(5000, 'a'), "line 2: is longer than 4096 bytes"},
      {"request,step,layer,id,score\na,0,0,1,high", "line 2: score is \"high\", expected a number"},
      {"request,step,layer,id,score\na,0,0,1", "line 2: ends after id, expected request,step,layer,id,score"},
  }));
  CHECK(error("csv", text) == "r: " + message);
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
