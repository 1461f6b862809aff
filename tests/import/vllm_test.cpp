#include "captures.hpp"
#include "catch.hpp"
#include "reading.hpp"

#include <fmt/format.h>

using namespace dsasim;
using namespace captures;

using Values = std::vector<std::int64_t>;

namespace {

/// Rows 0 to rows - 1 of two layers and three ids.
std::string array(std::size_t rows) {
  return npy(fmt::format("({}, 2, 3)", rows), iota(rows * 6));
}

/// The ids of these rows.
Values rows_of(std::int64_t first, std::int64_t last) {
  Values out;
  for (std::int64_t id = 6 * first; id < 6 * last; ++id) {
    out.push_back(id);
  }
  return out;
}

std::vector<Contents> read(std::string_view text, const ImportOptions& options = {}) {
  const TempDir dir;
  write_file(dir / "r.json", text);
  return read_requests(*captures::open("vllm", dir / "r.json", options));
}

}  // namespace

TEST_CASE("a choice is a request", "[import][vllm]") {
  const auto contents =
      read(vllm_response({vllm_choice(array(6))}, R"("prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7)"));
  REQUIRE(contents.size() == 1);
  CHECK(contents[0].shape ==
        CaptureShape{.steps = 2, .layers = 2, .top_k = 3, .prompt_tokens = 4, .has_scores = false, .first_row = 4});
  CHECK(contents[0].ids == rows_of(4, 6));
}

TEST_CASE("several choices of several responses are requests in their order", "[import][vllm]") {
  // The second choice stopped earlier: 2 and 1 decode steps are 3 + 2 completion tokens.
  const std::string first =
      vllm_response({vllm_choice(array(6)), vllm_choice(array(5))}, R"("completion_tokens": 5, "prompt_tokens": 4)");
  const std::string second = vllm_response({vllm_choice(array(3))}, R"("prompt_tokens": 1)");
  const auto text = GENERATE_COPY(values<std::string>({first + "\n" + second, "[" + first + "," + second + "]"}));
  const auto contents = read(text);
  REQUIRE(contents.size() == 3);
  CHECK(contents[0].ids == rows_of(4, 6));
  CHECK(contents[1].ids == rows_of(4, 5));
  CHECK(contents[2].ids == rows_of(1, 3));
  CHECK(contents[2].shape.prompt_tokens == 1U);
}

TEST_CASE("token ids tell the lengths of each choice's prompt and completion", "[import][vllm]") {
  const auto contents =
      read(vllm_response({vllm_choice(array(6), R"(, "token_ids": [5, 6, 7], "prompt_token_ids": [1, 2, 3, 4])"),
                          // one row at the stop's edge
                          vllm_choice(array(6), R"(, "prompt_token_ids": [1, 2, 3], "token_ids": [5, 6, 7])")},
                         R"("prompt_tokens": 7, "completion_tokens": 6)"));
  REQUIRE(contents.size() == 2);
  CHECK(contents[0].ids == rows_of(4, 6));
  CHECK(contents[1].ids == rows_of(3, 5));
  CHECK(contents[1].shape.prompt_tokens == 3U);
  CHECK(read(R"({"prompt_token_ids": [1, 2], "choices": [)" + vllm_choice(array(3)) + "]}").at(0).ids == rows_of(2, 3));
}

TEST_CASE("the prompt's length may come from the user", "[import][vllm]") {
  ImportOptions options;
  options.prompt_tokens = 4;
  const auto contents = read(vllm_response({vllm_choice(array(6))}, ""), options);
  CHECK(contents.at(0).ids == rows_of(4, 6));
  CHECK_FALSE(contents.at(0).shape.prompt_tokens.has_value());
}

TEST_CASE("rows may begin behind the prompt's first token", "[import][vllm]") {
  const std::string usage = R"("prompt_tokens": 4, "completion_tokens": 3)";
  const auto text = GENERATE_COPY(values<std::string>({
      vllm_response({vllm_choice(array(4), R"(, "indexer_topk_prompt_start": 2)")}, usage),
      vllm_response({vllm_choice(array(4))}, usage + R"(}, "indexer_topk_prompt_start": 2, "x": {"y": 1)"),
  }));
  const auto contents = read(text);
  CHECK(contents.at(0).ids == rows_of(2, 4));
  CHECK(contents.at(0).shape.first_row == 2);
  ImportOptions options;
  options.prompt_start = PromptStart{.from = PromptStart::From::begin, .tokens = 1};
  const TempDir dir;
  write_file(dir / "r.json", text);
  CHECK(error_of(dir, [&] { captures::open("vllm", dir / "r.json", options); }) ==
        "r.json: response 0, choice 0, indexer_topk: its rows begin at position 2, `prompt_start` says 1");
}

TEST_CASE("choices that cannot be used are left out if that is asked for", "[import][vllm]") {
  ImportOptions options;
  options.skip_bad = true;
  const std::string aborted = R"({"index": 1, "indexer_topk": null, "finish_reason": "abort"})";
  const std::string text =
      vllm_response({aborted, vllm_choice(array(6)), vllm_choice(array(7))}, R"("prompt_tokens": 4)");
  const TempDir dir;
  write_file(dir / "r.json", text);
  CHECK(error_of(dir, [&] { captures::open("vllm", dir / "r.json"); })
            .ends_with("response 0 has no indexer_topk in choice 0, which was aborted; `skip_bad` leaves out requests "
                       "that cannot be used"));
  const auto file = captures::open("vllm", dir / "r.json", options);
  const auto contents = read_requests(*file);
  REQUIRE(contents.size() == 2);
  CHECK(contents[0].ids == rows_of(4, 6));
  CHECK(contents[1].ids == rows_of(4, 7));
  REQUIRE(file->notes().size() == 2);
  CHECK(dir.strip(file->notes()[0]) == "r.json: 1 of 3 requests are left out:");
}

TEST_CASE("a vLLM response that cannot be read says why", "[import][vllm]") {
  const std::string good =
      vllm_response({vllm_choice(array(6))}, R"("prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7)");
  const auto [text, message] = GENERATE_COPY(table<std::string, std::string>({
      {"", "holds no response"},
      {R"({"object": "error"})",
       "line 1, byte 19: response 0 has no indexer_topk in choice 0; `skip_bad` leaves out requests that cannot be "
       "used"},
      {R"({"choices": [{"text": ""}]})",
       "line 1, byte 27: response 0 has no indexer_topk in choice 0; `skip_bad` leaves out requests that cannot be "
       "used"},
      {R"({"choices": [{"indexer_topk": null, "token_ids": [1]}]})",
       "line 1, byte 55: response 0 has no indexer_topk in choice 0; `skip_bad` leaves out requests that cannot be "
       "used"},
      {R"({"choices": [{"indexer_topk": [1]}]})",
       "line 1, byte 30: choices[].indexer_topk is a list, expected a string"},
      {good.substr(0, 300), "line 1, byte 300: the text ends within choices[].indexer_topk, which begins at byte 118"},
      {vllm_response({vllm_choice(array(6))}, ""),
       "response 0, choice 0, indexer_topk: has no usage.prompt_tokens beside it; give `prompt_len`"},
      {vllm_response({vllm_choice(array(6))}, R"("prompt_tokens": 4, "completion_tokens": 9)"),
       "response 0, choice 0, indexer_topk: has 6 rows, 4 prompt and 9 completion tokens make 12"},
      {vllm_response({vllm_choice(array(6))}, R"("prompt_tokens": 6)"),
       "response 0, choice 0, indexer_topk: has 6 rows for 6 prompt tokens, and no decode steps; `skip_bad` leaves "
       "out requests that cannot be used"},
      {vllm_response({vllm_choice(array(6)), vllm_choice(array(6))}, R"("prompt_tokens": 4, "completion_tokens": 12)"),
       "line 1, byte 972: the 2 choices of response 0 have rows for 6 completion tokens, usage.completion_tokens is "
       "12; "
       "are they answers to one prompt?"},
      {vllm_response({vllm_choice(array(6), R"(, "prompt_token_ids": [7, 8, 9])")}, R"("prompt_tokens": 4)"),
       "response 0, choice 0, indexer_topk: has 3 prompt_token_ids beside it, usage.prompt_tokens is 4"},
      {vllm_response({vllm_choice("no array, but long enough")}, R"("prompt_tokens": 4)"),
       "response 0, choice 0, indexer_topk: starts with \"no array\", expected an .npy array (\"\\x93NUMPY\")"},
      {vllm_response({vllm_choice(array(6).substr(0, 200))}, R"("prompt_tokens": 4)"),
       "response 0, choice 0, indexer_topk: holds 72 bytes of data, shape (6, 2, 3) of int32 needs 144"},
      {vllm_response({vllm_choice(npy("(6, 2)", iota(12)))}, R"("prompt_tokens": 4)"),
       "response 0, choice 0, indexer_topk: shape (6, 2) has 2 dimensions, expected (steps, layers, top-k); to split "
       "its "
       "rows, give `layers`"},
  }));
  const TempDir dir;
  write_file(dir / "r.json", text);
  CHECK(error_of(dir, [&] { captures::open("vllm", dir / "r.json"); }) == "r.json: " + message);
}

TEST_CASE("a damaged vLLM response is read or refused, never more", "[import][vllm]") {
  const TempDir dir;
  const std::string good =
      vllm_response({vllm_choice(array(4)), vllm_choice(array(5))}, R"("prompt_tokens": 3, "completion_tokens": 5)");
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const unsigned flip : {1U, 4U, 0x80U}) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ flip);
      write_file(dir / "r.json", bytes);
      CHECK(is_read_or_refused("vllm", dir / "r.json"));
    }
    write_file(dir / "r.json", good.substr(0, at));
    CHECK_THROWS_AS(captures::open("vllm", dir / "r.json"), Error);
  }
}
